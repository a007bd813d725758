package openai

import (
	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/object"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// EncodeTokenize writes a prompt as a request of vLLM's POST /tokenize, which takes a chat's messages and tools
// (vllm/entrypoints/serve/tokenize/protocol.py).
func (f Flavour) EncodeTokenize(p *llmv1.Prompt, a dialect.Ask) (body []byte, warnings []string, err error) {
	chat, warnings, err := f.EncodeRequest(p, dialect.Ask{Model: a.Model})
	if err != nil {
		return nil, nil, err
	}
	var w object.Writer
	w.Object(func() {
		for _, name := range []string{"model", "messages", "tools"} {
			w.JSON(name, string(rawjson.Get(chat, name)))
		}
	})
	return w.Bytes(), warnings, nil
}

// DecodeTokenize reads vLLM's count of tokens. The error, a *fault.Error, is PROVIDER_MALFORMED.
func DecodeTokenize(body []byte) (int64, error) {
	n, ok := rawjson.Int(rawjson.Get(body, "count"))
	if !ok || n < 0 {
		return 0, malformed(nil)
	}
	return n, nil
}
