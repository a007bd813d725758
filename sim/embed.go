package sim

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
)

// The vendor's bounds.
const (
	maxDimensions = 4096
	maxInputs     = 2048
	maxInput      = 8192
	maxInputTotal = 300_000
)

// embeddings serves POST /v1/embeddings.
func (x *exchange) embeddings() error {
	if x.in == nil {
		return x.fail(x.v.notJSON())
	}
	e, p := x.s.readEmbed(x.host, x.in)
	if p != nil {
		return x.fail(*p)
	}
	if x.plan.failAt >= 0 {
		return x.fail(problem{status: http.StatusInternalServerError})
	}
	if err := x.out.sleep(x.plan.ttft); err != nil {
		return err
	}
	x.book("stop", usage{input: e.tokens})
	return x.json(http.StatusOK, x.embedded(e))
}

// embedAsk is what is to be embedded.
type embedAsk struct {
	model      Model
	inputs     [][]string // the tokens of each input
	tokens     int
	dimensions int
	base64     bool
}

func (s *Sim) readEmbed(v vendor, in object) (*embedAsk, *problem) {
	r := &reader{v: v, in: in}
	e := &embedAsk{}
	r.need("input")
	if v == openAI {
		r.need("model")
		r.only(set("input model encoding_format dimensions user"))
	}
	e.base64 = r.choice("encoding_format", "float", "base64") == "base64"
	r.text("user")
	e.read(r)
	if r.bad != nil {
		return nil, r.bad
	}
	var p *problem
	if e.model, p = s.embedModel(v, withoutScript(r.text("model"))); p != nil {
		return nil, p
	}
	e.dimensions = e.model.Dimensions
	if r.has("dimensions") {
		e.dimensions = r.whole("dimensions", 1, e.model.Dimensions, 0)
		if v == vLLM {
			r.fail(problem{status: http.StatusBadRequest, message: fmt.Sprintf("Model %q does not support matryoshka representation, "+
				"changing output dimensions will lead to poor results.", e.model.ID)})
		}
	}
	return e, r.bad
}

// embedModel finds a model that answers in vectors.
func (s *Sim) embedModel(v vendor, id string) (Model, *problem) {
	for _, m := range s.cfg.Models {
		if m.Vendor == v.String() && m.Dimensions > 0 && (m.ID == id || id == "") {
			return m, nil
		}
	}
	m, ok := s.lookup(v, id)
	switch {
	case v == openAI && strings.HasPrefix(id, "text-embedding-"):
		return Model{ID: id, Vendor: v.String(), Dimensions: 1536}, nil
	case !ok:
		p := v.noModel(id)
		return m, &p
	case v == vLLM:
		return m, &problem{status: http.StatusBadRequest, message: "The model does not support Embeddings API"}
	}
	return m, &problem{status: http.StatusForbidden, kind: invalidRequest, message: "You are not allowed to generate embeddings from this model"}
}

// read takes the inputs apart: a text, texts, tokens, or lists of tokens.
func (e *embedAsk) read(r *reader) {
	raw := r.in["input"]
	var list []json.RawMessage
	switch {
	case !r.has("input"):
		return
	case kind(raw) == "a string":
		list = []json.RawMessage{raw}
	case json.Unmarshal(raw, &list) != nil || len(list) == 0 || len(list) > maxInputs:
		r.fail(r.v.complain("input", "invalid_value", fmt.Sprintf("'$.input' is invalid. Please check the API reference: https://platform.openai.com/docs/api-reference. It takes 1 to %d inputs.", maxInputs), "Input should be a valid string or list"))
		return
	case kind(list[0]) == "an integer":
		list = []json.RawMessage{raw}
	}
	for i, one := range list {
		e.one(r, i, one)
	}
	if e.tokens > maxInputTotal {
		r.fail(problem{
			status: http.StatusBadRequest, kind: "max_tokens_per_request", code: "max_tokens_per_request",
			message: fmt.Sprintf("Requested %d tokens, max %d tokens per request", e.tokens, maxInputTotal),
		})
	}
}

