package openai

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"strconv"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/object"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
)

// Embeddings are the vectors of a request.
type Embeddings struct {
	// List is the vectors, in the order of the inputs.
	List []*llmv1.Embedding
	// Model is the one that answered; Usage is nil where the provider gave none.
	Model string
	Usage *llmv1.TokenUsage
	// Extensions are the fields of the answer that have no place above.
	Extensions map[string]string
}

// DecodeEmbedResponse reads vectors, as numbers or in base64, whatever was asked for. With extensions, what has no typed
// place is kept: EncodeEmbedResponse in the same form writes the same JSON again. Errors are *fault.Error:
// PROVIDER_MALFORMED, or PROVIDER_ERROR for an error in its place.
func DecodeEmbedResponse(body []byte, extensions bool) (*Embeddings, error) {
	if err := rawjson.Check(body, dialect.MaxAnswerDepth); err != nil {
		return nil, badVectors(err)
	}
	body = trim(body)
	r, ok := object.Read(body)
	switch {
	case ok && raises(r.Peek("error")):
		return nil, providerError(body)
	case !ok || rawjson.Kind(r.Peek("data")) != 'a':
		return nil, badVectors(nil)
	}
	e := &Embeddings{Model: r.Text("model")}
	for i, element := range object.Elements(r.Peek("data")) {
		one, err := readEmbedding(element, i, extensions)
		if err != nil {
			return nil, err
		}
		e.List = append(e.List, one)
	}
	if usage := r.Peek("usage"); rawjson.Kind(usage) == 'o' {
		e.Usage = readUsage(usage)
	}
	if extensions {
		r.Take("data", func([]byte) bool { return true })
		e.keep(r)
	}
	return e, nil
}

func badVectors(cause error) error {
	return fault.New(errorsv1.Reason_REASON_PROVIDER_MALFORMED, "not a list of embeddings").Because(cause)
}

// keep keeps what of the answer has no typed place.
func (e *Embeddings) keep(r *object.Reader) {
	marks := make(marks)
	if !r.Word("object", "list") && !r.Has("object") {
		marks.absent("object")
	}
	if !r.Has("model") {
		marks.absent("model")
	}
	var w object.Writer
	writeEmbedUsage(&w, e.Usage)
	switch usage := r.Peek("usage"); {
	case e.Usage != nil:
		e.Usage.Extensions = object.Diff(usage, w.Bytes())
		r.Take("usage", func([]byte) bool { return true })
	case usage == nil:
		marks.absent("usage")
	}
	e.Extensions = marks.with(r.Left())
}

func readEmbedding(value []byte, at int, extensions bool) (*llmv1.Embedding, error) {
	r, ok := object.Read(value)
	vector := r.Peek("embedding")
	values, exact := readVector(vector)
	if !ok || values == nil {
		return nil, badVectors(nil)
	}
	e := &llmv1.Embedding{Index: int32(at), Values: values}
	if n := r.Int32("index"); n != nil && *n >= 0 {
		e.Index = *n
	}
	if !extensions {
		return e, nil
	}
	r.Take("embedding", func([]byte) bool { return exact })
	marks := make(marks)
	if !r.Word("object", "embedding") && !r.Has("object") {
		marks.absent("object")
	}
	if n := r.Peek("index"); n == nil {
		marks.absent("index")
	} else if !object.Equal(n, strconv.AppendInt(nil, int64(e.GetIndex()), 10)) {
		marks.set("index", string(n))
	}
	e.Extensions = marks.with(r.Left())
	return e, nil
}

// readVector reads numbers, or the little-endian float32 that base64 holds; nil where value is neither. Exact says that
// the vector is written the same again.
func readVector(value []byte) (values []float32, exact bool) {
	if text, ok := rawjson.Unquote(value); ok {
		return unpack(string(text))
	}
	if rawjson.Kind(value) != 'a' {
		return nil, false
	}
	values, exact = make([]float32, 0, len(value)/12), true
	var digits [32]byte
	rawjson.Array(value, func(element []byte) bool {
		x, err := strconv.ParseFloat(string(element), 32)
		if err != nil {
			values = nil
			return false
		}
		values = append(values, float32(x))
		exact = exact && object.Equal(element, appendFloat32(digits[:0], float32(x)))
		return true
	})
	return values, exact
}

