package tgi

import (
	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/object"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// EncodeChatTokenize writes a prompt as a request of POST /chat_tokenize: that of a chat. Errors and warnings are as those
// of [EncodeChat].
func EncodeChatTokenize(p *llmv1.Prompt, a dialect.Ask) (body []byte, warnings []string, err error) {
	return EncodeChat(p, dialect.Ask{Model: a.Model})
}

// EncodeTokenize writes a prompt as a request of POST /tokenize, for models without a chat template.
func EncodeTokenize(p *llmv1.Prompt, a dialect.Ask) (body []byte, warnings []string, err error) {
	generate, warnings, err := EncodeGenerate(p, a)
	if err != nil {
		return nil, nil, err
	}
	var w object.Writer
	w.Object(func() { w.JSON("inputs", string(rawjson.Get(generate, "inputs"))) })
	return w.Bytes(), warnings, nil
}

// DecodeTokenize counts the tokens of an answer of POST /tokenize, a list, or POST /chat_tokenize, which holds one. The
// error, a *fault.Error, is PROVIDER_MALFORMED.
func DecodeTokenize(body []byte) (int64, error) {
	if err := rawjson.Check(body, dialect.MaxAnswerDepth); err != nil {
		return 0, malformed(err)
	}
	if list := rawjson.Get(body, "tokenize_response"); list != nil {
		body = list
	}
	var n int64
	if !rawjson.Array(body, func([]byte) bool { n++; return true }) {
		return 0, malformed(nil)
	}
	return n, nil
}
