package sim

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"
)

// sort is the JSON type to sample: the one named, the first that isn't null, or what the keywords imply.
func (d *schema) sort() string {
	var one string
	var many []string
	switch {
	case json.Unmarshal(d.Type, &one) == nil:
		return one
	case json.Unmarshal(d.Type, &many) == nil:
		for _, t := range many {
			if t != "null" {
				return t
			}
		}
		return "null"
	case len(d.Items) > 0:
		return "array"
	case len(d.Properties) > 0:
		return "object"
	}
	return "string"
}

// formats are samples of the string formats.
var formats = map[string]string{
	"date-time": "2025-01-02T03:04:05Z", "date": "2025-01-02", "time": "03:04:05Z", "email": "sim@example.com",
	"uri": "https://example.com/", "uuid": "00000000-0000-4000-8000-000000000000", "ipv4": "192.0.2.1",
	"hostname": "example.com", "duration": "PT1S", "ipv6": "2001:db8::1",
}

// text is a string that says whose value it is.
func (d *schema) text(name string) string {
	if s, ok := formats[d.Format]; ok {
		return s
	}
	s := "sample " + strings.ReplaceAll(name, "_", " ")
	if short := min(d.MinLength, 1<<12) - len(s); short > 0 {
		s += strings.Repeat("x", short)
	}
	if d.MaxLength != nil && *d.MaxLength >= 0 && *d.MaxLength < len(s) {
		s = s[:*d.MaxLength]
	}
	return strings.ToValidUTF8(s, "")
}

// number is 1, moved into the schema's bounds.
func (d *schema) number(b []byte) []byte {
	n := 1.0
	if d.Minimum != nil {
		n = max(n, math.Ceil(*d.Minimum))
	}
	if d.ExclusiveMinimum != nil {
		n = max(n, math.Floor(*d.ExclusiveMinimum)+1)
	}
	if d.Maximum != nil {
		n = min(n, *d.Maximum)
	}
	return strconv.AppendFloat(b, n, 'f', -1, 64)
}

// member is one property of an object schema.
type member struct {
	name string
	raw  json.RawMessage
}

// members are an object's members in the order they are written in, which a Go map would lose.
func members(obj json.RawMessage) []member {
	dec := json.NewDecoder(bytes.NewReader(obj))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil
	}
	var out []member
	for dec.More() {
		t, err := dec.Token()
		name, ok := t.(string)
		if err != nil || !ok {
			return out
		}
		var raw json.RawMessage
		if dec.Decode(&raw) != nil {
			return out
		}
		out = append(out, member{name, raw})
	}
	return out
}
