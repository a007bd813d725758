package openai

import (
	"encoding/json"
	"strconv"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
)

type response struct {
	ID      string          `json:"id"`
	Model   string          `json:"model"`
	Choices []choice        `json:"choices"`
	Usage   json.RawMessage `json:"usage"`
}

type choice struct {
	Index        int    `json:"index"`
	Message      said   `json:"message"`
	Delta        said   `json:"delta"`
	FinishReason string `json:"finish_reason"`
}

// said is a message or a delta of one. Reasoning, under its several names, isn't read.
type said struct {
	Content      words           `json:"content"`
	Refusal      string          `json:"refusal"`
	ToolCalls    json.RawMessage `json:"tool_calls"`
	FunctionCall json.RawMessage `json:"function_call"`
	Audio        json.RawMessage `json:"audio"`
	Images       json.RawMessage `json:"images"`
}

// words is content: a string, or, at Mistral, a list of parts.
type words struct {
	text string
	// other says that there is a part that is neither text nor thinking.
	other bool
}

// UnmarshalJSON reads a string, null or a list of parts.
func (w *words) UnmarshalJSON(data []byte) error {
	if rawjson.Kind(data) != 'a' {
		return json.Unmarshal(data, &w.text)
	}
	var parts []textPart
	if err := json.Unmarshal(data, &parts); err != nil {
		return err
	}
	for _, p := range parts {
		switch p.Type {
		case "text":
			w.text += p.Text
		case "thinking", "reasoning":
		default:
			w.other = true
		}
	}
	return nil
}

// DecodeResponse reads a whole answer; reasoning isn't shown, its tokens are counted. Errors are *fault.Error:
// PROVIDER_MALFORMED, or UNSUPPORTED for what headgate.llm.v1 has no words for.
func DecodeResponse(body []byte) (*llmv1.Completion, error) {
	r, err := parse(body)
	if err != nil {
		return nil, err
	}
	first, ok := r.first()
	if !ok {
		return nil, malformed(nil)
	}
	if err := sayable(first.Message); err != nil {
		return nil, err
	}
	c := &llmv1.Completion{
		Id: r.ID, Model: r.Model, Message: first.Message.message(),
		FinishReason: finishReason(first.FinishReason), RawFinishReason: first.FinishReason,
	}
	if rawjson.Kind(r.Usage) == 'o' {
		c.Usage = readUsage(r.Usage)
	}
	return c, nil
}

// parse checks text before it decodes it: encoding/json takes invalid UTF-8 for U+FFFD.
func parse(data []byte) (*response, error) {
	if err := rawjson.Check(data, dialect.MaxAnswerDepth); err != nil {
		return nil, malformed(err)
	}
	r := &response{}
	if err := json.Unmarshal(data, r); err != nil {
		return nil, malformed(err)
	}
	return r, nil
}

// first returns the choice at index 0: a prompt asks for one, so others are none of its business.
func (r *response) first() (choice, bool) {
	for _, c := range r.Choices {
		if c.Index == 0 {
			return c, true
		}
	}
	return choice{}, false
}

func (s said) message() *llmv1.Message {
	m := &llmv1.Message{Role: llmv1.Role_ROLE_ASSISTANT}
	if s.Content.text != "" {
		m.Parts = append(m.Parts, textOf(s.Content.text))
	}
	if s.Refusal != "" {
		m.Parts = append(m.Parts, refusalOf(s.Refusal))
	}
	return m
}

func malformed(cause error) error {
	return fault.New(errorsv1.Reason_REASON_PROVIDER_MALFORMED, "not a chat completion").Because(cause)
}

// sayable refuses what would be lost.
func sayable(s said) error {
	switch {
	case !rawjson.Empty(s.ToolCalls), !rawjson.Empty(s.FunctionCall):
		return unsayable("the model calls tools")
	case !rawjson.Empty(s.Audio), !rawjson.Empty(s.Images), s.Content.other:
		return unsayable("the model answers with more than text")
	}
	return nil
}

func unsayable(what string) error {
	return fault.New(errorsv1.Reason_REASON_UNSUPPORTED, "%s, which the typed API can't carry yet; use POST /v1/chat/completions", what)
}

func textOf(text string) *llmv1.Part {
	return &llmv1.Part{Kind: &llmv1.Part_Text{Text: &llmv1.TextPart{Text: text}}}
}

func refusalOf(text string) *llmv1.Part {
	return &llmv1.Part{Kind: &llmv1.Part_Refusal{Refusal: &llmv1.RefusalPart{Text: text}}}
}

// providerError is the error of a frame, its message word for word, with the status it tells of: vLLM's code and Groq's
// status_code are one; 502 where there is none.
func providerError(data []byte) error {
	object := rawjson.Get(data, "error")
	status := 502
	for _, value := range [][]byte{rawjson.Get(object, "status_code"), rawjson.Get(data, "status_code"), rawjson.Get(object, "code")} {
		if n, ok := rawjson.Int(value); ok && n >= 400 && n <= 599 {
			status = int(n)
			break
		}
	}
	p := dialect.DecodeError(status, data)
	return fault.New(errorsv1.Reason_REASON_PROVIDER_ERROR, "%s", p.Message).
		With("http_status", strconv.Itoa(status)).With("provider_code", p.Code)
}
