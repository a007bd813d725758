package rest

import (
	"regexp"
	"strings"
)

var (
	unknownField = regexp.MustCompile(`unknown field "([A-Za-z0-9_.\[\]]{1,64})"`)
	position     = regexp.MustCompile(`\(line \d+:\d+\)`)
)

// decodeProblem keeps of protojson's message what names the place, and drops what quotes the value.
func decodeProblem(message string) string {
	var parts []string
	if m := unknownField.FindStringSubmatch(message); m != nil {
		parts = append(parts, "unknown field "+m[1])
	}
	if m := position.FindString(message); m != "" {
		parts = append(parts, strings.Trim(m, "()"))
	}
	if len(parts) == 0 {
		return "it isn't valid JSON of that message; /docs describes it"
	}
	return strings.Join(parts, ", ") + "; /docs describes the message"
}
