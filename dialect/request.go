package dialect

import (
	"bytes"
	"errors"
	"strconv"

	"github.com/headgate-mesh/headgate/dialect/rawjson"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
)

// Field is what a request's reader does with one top-level member. It returns the error to refuse the request with.
type Field func(m rawjson.Member, f *Facts) error

// Table is a dialect's known members: their names and readers, at most 64. Required ones have to be there.
type Table []Entry

// Entry is one known member.
type Entry struct {
	// Name is the member's, in lower case.
	Name string
	// Required refuses a body without it.
	Required bool
	// Read reads its value.
	Read Field
}

// Read reads the facts of a body: valid JSON, nested at most MaxDepth deep, an object, none of whose known members
// comes twice or in another case. Errors are *fault.Error.
func (t Table) Read(body []byte) (Facts, error) {
	var f Facts
	var seen uint64
	var refused error
	err := rawjson.Object(body, MaxDepth, func(m rawjson.Member) bool {
		refused = t.member(m, &f, &seen)
		return refused == nil
	})
	if refused == nil && err == nil {
		err = rawjson.CheckUTF8(body)
	}
	switch {
	case refused != nil:
		return Facts{}, refused
	case err != nil:
		return Facts{}, unreadable(err)
	}
	return f, t.complete(seen)
}

func (t Table) member(m rawjson.Member, f *Facts, seen *uint64) error {
	i := t.find(m.Name)
	switch {
	case i < 0:
		return t.lookalike(m.Name)
	case *seen&(1<<i) != 0:
		return Twice(t[i].Name)
	}
	*seen |= 1 << i
	return t[i].Read(m, f)
}

// lookalike refuses a known name in another case. A server whose JSON reader ignores case, as Go's does by default,
// would take it for the name itself, and act on a model that Headgate never saw.
func (t Table) lookalike(name []byte) error {
	for i := range t {
		if bytes.EqualFold([]byte(t[i].Name), name) {
			return Invalid(t[i].Name, "is also there in another case; send it once, in lower case")
		}
	}
	return nil
}

func (t Table) find(name []byte) int {
	for i := range t {
		if t[i].Name == string(name) {
			return i
		}
	}
	return -1
}

func (t Table) complete(seen uint64) error {
	for i := range t {
		if t[i].Required && seen&(1<<i) == 0 {
			return Missing(t[i].Name)
		}
	}
	return nil
}

func unreadable(err error) error {
	var syntax *rawjson.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return fault.New(errorsv1.Reason_REASON_INVALID_JSON, "the body is not valid JSON: %s at byte %d", syntax.Msg, syntax.Offset).
			With("offset", strconv.Itoa(syntax.Offset))
	case errors.Is(err, rawjson.ErrTooDeep):
		return fault.New(errorsv1.Reason_REASON_TOO_DEEP, "the body is nested deeper than %d levels; send it flatter", MaxDepth).
			With("limit", strconv.Itoa(MaxDepth))
	}
	return fault.New(errorsv1.Reason_REASON_INVALID_JSON, "the body has to be a JSON object").With("offset", "0")
}

// Invalid refuses a field; remedy goes on from its name.
func Invalid(field, remedy string) error {
	return fault.New(errorsv1.Reason_REASON_INVALID_FIELD, "%s %s", field, remedy).With("field", field)
}

// Twice refuses a member that Headgate acts on and that comes twice: the provider might read the other one.
func Twice(field string) error { return Invalid(field, "stands twice; send it once") }

// Missing refuses a request without a field.
func Missing(field string) error {
	return fault.New(errorsv1.Reason_REASON_MISSING_FIELD, "%s is required", field).With("field", field)
}

// ModelField reads the model's name.
func ModelField(m rawjson.Member, f *Facts) error {
	text, ok := rawjson.Unquote(m.Value)
	if !ok || len(text) == 0 || len(text) > MaxModel {
		return Invalid("model", "must be a string of 1 to "+strconv.Itoa(MaxModel)+" bytes; GET /v1/models lists the names")
	}
	f.Model, f.ModelAt = string(text), Span{m.ValueAt, m.ValueEnd}
	return nil
}

// StreamField reads whether a stream is wanted; null counts as false, as the vendors count it.
func StreamField(m rawjson.Member, f *Facts) error {
	switch string(m.Value) {
	case "true":
		f.Stream = true
	case "false", "null":
	default:
		return Invalid("stream", "must be true or false")
	}
	return nil
}

// MessagesField checks that messages is an array with something in it.
func MessagesField(m rawjson.Member, _ *Facts) error {
	if rawjson.Kind(m.Value) != 'a' || rawjson.First(m.Value) == nil {
		return Invalid("messages", "must be an array of at least one message")
	}
	return nil
}

// BoundField reads a bound on output tokens that must be at least least; null counts as absent where it may be.
func BoundField(name string, least int64, nullable bool) Field {
	return func(m rawjson.Member, f *Facts) error {
		if nullable && rawjson.Kind(m.Value) == 'n' {
			return nil
		}
		n, ok := rawjson.Int(m.Value)
		if !ok || n < least {
			return Invalid(name, "must be a whole number of at least "+strconv.FormatInt(least, 10))
		}
		f.MaxOutputTokens = max(f.MaxOutputTokens, n)
		return nil
	}
}

// WithModel returns the edit that puts another model's name in.
func (f Facts) WithModel(model string) rawjson.Edit {
	return rawjson.Edit{At: f.ModelAt.At, End: f.ModelAt.End, With: rawjson.Quote(nil, []byte(model))}
}
