package sqlite

import (
	"strings"

	"github.com/headgate-mesh/headgate/services/usage/internal/store"
)

// condition is a WHERE clause and its values. No value ever stands in the text.
type condition struct {
	terms []string
	args  []any
}

func (c *condition) add(term string, args ...any) {
	c.terms, c.args = append(c.terms, term), append(c.args, args...)
}

func (c *condition) String() string {
	if len(c.terms) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(c.terms, " AND ")
}

func where(f store.Filter) *condition {
	c := new(condition)
	if !f.Start.IsZero() {
		c.add("started >= ?", f.Start.UnixNano())
	}
	if !f.End.IsZero() {
		c.add("started < ?", f.End.UnixNano())
	}
	for _, field := range []struct{ column, value string }{
		{"tenant", f.Tenant}, {"key_id", f.KeyID}, {"model", f.Model}, {"provider", f.Provider}, {"request_id", f.RequestID},
	} {
		if field.value != "" {
			c.add(field.column+" = ?", field.value)
		}
	}
	switch {
	case f.Tag == nil:
	case f.Tag.Value == nil:
		c.add("EXISTS (SELECT 1 FROM json_each(tags) WHERE key = ?)", f.Tag.Name)
	default:
		c.add("EXISTS (SELECT 1 FROM json_each(tags) WHERE key = ? AND value = ?)", f.Tag.Name, *f.Tag.Value)
	}
	return c
}
