package openai

import (
	"strconv"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/object"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// ReadEmbedFacts reads a request for embeddings in one pass. Errors are those of [ReadFacts].
func ReadEmbedFacts(body []byte) (dialect.Facts, error) { return embedTable.Read(body) }

var embedTable = dialect.Table{
	{Name: "model", Required: true, Read: dialect.ModelField},
	{Name: "input", Required: true, Read: inputField},
	{Name: "encoding_format", Read: encodingField},
}

func inputField(m rawjson.Member, _ *dialect.Facts) error {
	if k := rawjson.Kind(m.Value); k != 's' && k != 'a' || rawjson.Empty(m.Value) {
		return dialect.Invalid("input", "must be a text, a list of tokens, or a list of either, and not empty")
	}
	return nil
}

func encodingField(m rawjson.Member, _ *dialect.Facts) error {
	switch word(m.Value) {
	case "float", "base64":
		return nil
	}
	if rawjson.Kind(m.Value) == 'n' {
		return nil
	}
	return dialect.Invalid("encoding_format", "must be float or base64")
}

// WantsBase64 reports whether a request asks for its vectors in base64, as OpenAI's SDKs do where their callers don't say.
func WantsBase64(body []byte) bool { return word(rawjson.Get(body, "encoding_format")) == "base64" }

// CountInputs returns how many texts and lists of tokens a request asks the vectors of: one, where it isn't a list of them.
func CountInputs(body []byte) int {
	value := rawjson.Get(body, "input")
	switch rawjson.Kind(rawjson.First(value)) {
	case 's', 'a':
		return len(object.Elements(value))
	}
	return 1
}

// RewriteModel returns the body with another model's name; every other byte stays. Body itself is returned where nothing
// changes.
func RewriteModel(body []byte, f dialect.Facts, model string) []byte {
	if model == f.Model {
		return body
	}
	return rawjson.Splice(body, f.WithModel(model))
}

// DecodeEmbedRequest reads a client's request for embeddings. The model and the encoding base64 belong to whoever asks,
// and aren't kept. Errors are *fault.Error, MISSING_FIELD and INVALID_FIELD, with the field in OpenAI's words.
func DecodeEmbedRequest(body []byte) (*llmv1.EmbeddingInput, error) {
	r, ok := object.Read(trim(body))
	if !ok {
		return nil, dialect.Invalid("input", "must be in a JSON object")
	}
	d := &requestDecoder{messageDecoder: messageDecoder{strict: true, keep: true}, Reader: r, marks: make(marks)}
	d.Text("model")
	d.Word("encoding_format", "base64")
	in := &llmv1.EmbeddingInput{Dimensions: d.small("dimensions"), User: d.text("user")}
	d.input(in)
	if d.refused != nil {
		return nil, d.refused
	}
	in.Extensions = d.left(d.Reader, d.marks)
	return in, nil
}

// input reads what is to be embedded. A list is typed; one text or one list of tokens by itself stays in the extensions
// too.
func (d *requestDecoder) input(in *llmv1.EmbeddingInput) {
	value := d.Peek("input")
	switch elements := object.Elements(value); {
	case !d.Has("input"):
		d.refuse(dialect.Missing("input"))
	case rawjson.Empty(value):
		d.refuse(dialect.Invalid("input", "must not be empty"))
	case rawjson.Kind(value) == 's':
		in.Texts = []string{word(value)}
	case len(elements) == 0:
		d.refuse(dialect.Invalid("input", "must be a text, a list of tokens, or a list of either"))
	case rawjson.Kind(elements[0]) == '0':
		in.TokenLists = []*llmv1.TokenList{d.tokenList("input", elements)}
	default:
		d.inputs(in, elements)
		d.Take("input", func([]byte) bool { return true })
	}
}

func (d *requestDecoder) inputs(in *llmv1.EmbeddingInput, elements [][]byte) {
	for i, element := range elements {
		path := index("input", i)
		switch tokens := object.Elements(element); {
		case rawjson.Kind(element) == 's' && len(in.GetTokenLists()) == 0 && !rawjson.Empty(element):
			in.Texts = append(in.Texts, word(element))
		case len(tokens) > 0 && len(in.GetTexts()) == 0:
			in.TokenLists = append(in.TokenLists, d.tokenList(path, tokens))
		default:
			d.refuse(dialect.Invalid(path, "must be a text or a list of tokens, as the others are, and not empty"))
		}
	}
}

func (d *requestDecoder) tokenList(path string, elements [][]byte) *llmv1.TokenList {
	tokens := &llmv1.TokenList{Tokens: make([]int64, 0, len(elements))}
	for i, element := range elements {
		n, ok := rawjson.Int(element)
		if !ok {
			d.refuse(dialect.Invalid(index(path, i), "must be a whole number"))
		}
		tokens.Tokens = append(tokens.Tokens, n)
	}
	return tokens
}

// EncodeEmbedRequest writes a request for embeddings; base64 asks for the vectors in that form, a quarter of the size.
func EncodeEmbedRequest(in *llmv1.EmbeddingInput, model string, base64 bool) []byte {
	var w object.Writer
	w.Patched(ownExtensions(in.GetExtensions(), dialect.Ask{}), func() {
		w.Always("model", model)
		w.Texts("input", in.GetTexts())
		if lists := in.GetTokenLists(); len(lists) > 0 && len(in.GetTexts()) == 0 {
			w.Name("input")
			w.Array(func() {
				for _, tokens := range lists {
					w.Array(func() { writeInts(&w, tokens.GetTokens()) })
				}
			})
		}
		w.Int32("dimensions", in.Dimensions)
		w.Text("user", in.GetUser())
		if base64 {
			w.Always("encoding_format", "base64")
		}
	})
	return w.Bytes()
}

func writeInts(w *object.Writer, list []int64) {
	for _, n := range list {
		w.Value(strconv.AppendInt(nil, n, 10))
	}
}
