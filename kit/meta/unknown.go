package meta

import (
	"slices"
	"strings"
)

// prefix begins every name of Headgate's own.
const prefix = "x-headgate-"

// sent are the names under the prefix that a request may carry: those that steer it, and those of an answer, which a
// client may have copied.
var sent = append(Steering(), Provider, Model, UpstreamRequestID, Attempts, Warnings)

// Unknown returns what to say of a request's header, in lower case, that looks like one of Headgate's and is none: a label
// that was misspelt must not be ignored. It is empty for every other header.
func Unknown(name string) string {
	if !strings.HasPrefix(name, prefix) || strings.HasPrefix(name, InternalPrefix) || slices.Contains(sent, name) {
		return ""
	}
	return "is no header of Headgate's; known are " + strings.Join(Steering(), ", ")
}
