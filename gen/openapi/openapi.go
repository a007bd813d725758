// Package openapi carries the generated description of the native REST surface (OpenAPI 2.0, JSON).
package openapi

import _ "embed"

// JSON is the whole document. Callers don't change it.
//
//go:embed headgate.swagger.json
var JSON []byte
