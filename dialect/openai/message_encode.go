package openai

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/object"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
)

// messageEncoder writes messages, for a server of a flavour or, as an answer, for a client.
type messageEncoder struct {
	object.Writer

	flavour Flavour
	answer  bool
	// warnings say what was left out; refused is the first thing that can't be.
	warnings []string
	refused  error
}

// refuse says that OpenAI has no words for a field.
func (e *messageEncoder) refuse(field, why string) {
	if e.refused == nil {
		e.refused = unsupported(field, why)
	}
}

func (e *messageEncoder) warn(field, why string) {
	e.warnings = append(e.warnings, "dropped "+field+": "+why)
}

func unsupported(field, why string) error {
	return fault.New(errorsv1.Reason_REASON_UNSUPPORTED, "%s: %s", field, why).With("field", field)
}

// sorted are a message's parts by where they stand in OpenAI's message.
type sorted struct {
	thoughts, calls []*llmv1.Part
	content         []contentPart
	refusal         string
	responses       []responsePart
}

// contentPart is a part of content and the form it is written in.
type contentPart struct {
	*llmv1.Part

	form string
}

type responsePart struct {
	path string
	*llmv1.ToolCallResponsePart
}

// sort puts a message's parts in their places. Path names the list of them.
func (e *messageEncoder) sort(path string, role llmv1.Role, parts []*llmv1.Part) (s sorted) {
	for i, part := range parts {
		form := e.form(part)
		switch kind := part.GetKind().(type) {
		case *llmv1.Part_ToolCall:
			s.calls = append(s.calls, part)
		case *llmv1.Part_ToolCallResponse:
			s.responses = append(s.responses, responsePart{index(path, i), kind.ToolCallResponse})
		case *llmv1.Part_Reasoning:
			if form == "thinking" {
				s.content = append(s.content, contentPart{part, form})
			} else {
				s.thoughts = append(s.thoughts, part)
			}
		case *llmv1.Part_Refusal:
			if form == "refusal" {
				s.content = append(s.content, contentPart{part, form})
			} else {
				s.refusal += kind.Refusal.GetText()
			}
		default:
			if form == "" {
				e.formless(index(path, i), role, part)
				continue
			}
			s.content = append(s.content, contentPart{part, form})
		}
	}
	return s
}

// formless deals with what OpenAI has no content part for.
func (e *messageEncoder) formless(path string, role llmv1.Role, part *llmv1.Part) {
	switch {
	case e.answer: // another vendor's own: nothing to show
	case part.GetNative() != nil && role == llmv1.Role_ROLE_ASSISTANT:
		e.warn(path+".native", "what another vendor's own tools did has no place here")
	case part.GetNative() != nil:
		e.refuse(path+".native", "it is another vendor's own; leave it out")
	case part.GetFile() != nil:
		e.refuse(path+".file", "the file lies at another vendor; send its content")
	case part.GetUri().GetModality() == llmv1.Modality_MODALITY_DOCUMENT:
		e.refuse(path+".uri", "OpenAI takes no addresses of documents; send the content")
	default:
		e.refuse(path, "OpenAI takes pictures, and content of sounds and documents; send text instead")
	}
}

// form is how a part is written: as its extensions say, where it can be, or as fits its kind.
func (e *messageEncoder) form(part *llmv1.Part) string {
	if mark := part.GetExtensions()["type"]; mark != "" {
		if form := word([]byte(mark)); form != "" && fits(part, form) {
			return form
		}
	}
	form := formOf(part)
	if form == "" && e.flavour.MediaURLs {
		return mediaForm(part)
	}
	return form
}

// fits reports whether a part can be written in a form.
func fits(part *llmv1.Part, form string) bool {
	if part.GetNative() != nil {
		return true
	}
	addressed := part.GetBlob() != nil || part.GetUri() != nil
	switch form {
	case "text":
		return part.GetText() != nil
	case "refusal":
		return part.GetRefusal() != nil
	case "thinking":
		return part.GetReasoning() != nil
	case "image_url", "video_url", "audio_url":
		return addressed
	case "input_audio":
		return part.GetBlob() != nil
	case "file":
		return addressed || part.GetFile() != nil
	}
	return false
}

// mediaForm is vLLM's form for films and for sounds by address.
func mediaForm(part *llmv1.Part) string {
	m := part.GetUri().GetModality()
	switch {
	case part.GetBlob().GetModality() == llmv1.Modality_MODALITY_VIDEO, m == llmv1.Modality_MODALITY_VIDEO:
		return "video_url"
	case m == llmv1.Modality_MODALITY_AUDIO:
		return "audio_url"
	}
	return ""
}

// message writes one message that holds no tool responses.
func (e *messageEncoder) message(m *llmv1.Message, role string, s sorted) {
	e.Patched(m.GetExtensions(), func() {
		e.Always("role", role)
		e.Text("name", m.GetName())
		e.content(s.content, len(s.calls) > 0 || s.refusal != "" || e.answer)
		switch {
		case s.refusal != "":
			e.Always("refusal", s.refusal)
		case e.answer:
			e.Null("refusal")
		}
		writeThoughts(&e.Writer, s.thoughts, e.flavour)
		e.annotations(s.content)
		e.calls(s.calls)
	})
}

