package sim

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
)

// tgiGenerate serves POST /generate.
func (x *exchange) tgiGenerate() error { return x.generate(false, false) }

// tgiGenerateStream serves POST /generate_stream.
func (x *exchange) tgiGenerateStream() error { return x.generate(true, false) }

// tgiCompat serves POST /: the member stream decides, and a whole answer is the only one of a list.
func (x *exchange) tgiCompat() error {
	r := &reader{v: tgi, in: x.in}
	return x.generate(r.truth("stream", false), true)
}

func (x *exchange) generate(stream, listed bool) error {
	if x.in == nil {
		return x.fail(x.v.notJSON())
	}
	g, refused, invalid := x.readGenerate(stream)
	switch {
	case refused != nil:
		return x.fail(*refused)
	case invalid != nil:
		return x.tgiFail(*invalid, stream)
	case x.plan.failAt >= 0 && !stream:
		return x.fail(problem{status: http.StatusFailedDependency, code: x.plan.code})
	}
	x.tgiHeaders(g.a, g.usage)
	var err error
	if stream {
		err = g.stream()
	} else if err = x.out.sleep(x.plan.ttft); err == nil {
		err = x.json(http.StatusOK, g.body(listed))
	}
	if err == nil {
		x.book("stop", g.usage)
	}
	return err
}

// generation is one answer of TGI's own API.
type generation struct {
	x       *exchange
	a       *ask
	inputs  string
	details bool
	prefill bool
	full    bool // the prompt is part of the answer's text
	answer  answer
	usage   usage
}

// readGenerate reads the body; what is refused and invalid is as in a chat.
func (x *exchange) readGenerate(stream bool) (g *generation, refused, invalid *problem) {
	r := &reader{v: tgi, in: x.in}
	r.need("inputs")
	g = &generation{x: x, inputs: r.text("inputs")}
	a := &ask{choices: 1, maxTokens: never, stream: stream, user: g.inputs, lax: true}
	p := r.inner("parameters")
	p.take("max_new_tokens", "an integer", &a.maxTokens)
	p.take("stop", "an array", &a.stops)
	p.take("grammar", "an object", &object{})
	g.details, g.prefill, g.full = p.truth("details", false), p.truth("decoder_input_details", false), p.truth("return_full_text", false)
	for _, name := range []string{"do_sample", "watermark"} {
		p.truth(name, false)
	}
	for _, name := range []string{"top_k", "seed", "truncate", "top_n_tokens", "best_of"} {
		var n int
		p.take(name, "an integer", &n)
	}
	a.schema = readGrammar(p, "grammar", a)
	r.merge(p)
	if r.bad != nil {
		return nil, r.bad, nil
	}
	a.prompt.add(g.inputs)
	a.model, _ = x.s.lookup(tgi, tgi.String())
	if g.inputs == "" {
		p.fail(tgiInvalid("`inputs` cannot be empty"))
	}
	a.validate(p, x.s.cfg.TGI.Context)
	g.a, g.answer = a, a.answer(&x.plan, x.s.cfg.Seed, 0)
	g.usage = a.usage(&x.plan, []answer{g.answer})
	return g, nil, p.bad
}

// tgiToken is a token of the prompt or of the answer.
type tgiToken struct {
	ID      int      `json:"id"`
	Text    string   `json:"text"`
	Logprob *float64 `json:"logprob"`
	Special *bool    `json:"special,omitempty"` // those of the prompt don't say
}

// tokenID is a number that belongs to a text: no tokenizer's.
func tokenID(text string) int { return int(digestOf("token", []byte(text)).number() % 32_000) }

func newTGIToken(text string, special bool) tgiToken {
	logprob := -float64(tokenID(text)%400+1) / 128
	return tgiToken{tokenID(text), text, &logprob, &special}
}

const endOfText = "<|eot_id|>"

// tokens are those of the answer; an answer that ends by itself has one more, without text.
func (g *generation) tokens() (list []tgiToken) {
	for _, t := range g.x.plan.pieces(g.answer.text) {
		list = append(list, newTGIToken(t, false))
	}
	if g.finish() == "eos_token" || len(list) == 0 {
		list = append(list, newTGIToken(endOfText, true))
	}
	return list
}

func (g *generation) finish() string {
	switch g.answer.stop {
	case stopLength:
		return "length"
	case stopSequence:
		return "stop_sequence"
	}
	return "eos_token"
}

// text is the generated text, with the prompt before it if that was asked for.
func (g *generation) text() string {
	if g.full {
		return g.inputs + g.answer.text
	}
	return g.answer.text
}

// seed is the request's, or null.
func (g *generation) seed() json.RawMessage {
	var p object
	if json.Unmarshal(g.x.in["parameters"], &p) == nil && len(p["seed"]) > 0 {
		return p["seed"]
	}
	return json.RawMessage("null")
}

type tgiDetails struct {
	FinishReason string          `json:"finish_reason"`
	Generated    int             `json:"generated_tokens"`
	Seed         json.RawMessage `json:"seed"`
	Prefill      []tgiToken      `json:"prefill"`
	Tokens       []tgiToken      `json:"tokens"`
}

// body is the whole answer.
func (g *generation) body(listed bool) []byte {
	type whole struct {
		Text    string      `json:"generated_text"`
		Details *tgiDetails `json:"details,omitempty"`
	}
	w := whole{Text: g.text()}
	if g.details || g.prefill {
		w.Details = &tgiDetails{g.finish(), g.usage.output, g.seed(), []tgiToken{}, g.tokens()}
	}
	if g.prefill {
		for _, t := range byTokens(g.inputs) {
			w.Details.Prefill = append(w.Details.Prefill, tgiToken{ID: tokenID(t), Text: t})
		}
	}
	if listed {
		return encode([]whole{w})
	}
	return encode(w)
}

// stream sends one event per token; the last has the whole text, and there is no other terminal.
func (g *generation) stream() error {
	if err := g.x.startStream(http.StatusOK); err != nil {
		return err
	}
	err := g.events()
	if errors.Is(err, errFail) {
		g.x.plan.failAt = never
		return g.x.tgiFailure(problem{status: http.StatusFailedDependency, code: g.x.plan.code})
	}
	return err
}

type tgiStreamDetails struct {
	FinishReason string          `json:"finish_reason"`
	Generated    int             `json:"generated_tokens"`
	Seed         json.RawMessage `json:"seed"`
	InputLength  int             `json:"input_length"`
}

func (g *generation) events() error {
	list := g.tokens()
	for i, t := range list {
		if err := g.x.out.pace(); err != nil {
			return err
		}
		e := struct {
			Index   int               `json:"index"`
			Token   tgiToken          `json:"token"`
			Text    *string           `json:"generated_text"`
			Details *tgiStreamDetails `json:"details"`
		}{Index: i + 1, Token: t}
		if last := i == len(list)-1; last && g.x.plan.noTerminal {
			return nil
		} else if last {
			text := strings.Clone(g.text())
			e.Text = &text
			e.Details = &tgiStreamDetails{g.finish(), g.usage.output, g.seed(), g.usage.input}
		}
		if err := g.x.out.event("", encode(e)); err != nil {
			return err
		}
	}
	return nil
}