func unpack(text string) (values []float32, exact bool) {
	data, exact := readBase64(text)
	if len(data) == 0 || len(data)%4 != 0 {
		return nil, false
	}
	values = make([]float32, len(data)/4)
	for i := range values {
		values[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
	}
	return values, exact
}

func pack(values []float32) string {
	data := make([]byte, 0, 4*len(values))
	for _, x := range values {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(x))
	}
	return base64.StdEncoding.EncodeToString(data)
}

func appendFloat32(dst []byte, x float32) []byte {
	if wide := float64(x); math.IsNaN(wide) || math.IsInf(wide, 0) { // JSON has no word for it
		return append(dst, '0')
	}
	return strconv.AppendFloat(dst, float64(x), 'g', -1, 32)
}

// EncodeEmbedResponse writes vectors as OpenAI's own server would, as numbers or in base64.
func EncodeEmbedResponse(e *Embeddings, base64 bool) []byte {
	var w object.Writer
	w.Patched(e.Extensions, func() {
		w.Always("object", "list")
		w.Name("data")
		w.Array(func() {
			for _, one := range e.List {
				writeEmbedding(&w, one, base64)
			}
		})
		w.Always("model", e.Model)
		w.Name("usage")
		writeEmbedUsage(&w, e.Usage)
	})
	return w.Bytes()
}

// writeEmbedding writes one vector. The provider's own spelling of it counts only in the form that is asked for.
func writeEmbedding(w *object.Writer, e *llmv1.Embedding, base64 bool) {
	extensions := e.GetExtensions()
	if own := extensions["embedding"]; own != "" && (own[0] == '"') != base64 {
		rest := make(map[string]string, len(extensions))
		for path, value := range extensions {
			if path != "embedding" {
				rest[path] = value
			}
		}
		extensions = rest
	}
	w.Patched(extensions, func() {
		w.Always("object", "embedding")
		w.Number("index", int64(e.GetIndex()))
		w.Name("embedding")
		w.Value(appendVector(nil, e.GetValues(), base64))
	})
}

func appendVector(dst []byte, values []float32, base64 bool) []byte {
	if base64 {
		return append(append(append(dst, '"'), pack(values)...), '"')
	}
	dst = append(dst, '[')
	for i, x := range values {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendFloat32(dst, x)
	}
	return append(dst, ']')
}

func writeEmbedUsage(w *object.Writer, u *llmv1.TokenUsage) {
	w.Patched(u.GetExtensions(), func() {
		w.Number("prompt_tokens", u.GetInputTokens())
		w.Number("total_tokens", u.GetInputTokens())
	})
}

// ReadEmbedResponse reads an answer on its way to a client who asked for numbers, or for base64: servers that ignore the
// question aren't noticed. The body is returned as it is where it has the form asked for. Errors are those of
// [DecodeEmbedResponse].
func ReadEmbedResponse(body []byte, base64 bool) ([]byte, dialect.Reading, error) {
	e, err := DecodeEmbedResponse(body, false)
	if err != nil {
		return nil, dialect.Reading{}, err
	}
	reading := dialect.Reading{Usage: e.Usage, Model: e.Model}
	var edits []rawjson.Edit
	for i, element := range object.Elements(rawjson.Get(body, "data")) {
		vector := rawjson.Get(element, "embedding")
		if isText := rawjson.Kind(vector) == 's'; isText != base64 {
			at := offset(body, vector)
			edits = append(edits, rawjson.Edit{At: at, End: at + len(vector), With: appendVector(nil, e.List[i].GetValues(), base64)})
		}
	}
	if len(edits) == 0 {
		return body, reading, nil
	}
	return rawjson.Splice(body, edits...), reading, nil
}

// offset is where a part of body begins: parts are cut out of it without copying.
func offset(body, part []byte) int { return cap(body) - cap(part) }
