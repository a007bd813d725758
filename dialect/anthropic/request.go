package anthropic

import (
	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/object"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// DecodeRequest reads a messages request, or one to count tokens. What has no typed place is kept in extensions, so that
// EncodeRequest, given the model and whether to stream, writes the same JSON again. Errors are *fault.Error: INVALID_JSON,
// TOO_DEEP, MISSING_FIELD and INVALID_FIELD, in the client's words.
func DecodeRequest(body []byte) (*llmv1.Prompt, error) {
	facts, err := countTable.Read(body)
	if err != nil {
		return nil, err
	}
	q := reading{blocks: blocks{keep: true, asked: true}, prompt: &llmv1.Prompt{}, facts: facts}
	q.head.Object(func() {
		err = rawjson.Object(body, dialect.MaxDepth, func(m rawjson.Member) bool { return q.member(string(m.Name), m.Value) })
	})
	if err == nil {
		err = q.flaw.fault()
	}
	if err != nil {
		return nil, err
	}
	q.readHead()
	return q.prompt, nil
}

// reading is a request on its way into a prompt.
type reading struct {
	blocks blocks
	prompt *llmv1.Prompt
	facts  dialect.Facts
	// head is the request without model, stream, messages, system and tools.
	head object.Writer
	flaw *flaw
}

// extend keeps a member of the request that has no typed place, or an odd form.
func (q *reading) extend(path, value string) {
	q.prompt.Extensions = with(q.prompt.Extensions, path, value)
}

// member reads one member of the request; false ends the reading with a flaw.
func (q *reading) member(name string, value []byte) bool {
	switch name {
	case "model":
	case "stream":
		if !q.facts.Stream {
			q.extend(name, string(value))
		}
	case "messages":
		q.flaw = q.messages(value)
	case "system":
		q.flaw = q.system(value)
	case "tools":
		q.flaw = q.tools(value)
	default:
		q.flaw = checkKind(name, value)
		q.head.Name(name)
		q.head.Value(value)
	}
	return q.flaw == nil
}

// kinds are what members of the request hold, by rawjson.Kind. null is taken everywhere, and left to the provider.
var kinds = map[string]struct {
	kind byte
	what string
}{
	"temperature": {'0', "must be a number"}, "top_p": {'0', "must be a number"}, "top_k": {'0', "must be a number"},
	"stop_sequences": {'a', "must be an array of strings"}, "metadata": {'o', "must be an object"},
	"thinking": {'o', "must be an object"}, "tool_choice": {'o', "must be an object"}, "output_config": {'o', "must be an object"},
}

func checkKind(name string, value []byte) *flaw {
	want, ok := kinds[name]
	if kind := rawjson.Kind(value); ok && kind != want.kind && kind != 'n' {
		return wrong(name, want.what)
	}
	return nil
}

// system takes the instructions: a text, or a list of blocks.
func (q *reading) system(value []byte) (f *flaw) {
	delete(q.prompt.Extensions, "system") // should it stand twice, the last one counts
	q.prompt.System, q.prompt.SystemParts = "", nil
	switch rawjson.Kind(value) {
	case 's':
		text, _ := rawjson.Unquote(value)
		q.prompt.System = string(text)
	case 'a':
		q.prompt.SystemParts, f = q.blocks.parts(object.Elements(value))
	case 'n':
	default:
		f = wrong("", "must be a string or an array of blocks")
	}
	if q.prompt.GetSystem() == "" && len(q.prompt.GetSystemParts()) == 0 {
		q.extend("system", string(value))
	}
	return f.in("system")
}

func (q *reading) messages(value []byte) *flaw {
	for i, raw := range object.Elements(value) {
		m, f := q.message(raw)
		if f != nil {
			return f.at(i).in("messages")
		}
		if i > 0 && m.GetRole() == q.prompt.Messages[i-1].GetRole() {
			spellRole(m)
		}
		q.prompt.Messages = append(q.prompt.Messages, m)
	}
	return nil
}

var roles = map[string]llmv1.Role{
	"user": llmv1.Role_ROLE_USER, "assistant": llmv1.Role_ROLE_ASSISTANT, "system": llmv1.Role_ROLE_SYSTEM,
}

// spellRole notes a message's role, which says nothing new but that the message stands where it stands: it isn't joined to
// the one before, or moved to the instructions.
func spellRole(m *llmv1.Message) {
	m.Extensions = with(m.Extensions, "role", `"`+roleWord(m.GetRole())+`"`)
}

func roleWord(role llmv1.Role) string {
	switch role {
	case llmv1.Role_ROLE_ASSISTANT:
		return "assistant"
	case llmv1.Role_ROLE_SYSTEM:
		return "system"
	}
	return "user"
}

func (q *reading) message(raw []byte) (*llmv1.Message, *flaw) {
	r, ok := object.Read(raw)
	if !ok {
		return nil, wrong("", "must be an object")
	}
	word, f := needString(r, "role")
	role, known := roles[word]
	switch {
	case f != nil:
		return nil, f
	case !known:
		return nil, wrong("role", "must be user, assistant or system")
	case !r.Has("content") || rawjson.Kind(r.Peek("content")) == 'n':
		return nil, lacking("content")
	}
	m := &llmv1.Message{Role: role}
	if m.Parts, f = q.blocks.content(r); f != nil {
		return nil, f
	}
	m.Extensions = r.Left()
	if role == llmv1.Role_ROLE_SYSTEM {
		spellRole(m)
	}
	return m, nil
}
