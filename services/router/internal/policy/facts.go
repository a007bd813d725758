package policy

import (
	"strings"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/fault"
)

// Facts are what rules see of a call. What is expensive to get is a function: it is called once at most, and only where a
// condition comes to need it.
type Facts struct {
	// Model is what was asked for, after the route that the caller wished.
	Model string
	// Operation is chat, embeddings or count_tokens.
	Operation string
	// Dialect is openai or anthropic, empty for a typed call.
	Dialect string
	// Stream is whether a stream is wanted.
	Stream bool
	// InputTokens is an estimate, MaxOutputTokens the declared bound or 0.
	InputTokens, MaxOutputTokens int64
	// Tools and Messages count those of the prompt; Media is whether a picture, a sound or a file is in it. They need be
	// right only where [Needs] has Shape.
	Tools, Messages int
	Media           bool
	// Tenant, KeyID, KeyName and Role are the caller's; [Facts.By] fills them in.
	Tenant, KeyID, KeyName, Role string
	// Tags are the caller's own. Nobody changes them during the call.
	Tags map[string]string
	// Time is when the call came; rules see its hour and weekday in UTC.
	Time time.Time
	// Sensitivity returns the label and the names of the detectors that found something. Where it is nil, a condition that
	// comes to need it fails.
	Sensitivity func() (llmv1.Sensitivity, []string, error)
	// Complexity returns the score, from 0 to 1; nil is 0.
	Complexity func() float64
}

// By fills in who is calling.
func (f *Facts) By(p auth.Principal) {
	f.Tenant, f.KeyID, f.KeyName = p.Account(), p.KeyID, p.Name
	f.Role = strings.ToLower(strings.TrimPrefix(p.Role.String(), "ROLE_"))
}

// variable is a name that conditions know.
type variable struct {
	name string
	kind *cel.Type
	// words are all its values, where it has but a few.
	words []string
	// size bounds a text in bytes and a list or map in elements; each bounds an element. They bound what a condition costs.
	size, each uint64
	// read gets the value.
	read func(a *activation) ref.Val
}

// variables are all names but the constants.
var variables = []variable{
	{name: "complexity", kind: cel.DoubleType, read: (*activation).complexity},
	{name: "detected", kind: cel.ListType(cel.StringType), size: 32, each: 64, read: (*activation).detected},
	{
		name: "dialect", kind: cel.StringType, size: 16, words: []string{"", "openai", "anthropic"},
		read: func(a *activation) ref.Val { return types.String(a.facts.Dialect) },
	},
	{name: "hour", kind: cel.IntType, read: func(a *activation) ref.Val { return types.Int(a.facts.Time.UTC().Hour()) }},
	{name: "input_tokens", kind: cel.IntType, read: func(a *activation) ref.Val { return types.Int(a.facts.InputTokens) }},
	{name: "key_id", kind: cel.StringType, size: 128, read: func(a *activation) ref.Val { return types.String(a.facts.KeyID) }},
	{name: "key_name", kind: cel.StringType, size: 256, read: func(a *activation) ref.Val { return types.String(a.facts.KeyName) }},
	{name: "max_output_tokens", kind: cel.IntType, read: func(a *activation) ref.Val { return types.Int(a.facts.MaxOutputTokens) }},
	{name: "media", kind: cel.BoolType, read: func(a *activation) ref.Val { return types.Bool(a.facts.Media) }},
	{name: "messages", kind: cel.IntType, read: func(a *activation) ref.Val { return types.Int(a.facts.Messages) }},
	{name: "model", kind: cel.StringType, size: 256, read: func(a *activation) ref.Val { return types.String(a.facts.Model) }},
	{
		name: "operation", kind: cel.StringType, size: 16, words: []string{"chat", "embeddings", "count_tokens"},
		read: func(a *activation) ref.Val { return types.String(a.facts.Operation) },
	},
	{
		name: "role", kind: cel.StringType, size: 16, words: []string{"client", "admin", "viewer"},
		read: func(a *activation) ref.Val { return types.String(a.facts.Role) },
	},
	{name: "sensitivity", kind: cel.IntType, read: (*activation).sensitivity},
	{name: "stream", kind: cel.BoolType, read: func(a *activation) ref.Val { return types.Bool(a.facts.Stream) }},
	{
		name: "tags", kind: cel.MapType(cel.StringType, cel.StringType), size: 32, each: 128,
		read: func(a *activation) ref.Val { return newTags(a.facts.Tags) },
	},
	{name: "tenant", kind: cel.StringType, size: 256, read: func(a *activation) ref.Val { return types.String(a.facts.Tenant) }},
	{name: "tools", kind: cel.IntType, read: func(a *activation) ref.Val { return types.Int(a.facts.Tools) }},
	{name: "weekday", kind: cel.IntType, read: func(a *activation) ref.Val { return types.Int(a.facts.Time.UTC().Weekday()) }},
}

// labels are the constants that sensitivity compares with.
var labels = map[string]llmv1.Sensitivity{
	"NONE":   llmv1.Sensitivity_SENSITIVITY_NONE,
	"LOW":    llmv1.Sensitivity_SENSITIVITY_LOW,
	"MEDIUM": llmv1.Sensitivity_SENSITIVITY_MEDIUM,
	"HIGH":   llmv1.Sensitivity_SENSITIVITY_HIGH,
}

// places are the indexes of variables by name.
var places = func() map[string]int {
	m := make(map[string]int, len(variables))
	for i, v := range variables {
		m[v.name] = i
	}
	return m
}()

// room is how many variables an activation can hold.
const room = 24

// activation hands the facts of one call to CEL, each read once. It belongs to one goroutine.
type activation struct {
	facts  Facts
	values [room]ref.Val
	// err is why a fact couldn't be got.
	err error

	scanned bool
	label   llmv1.Sensitivity
	found   []string
}

// ResolveName implements cel.Activation.
func (a *activation) ResolveName(name string) (any, bool) {
	i, ok := places[name]
	if !ok {
		return nil, false
	}
	if a.values[i] == nil {
		a.values[i] = variables[i].read(a)
	}
	return a.values[i], true
}

// Parent implements cel.Activation.
func (*activation) Parent() cel.Activation { return nil }

func (a *activation) complexity() ref.Val {
	if a.facts.Complexity == nil {
		return types.Double(0)
	}
	return types.Double(a.facts.Complexity())
}

func (a *activation) sensitivity() ref.Val {
	if err := a.scan(); err != nil {
		return types.WrapErr(err)
	}
	return types.Int(max(a.label, llmv1.Sensitivity_SENSITIVITY_NONE))
}

func (a *activation) detected() ref.Val {
	if err := a.scan(); err != nil {
		return types.WrapErr(err)
	}
	return types.NewStringList(types.DefaultTypeAdapter, a.found)
}

func (a *activation) scan() error {
	switch {
	case a.scanned:
	case a.facts.Sensitivity == nil:
		a.err = fault.New(errorsv1.Reason_REASON_RULE_FAILED, "a rule asks for the sensitivity of a call that nobody has looked at")
	default:
		a.label, a.found, a.err = a.facts.Sensitivity()
	}
	a.scanned = true
	return a.err
}