// content writes what is said: a string where that is enough, as most servers expect, else a list. Optional says that
// there may be none.
func (e *messageEncoder) content(parts []contentPart, optional bool) {
	switch {
	case len(parts) == 0 && optional:
		e.Null("content")
	case len(parts) == 0:
		e.Always("content", "")
	case e.plain(parts):
		var text strings.Builder
		for _, part := range parts {
			text.WriteString(textIn(part.Part))
		}
		e.Always("content", text.String())
	default:
		e.Name("content")
		e.Array(func() {
			for _, part := range parts {
				e.part(part)
			}
		})
	}
}

// plain reports whether content is just text: a lone one, or in an answer, where clients expect a string, any number.
func (e *messageEncoder) plain(parts []contentPart) bool {
	for _, part := range parts {
		if part.form != "text" || part.GetExtensions()["type"] != "" {
			return false
		}
	}
	return e.answer || len(parts) == 1 && len(parts[0].GetExtensions()) == 0
}

// textIn is the text of a part in the form of text: its own, or that of a plain document.
func textIn(part *llmv1.Part) string {
	if blob := part.GetBlob(); blob != nil {
		return strings.ToValidUTF8(string(blob.GetData()), "\ufffd")
	}
	return part.GetText().GetText()
}

func (e *messageEncoder) part(p contentPart) {
	if native := p.GetNative(); native != nil {
		e.Value(object.Patch([]byte(native.GetJson()), p.GetExtensions()))
		return
	}
	e.Patched(p.GetExtensions(), func() {
		e.Always("type", p.form)
		switch p.form {
		case "text":
			e.Always("text", textIn(p.Part))
		case "refusal":
			e.Always("refusal", p.GetRefusal().GetText())
		case "thinking":
			e.Name("thinking")
			writeThinking(&e.Writer, p.GetReasoning().GetText())
		case "image_url", "video_url", "audio_url":
			e.Sub(p.form, func() { e.Always("url", addressOf(p.Part)) })
		case "input_audio":
			e.Sub("input_audio", func() {
				e.Always("data", base64Of(p.GetBlob().GetData()))
				e.Always("format", audioFormat(p.GetBlob().GetMimeType()))
			})
		case "file":
			e.Sub("file", func() { e.file(p.Part) })
		}
	})
}

func addressOf(part *llmv1.Part) string {
	if blob := part.GetBlob(); blob != nil {
		return dataURL(blob)
	}
	return part.GetUri().GetUri()
}

func (e *messageEncoder) file(part *llmv1.Part) {
	if f := part.GetFile(); f != nil {
		e.Always("file_id", f.GetId())
		e.Text("filename", f.GetFilename())
		return
	}
	e.Always("file_data", addressOf(part))
	name := part.GetBlob().GetFilename()
	if name == "" && part.GetBlob() != nil && len(part.GetExtensions()) == 0 {
		name = "document.pdf" // OpenAI asks for a name
	}
	e.Text("filename", name)
}

// annotations writes what the text rests on; in a request only what OpenAI gave itself.
func (e *messageEncoder) annotations(parts []contentPart) {
	var list []*llmv1.Citation
	at := int64(0)
	for _, part := range parts {
		end := at + int64(utf8.RuneCountInString(part.GetText().GetText()))
		for _, c := range part.GetText().GetCitations() {
			if c.GetType() == urlCitation || e.answer && citable(c) {
				list = append(list, placed(c, at, end))
			}
		}
		at = end
	}
	if len(list) == 0 && !e.answer {
		return
	}
	e.Name("annotations")
	e.Array(func() {
		for _, c := range list {
			writeCitation(&e.Writer, c, -1)
		}
	})
}

func (e *messageEncoder) calls(parts []*llmv1.Part) {
	if len(parts) == 0 {
		return
	}
	e.Name("tool_calls")
	e.Array(func() {
		for _, part := range parts {
			e.Patched(part.GetExtensions(), func() { e.call(part.GetToolCall()) })
		}
	})
}

func (e *messageEncoder) call(c *llmv1.ToolCallPart) {
	form, arguments := callForm(c)
	e.Always("id", dialect.ToolID(c.GetId(), e.flavour.idRule()))
	e.Always("type", form)
	e.Sub(form, func() {
		e.Always("name", c.GetName())
		e.Always(arguments, c.GetArguments())
	})
}

// callForm is a call's type, and the name of its arguments there.
func callForm(c *llmv1.ToolCallPart) (form, arguments string) {
	if c.GetFreeForm() {
		return "custom", "input"
	}
	return "function", "arguments"
}

// moved introduces content that a tool answered and that only a user's message may hold.
func moved(id string) *llmv1.Part {
	return textOf(fmt.Sprintf("The answer to the tool call %s holds this:", id))
}
