package rest

import (
	"regexp"
	"strings"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
)

// What protojson says of a body: the name and the place are the client's to know, the value is never repeated.
var (
	wrongTime    = regexp.MustCompile(`invalid google\.protobuf\.(Timestamp|Duration) value`)
	badQuery     = regexp.MustCompile(`^invalid (?:URL escape|semicolon separator)`)
	unknownField = regexp.MustCompile(`unknown field "([A-Za-z0-9_.\[\]]{1,64})"`)
	wrongValue   = regexp.MustCompile(`invalid value for \w+ (?:type|field) ([A-Za-z0-9_.]{1,64})`)
	position     = regexp.MustCompile(`\(line (\d+:\d+)\)`)
)

// decodeProblem is the error for parameters or a body that doesn't fit the request message.
func decodeProblem(message string) *fault.Error {
	if f := queryProblem(message); f != nil {
		return f
	}
	if badQuery.MatchString(message) {
		return fault.New(errorsv1.Reason_REASON_INVALID_FIELD, "the query of the URL isn't well-formed: escape its values, and put & between parameters")
	}
	place := ""
	if m := position.FindStringSubmatch(message); m != nil {
		place = " (line " + m[1] + ")"
	}
	if m := unknownField.FindStringSubmatch(message); m != nil {
		return fault.New(errorsv1.Reason_REASON_INVALID_FIELD, "%s is no field of this message%s; /docs describes it", m[1], place).With("field", m[1])
	}
	if m := wrongValue.FindStringSubmatch(message); m != nil {
		field := protoName(m[1])
		return fault.New(errorsv1.Reason_REASON_INVALID_FIELD, "%s has a value of the wrong type%s; /docs describes it", field, place).With("field", field)
	}
	if m := wrongTime.FindStringSubmatch(message); m != nil {
		looks := map[string]string{"Timestamp": "2026-11-25T00:00:00Z", "Duration": "60s"}[m[1]]
		return fault.New(errorsv1.Reason_REASON_INVALID_FIELD, "a time%s must look like %s", place, looks)
	}
	return fault.New(errorsv1.Reason_REASON_INVALID_JSON, "the body isn't valid JSON of this message%s; /docs describes it", place)
}

// protoName is the name of a field in this surface, by the one that protojson calls it: requestsPerMinute is
// requests_per_minute.
func protoName(json string) string {
	var name strings.Builder
	for _, r := range json {
		if r >= 'A' && r <= 'Z' {
			name.WriteByte('_')
			r += 'a' - 'A'
		}
		name.WriteRune(r)
	}
	return name.String()
}
