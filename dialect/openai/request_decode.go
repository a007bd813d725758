package openai

import (
	"strconv"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/object"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// requestDecoder reads one request.
type requestDecoder struct {
	messageDecoder

	*object.Reader
	marks marks
}

// DecodeRequest reads a client's chat request: valid JSON. What has no place in a prompt goes to the extensions, but for
// the model and what else belongs to [dialect.Facts]. Errors are *fault.Error, MISSING_FIELD and INVALID_FIELD, with the
// field in OpenAI's words.
func DecodeRequest(body []byte) (*llmv1.Prompt, error) {
	r, ok := object.Read(trim(body))
	if !ok {
		return nil, dialect.Invalid("messages", "must be in a JSON object")
	}
	d := &requestDecoder{messageDecoder: messageDecoder{strict: true, keep: true}, Reader: r, marks: make(marks)}
	p := d.prompt()
	if d.refused != nil {
		return nil, d.refused
	}
	return p, nil
}

func (d *requestDecoder) prompt() *llmv1.Prompt {
	d.facts()
	p := &llmv1.Prompt{
		Messages: d.messages(), Sampling: d.sampling(), Tools: d.tools(), ToolChoice: d.toolChoice(),
		ResponseFormat: d.format(), Reasoning: d.reasoning(), User: d.text("user"),
	}
	p.Extensions = d.left(d.Reader, d.marks)
	return p
}

// facts takes what belongs to [dialect.Facts], where the encoder writes the same for them.
func (d *requestDecoder) facts() {
	d.Text("model")
	if !d.True("stream") {
		return
	}
	if options := d.Peek("stream_options"); string(rawjson.Get(options, "include_usage")) == "true" {
		d.Sub("stream_options").True("include_usage")
	}
}

func (d *requestDecoder) messages() []*llmv1.Message {
	elements := object.Elements(d.Peek("messages"))
	switch {
	case !d.Has("messages"):
		d.refuse(dialect.Missing("messages"))
	case len(elements) == 0:
		d.refuse(dialect.Invalid("messages", "must be an array of at least one message"))
	}
	d.Take("messages", func([]byte) bool { return true })
	messages := make([]*llmv1.Message, 0, len(elements))
	for i, element := range elements {
		messages = append(messages, d.message(index("messages", i), element))
	}
	return messages
}

// kind refuses a member that is of none of these kinds; null counts as absent. It reports whether the member is there.
func (d *requestDecoder) kind(name, want string, kinds ...byte) bool {
	k := rawjson.Kind(d.Peek(name))
	if k == 0 || k == 'n' {
		return false
	}
	for _, one := range kinds {
		if k == one {
			return true
		}
	}
	d.refuse(dialect.Invalid(name, "must be "+want))
	return false
}

func (d *requestDecoder) text(name string) string {
	if !d.kind(name, "a string", 's') {
		return ""
	}
	return d.Text(name)
}

// number reads a number; one that a float64 can't hold exactly stays in the extensions too.
func (d *requestDecoder) number(name string) *float64 {
	if !d.kind(name, "a number", '0') {
		return nil
	}
	if x := d.Float(name); x != nil {
		return x
	}
	x, err := strconv.ParseFloat(string(d.Peek(name)), 64)
	if err != nil {
		d.refuse(dialect.Invalid(name, "is out of range"))
	}
	return &x
}

// whole reads a whole number; one in an odd spelling, such as 1.0, stays in the extensions too.
func (d *requestDecoder) whole(name string) *int64 {
	n := d.peekWhole(name)
	d.Int(name)
	return n
}

// peekWhole is whole without taking the member.
func (d *requestDecoder) peekWhole(name string) *int64 {
	if !d.kind(name, "a whole number", '0') {
		return nil
	}
	text := string(d.Peek(name))
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return &n
	}
	x, err := strconv.ParseFloat(text, 64)
	if n := int64(x); err == nil && float64(n) == x && n < 1<<53 && n > -1<<53 {
		return &n
	}
	d.refuse(dialect.Invalid(name, "must be a whole number"))
	return nil
}

