//go:build !unix

package h1

// Supported tells whether a connection that was kept can be looked at before it is used again.
const Supported = false

func (*conn) stale() bool { return true }
