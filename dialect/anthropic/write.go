package anthropic

import (
	"slices"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/object"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// unsayable says why a part can't be written as a content block; empty where it can.
func unsayable(part *llmv1.Part) string {
	m := llmv1.Modality_MODALITY_IMAGE
	switch kind := part.GetKind().(type) {
	case nil:
		return "is empty"
	case *llmv1.Part_Blob:
		m = modalityOf(kind.Blob.GetModality(), kind.Blob.GetMimeType())
	case *llmv1.Part_Uri:
		m = modalityOf(kind.Uri.GetModality(), kind.Uri.GetMimeType())
	case *llmv1.Part_File:
		m = kind.File.GetModality()
	case *llmv1.Part_Native:
		if slices.Contains(openAIBlocks, kind.Native.GetType()) || kind.Native.GetJson() == "" {
			return "is a piece that only another vendor has"
		}
	}
	if m == llmv1.Modality_MODALITY_AUDIO || m == llmv1.Modality_MODALITY_VIDEO {
		return "is sound or video, which Anthropic's models don't take"
	}
	return ""
}

// writer writes parts as content blocks: those for which unsayable has nothing to say.
type writer struct {
	*object.Writer
	// answer is whether the blocks are an answer's: then citations from elsewhere are shown as sources on the web.
	answer bool
	// partial is whether a block is only begun: its signature may follow.
	partial bool
}

func (w writer) block(part *llmv1.Part) {
	w.Patched(part.GetExtensions(), func() { w.members(part) })
}

func (w writer) members(part *llmv1.Part) {
	switch kind := part.GetKind().(type) {
	case *llmv1.Part_Text:
		w.text(kind.Text)
	case *llmv1.Part_Refusal:
		w.Always("type", "text")
		w.Always("text", kind.Refusal.GetText())
	case *llmv1.Part_Reasoning:
		w.reasoning(kind.Reasoning)
	case *llmv1.Part_ToolCall:
		w.toolUse(kind.ToolCall, spelled(part))
	case *llmv1.Part_ToolCallResponse:
		w.toolResult(kind.ToolCallResponse, spelled(part))
	case *llmv1.Part_Blob:
		writeBlob(w.Writer, kind.Blob)
	case *llmv1.Part_Uri:
		writeURI(w.Writer, kind.Uri)
	case *llmv1.Part_File:
		writeFile(w.Writer, kind.File)
	}
}

// write writes a part; a native one is its own text.
func (w writer) write(part *llmv1.Part) {
	if n := part.GetNative(); n != nil {
		w.Value(object.Patch([]byte(n.GetJson()), part.GetExtensions()))
		return
	}
	w.block(part)
}

func (w writer) text(text *llmv1.TextPart) {
	w.Always("type", "text")
	w.Always("text", text.GetText())
	shown := slices.DeleteFunc(slices.Clone(text.GetCitations()), func(c *llmv1.Citation) bool {
		return elsewhere(c) && (!w.answer || !sayableCitation(c))
	})
	if len(shown) == 0 {
		return
	}
	w.Name("citations")
	w.Array(func() {
		for _, c := range shown {
			writeCitation(w.Writer, c)
		}
	})
}

// reasoning writes thoughts; those that nobody signed get a signature that tells them, for clients demand one.
func (w writer) reasoning(r *llmv1.ReasoningPart) {
	if data := r.GetRedacted(); data != "" {
		w.Always("type", "redacted_thinking")
		w.Always("data", data)
		return
	}
	w.Always("type", "thinking")
	w.Always("thinking", r.GetText())
	signature := r.GetSignature()
	if signature == "" && !w.partial {
		signature = dialect.Unsigned
	}
	w.Always("signature", signature)
}

// toolID is an id that Anthropic accepts; one that an Anthropic client sent stays as it is.
func toolID(id string, same bool) string {
	if same {
		return id
	}
	return dialect.ToolID(id, dialect.AnthropicToolID)
}

func (w writer) toolUse(call *llmv1.ToolCallPart, same bool) {
	w.Always("type", "tool_use")
	w.Always("id", toolID(call.GetId(), same))
	w.Always("name", call.GetName())
	w.Name("input")
	w.Value(inputOf(call.GetArguments()))
}

func (w writer) toolResult(response *llmv1.ToolCallResponsePart, same bool) {
	w.Always("type", "tool_result")
	w.Always("tool_use_id", toolID(response.GetId(), same))
	if parts := worded(response.GetParts()); len(parts) > 0 {
		w.content(parts)
	}
	w.True("is_error", response.GetIsError())
}

// worded leaves out empty texts, which Anthropic refuses, but for those that an Anthropic client sent.
func worded(parts []*llmv1.Part) []*llmv1.Part {
	return slices.DeleteFunc(slices.Clone(parts), wordless)
}

func wordless(part *llmv1.Part) bool {
	return plain(part) && part.GetText().GetText() == "" || part.GetRefusal() != nil && part.GetRefusal().GetText() == ""
}

// content writes the content of a message or of a tool's result: a lone text as a string.
func (w writer) content(parts []*llmv1.Part) {
	w.Name("content")
	if len(parts) == 1 && plain(parts[0]) {
		w.String(parts[0].GetText().GetText())
		return
	}
	w.list(parts)
}

func (w writer) list(parts []*llmv1.Part) {
	w.Array(func() {
		for _, part := range parts {
			w.write(part)
		}
	})
}