// small is whole for 32 bits.
func (d *requestDecoder) small(name string) *int32 {
	wide := d.whole(name)
	if wide == nil {
		return nil
	}
	n := int32(*wide)
	if int64(n) != *wide {
		d.refuse(dialect.Invalid(name, "is out of range"))
	}
	return &n
}

func (d *requestDecoder) boolean(name string) *bool {
	if !d.kind(name, "true or false", 'b') {
		return nil
	}
	return d.Bool(name)
}

func (d *requestDecoder) sampling() *llmv1.Sampling {
	s := &llmv1.Sampling{
		MaxOutputTokens: d.bound(),
		Temperature:     d.number("temperature"), TopP: d.number("top_p"), TopK: d.whole("top_k"), MinP: d.number("min_p"),
		StopSequences: d.stop(), Seed: d.whole("seed"),
		FrequencyPenalty: d.number("frequency_penalty"), PresencePenalty: d.number("presence_penalty"),
		RepetitionPenalty: d.number("repetition_penalty"),
		Choices:           d.small("n"), LogProbs: d.boolean("logprobs"), TopLogProbs: d.small("top_logprobs"),
		LogitBias: d.bias(),
	}
	if emptySampling(s) {
		return nil
	}
	return s
}

func emptySampling(s *llmv1.Sampling) bool {
	return s.MaxOutputTokens == nil && s.Temperature == nil && s.TopP == nil && s.TopK == nil && s.MinP == nil &&
		len(s.StopSequences) == 0 && s.Seed == nil && s.FrequencyPenalty == nil && s.PresencePenalty == nil &&
		s.RepetitionPenalty == nil && s.Choices == nil && s.LogProbs == nil && s.TopLogProbs == nil && len(s.LogitBias) == 0
}

// bound reads the bound on output under its new name or, which stays in the extensions, its old one.
func (d *requestDecoder) bound() *int64 {
	const name = "max_completion_tokens"
	if n := d.whole(name); n != nil {
		return n
	}
	n := d.peekWhole("max_tokens")
	if n != nil && !d.Has(name) {
		d.marks.absent(name)
	}
	return n
}

// stop reads stop sequences: a list, or a string, which stays in the extensions too.
func (d *requestDecoder) stop() []string {
	if !d.kind("stop", "a string or a list of strings", 's', 'a') {
		return nil
	}
	value := d.Peek("stop")
	if rawjson.Kind(value) == 's' {
		if text := word(value); text != "" {
			return []string{text}
		}
		return nil
	}
	texts := d.Texts("stop")
	if texts == nil && list(value) {
		d.refuse(dialect.Invalid("stop", "must be a string or a list of strings"))
	}
	return texts
}

// bias reads logit_bias; it stays in the extensions too where a number is one that a float64 can't hold exactly.
func (d *requestDecoder) bias() map[string]float64 {
	if !d.kind("logit_bias", "an object of numbers", 'o') {
		return nil
	}
	bias := make(map[string]float64)
	exact := true
	_ = rawjson.Object(d.Peek("logit_bias"), maxNesting, func(m rawjson.Member) bool {
		if rawjson.Kind(m.Value) != '0' {
			d.refuse(dialect.Invalid("logit_bias", "must be an object of numbers"))
			return false
		}
		_, ok := object.Float(m.Value)
		exact = exact && ok
		bias[string(m.Name)] = float(m.Value)
		return true
	})
	d.Take("logit_bias", func([]byte) bool { return exact && len(bias) > 0 })
	return bias
}

func (d *requestDecoder) reasoning() *llmv1.Reasoning {
	effort := d.text("reasoning_effort")
	switch effort {
	case "":
		return nil
	case "none":
		return &llmv1.Reasoning{Effort: effort, Mode: llmv1.ReasoningMode_REASONING_MODE_DISABLED}
	}
	return &llmv1.Reasoning{Effort: effort}
}
