package wire

import (
	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/openai"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
)

// VLLM is vLLM's OpenAI side, below a server's root. Its tokenizer counts prompts.
func VLLM() *Wire {
	flavour := openai.Flavour{
		MaxTokens: true, Reasoning: "reasoning", ToolIDs: AnyToolID, Sampling: true, MediaURLs: true, StructuredOutputs: true,
	}
	w := Compatible(flavour)
	w.under("/v1")
	w.Count = &Count{Path: "/tokenize", Encode: flavour.EncodeTokenize, Decode: openai.DecodeTokenize}
	return w
}

// AnyToolID is the rule of servers that take any id: theirs are longer than OpenAI's.
var AnyToolID = dialect.IDRule{Max: 256, Prefix: "call_"}

// VLLMMessages is vLLM's Anthropic side: it takes no key but a Bearer.
func VLLMMessages() *Wire {
	w := Anthropic()
	w.Authorize = bearer
	return w
}

// Compatible is OpenAI's dialect as others speak it: their frames and errors are put right before a client sees them.
func Compatible(flavour openai.Flavour) *Wire {
	w := OpenAI(flavour)
	w.BaseURL = ""
	w.MendError = openai.MendError
	chat := w.Raw[routerv1.Operation_OPERATION_CHAT]
	chat.NewTap = func(f dialect.Facts) Tap { return openai.NewMendingTap(f) }
	w.Raw[routerv1.Operation_OPERATION_CHAT] = chat
	return w
}

// under puts a prefix before all paths.
func (w *Wire) under(prefix string) {
	w.ModelsPath = prefix + w.ModelsPath
	w.Chat.Path = prefix + w.Chat.Path
	if w.Embed != nil {
		w.Embed.Path = prefix + w.Embed.Path
	}
	for o, raw := range w.Raw {
		raw.Path = prefix + raw.Path
		w.Raw[o] = raw
	}
}
