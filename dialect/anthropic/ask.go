package anthropic

import (
	"fmt"
	"slices"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/object"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
)

// EncodeRequest writes a prompt as a messages request. What Anthropic can't say is a *fault.Error that names the field by
// its typed path: UNSUPPORTED, INVALID_FIELD or MISSING_FIELD; what was left out because it changes little is in the
// warnings.
func EncodeRequest(p *llmv1.Prompt, a dialect.Ask) (body []byte, warnings []string, err error) {
	return (&asking{prompt: p, ask: a}).encode()
}

// asking is a prompt on its way into a request.
type asking struct {
	prompt *llmv1.Prompt
	ask    dialect.Ask
	// count is whether tokens are counted only: then there is no bound, no stream and no sampling.
	count bool

	system  []*llmv1.Part
	turns   []turn
	thought thought
	// forged says that thoughts were left out that Headgate itself had signed.
	forged   bool
	warnings []string
	err      error
}

func (q *asking) encode() ([]byte, []string, error) {
	q.gather()
	if len(q.turns) == 0 && q.err == nil {
		q.err = fault.New(errorsv1.Reason_REASON_MISSING_FIELD, "prompt.messages needs a message that isn't ROLE_SYSTEM for Anthropic").
			With("field", "prompt.messages")
	}
	q.checkSampling()
	q.checkRest()
	q.plan()
	if q.err != nil {
		return nil, nil, q.err
	}
	body := q.body()
	return body, q.warnings, nil
}

// maxWarnings bounds the list of what was left out.
const maxWarnings = 16

func (q *asking) dropped(field, why string) { q.warn("dropped " + field + ": " + why) }

func (q *asking) warn(what string) {
	if len(q.warnings) < maxWarnings && !slices.Contains(q.warnings, what) {
		q.warnings = append(q.warnings, what)
	}
}

// refuse refuses what Anthropic can't be asked.
func (q *asking) refuse(field, why string) { q.fail(unsupported(why).in(field)) }

func (q *asking) invalid(field, remedy string) { q.fail(wrong(field, remedy)) }

// own reports whether the prompt is an Anthropic client's, whose way of thinking and of picking words isn't translated.
func (q *asking) own() bool {
	_, ok := q.prompt.GetExtensions()[ownWords]
	return ok
}

func (q *asking) body() []byte {
	w := writer{Writer: &object.Writer{}}
	w.Patched(q.prompt.GetExtensions(), func() {
		w.Always("model", q.ask.Model)
		q.bound(w.Writer)
		q.writeSystem(w)
		w.Name("messages")
		w.Array(func() {
			for _, t := range q.turns {
				t.write(w)
			}
		})
		q.writeTools(w.Writer)
		w.True("stream", q.ask.Stream && !q.count)
		q.head(w.Writer)
	})
	return object.Patch(w.Bytes(), q.fixed(w.Bytes()))
}

// fixed are the members that no extension may change: which model is asked was decided by who may ask for it, and what
// comes back has to be what the caller reads. Thinking goes where the thoughts that it needs were left out.
func (q *asking) fixed(body []byte) map[string]string {
	if len(q.prompt.GetExtensions()) == 0 {
		return nil
	}
	fixed := map[string]string{"model": string(rawjson.Quote(nil, []byte(q.ask.Model)))}
	stream := string(rawjson.Get(body, "stream")) == "true"
	switch {
	case q.ask.Stream && !q.count:
		fixed["stream"] = "true"
	case stream:
		fixed["stream"] = ""
	}
	if q.forged && q.bareCalls() && strict(rawjson.Get(body, "thinking")) {
		fixed["thinking"] = ""
	}
	return fixed
}

// strict reports whether a thinking parameter demands that a turn which calls tools begins with thoughts. Adaptive thinking
// demands nothing (platform.claude.com, "Thinking in tool and multi-turn workflows").
func strict(thinking []byte) bool {
	kind, _ := rawjson.Unquote(rawjson.Get(thinking, "type"))
	return string(kind) == "enabled"
}

// checkRest refuses tools and forms of answers that only others have, and text that should be JSON and isn't.
func (q *asking) checkRest() {
	for i, t := range q.prompt.GetTools() {
		field := fmt.Sprintf("prompt.tools[%d]", i)
		switch {
		case t.GetNative() != "" && !isObject(t.GetNative()):
			q.invalid(field+".native", "must be a JSON object")
		case t.GetNative() != "" && foreign(t):
			q.refuse(field, "is a tool that only another vendor has")
		case t.GetInputSchema() != "" && !isObject(t.GetInputSchema()):
			q.invalid(field+".input_schema", "must be a JSON object")
		}
	}
	f := q.prompt.GetResponseFormat()
	switch f.GetKind() {
	case llmv1.ResponseFormatKind_RESPONSE_FORMAT_KIND_JSON_OBJECT, llmv1.ResponseFormatKind_RESPONSE_FORMAT_KIND_REGEX:
		q.refuse("prompt.response_format", "is a form that Anthropic doesn't give; ask for a JSON schema")
	case llmv1.ResponseFormatKind_RESPONSE_FORMAT_KIND_JSON_SCHEMA:
		if !isObject(f.GetSchema()) {
			q.invalid("prompt.response_format.schema", "must be a JSON object")
		}
	}
}

// bound writes max_tokens, which Anthropic demands.
func (q *asking) bound(w *object.Writer) {
	if !q.count {
		w.Number("max_tokens", q.maxTokens())
	}
}

// head writes how the model is to answer.
func (q *asking) head(w *object.Writer) {
	s := q.prompt.GetSampling()
	if !q.count {
		q.writeSampling(w, s)
		w.Sub("metadata", func() { w.Text("user_id", q.prompt.GetUser()) })
	}
	q.thought.write(w)
	w.Sub("output_config", func() {
		w.Text("effort", q.thought.effort)
		if f := q.prompt.GetResponseFormat(); f.GetKind() == llmv1.ResponseFormatKind_RESPONSE_FORMAT_KIND_JSON_SCHEMA {
			w.Name("format")
			w.Patched(f.GetExtensions(), func() {
				w.Always("type", "json_schema")
				w.JSON("schema", f.GetSchema())
			})
		}
	})
	if c := q.choice(); c != nil {
		w.Name("tool_choice")
		writeToolChoice(w, c)
	}
}