// one adds the i-th input.
func (e *embedAsk) one(r *reader, i int, raw json.RawMessage) {
	var text string
	var ids []int
	var toks []string
	switch {
	case json.Unmarshal(raw, &text) == nil && kind(raw) == "a string":
		toks = words(text)
	case json.Unmarshal(raw, &ids) == nil && len(ids) > 0:
		for _, id := range ids {
			toks = append(toks, "#"+strconv.Itoa(id))
		}
	default:
		r.fail(r.v.complain(r.v.path("input", i), "invalid_type", "Invalid type for 'input': expected a string or an array of integers.", "Input should be a valid string"))
		return
	}
	if len(toks) == 0 && r.v == openAI {
		r.fail(problem{status: http.StatusBadRequest, kind: invalidRequest, param: "input", message: "Invalid 'input': input cannot be an empty string."})
	}
	if len(toks) > maxInput {
		r.fail(problem{status: http.StatusBadRequest, kind: r.v.standard(http.StatusBadRequest).kind, message: fmt.Sprintf(
			"This model's maximum context length is %d tokens, however you requested %d tokens (%d in your prompt; 0 for the completion). Please reduce your prompt; or completion length.", maxInput, len(toks), len(toks))})
	}
	e.tokens += len(toks)
	e.inputs = append(e.inputs, toks)
}

// words are the tokens of a text without the space around them, in lower case.
func words(text string) (list []string) {
	for _, t := range byTokens(text) {
		if t = strings.ToLower(strings.TrimSpace(t)); t != "" {
			list = append(list, t)
		}
	}
	return list
}

// vector is a unit vector that depends on the model and the words alone: texts that share words point the same way, the
// more the more they share. A shorter one is the start of the long one, brought to unit length again.
func (e *embedAsk) vector(seed string, toks []string) []float32 {
	sum := make([]float64, e.dimensions)
	e.scatter(sum, seed, "", 0.05) // no text is without direction
	for i, t := range toks {
		e.scatter(sum, seed, t, 1)
		if i > 0 {
			e.scatter(sum, seed, toks[i-1]+" "+t, 0.3) // order counts, a little
		}
	}
	var norm float64
	for _, x := range sum {
		norm += x * x
	}
	norm = math.Sqrt(norm)
	out := make([]float32, len(sum))
	for i, x := range sum {
		out[i] = float32(x / norm)
	}
	return out
}

// scatter adds a token's own direction.
func (e *embedAsk) scatter(sum []float64, seed, tok string, weight float64) {
	n := digestOf(seed+e.model.ID, []byte(tok)).number() | 1
	for i := range sum {
		n ^= n << 13
		n ^= n >> 7
		n ^= n << 17
		sum[i] += weight * (float64(n>>11)/(1<<52) - 1)
	}
}

// embedded is the answer.
func (x *exchange) embedded(e *embedAsk) []byte {
	var b bytes.Buffer
	b.WriteString(`{`)
	if x.host == vLLM {
		fmt.Fprintf(&b, `"id":"%s","object":"list","created":%d,"model":%s,`, x.vllmID("embd-"), x.at.Unix(), encode(e.model.ID))
	} else {
		b.WriteString(`"object":"list",`)
	}
	b.WriteString(`"data":[`)
	for i, toks := range e.inputs {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"object":"embedding","index":%d,"embedding":`, i)
		e.write(&b, e.vector(x.s.cfg.Seed, toks))
		b.WriteByte('}')
	}
	if x.host == vLLM {
		fmt.Fprintf(&b, `],"usage":{"prompt_tokens":%d,"total_tokens":%d,"completion_tokens":0,"prompt_tokens_details":null}}`, e.tokens, e.tokens)
		return b.Bytes()
	}
	fmt.Fprintf(&b, `],"model":%s,"usage":{"prompt_tokens":%d,"total_tokens":%d}}`, encode(e.model.snapshot()), e.tokens, e.tokens)
	return b.Bytes()
}

// write writes a vector: numbers, or little-endian float32 in base64.
func (e *embedAsk) write(b *bytes.Buffer, v []float32) {
	if e.base64 {
		raw := make([]byte, 0, 4*len(v))
		for _, f := range v {
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(f))
		}
		b.WriteString(`"` + base64.StdEncoding.EncodeToString(raw) + `"`)
		return
	}
	b.WriteByte('[')
	for i, f := range v {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.FormatFloat(float64(f), 'g', -1, 32))
	}
	b.WriteByte(']')
}
