// Package keys is the service that makes, lists and revokes the keys callers present.
package keys
