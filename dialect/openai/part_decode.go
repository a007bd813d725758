package openai

import (
	"strings"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/object"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// part reads one content part; nil where it can't be understood. Lone says that it is its message's only one. The type is
// kept where the part wouldn't get it by itself: what this dialect alone has, a lone text, all parts of answers, and what
// isn't text in a tool's answer, where it would be moved.
func (d *messageDecoder) part(path string, value []byte, lone bool) *llmv1.Part {
	r, ok := object.Read(value)
	if !ok {
		d.refuse(dialect.Invalid(path, "must be an object"))
		return nil
	}
	form := word(r.Peek("type"))
	marks := d.marks()
	part := d.partOf(path, form, r, marks)
	switch {
	case part == nil && (form == "" || d.refused != nil):
		return nil
	case part == nil:
		return nativePart(form, value, marks, r)
	}
	if d.strict && (!lone || form != "text") && (d.speaker != llmv1.Role_ROLE_TOOL || form == "text") && formOf(part) == form {
		r.Word("type", form)
	}
	part.Extensions = d.left(r, marks)
	return part
}

// partOf reads what is typed; nil where nothing is.
func (d *messageDecoder) partOf(path, form string, r *object.Reader, marks marks) *llmv1.Part {
	switch form {
	case "text":
		return d.textPart(path, r)
	case "refusal":
		if text := r.Text("refusal"); text != "" {
			return refusalOf(text)
		}
	case "thinking":
		return thinkingPart(r, marks)
	case "image_url":
		return d.media(path, llmv1.Modality_MODALITY_IMAGE, form, r)
	case "video_url":
		return d.media(path, llmv1.Modality_MODALITY_VIDEO, form, r)
	case "audio_url":
		return d.media(path, llmv1.Modality_MODALITY_AUDIO, form, r)
	case "input_audio":
		return d.audio(path, r)
	case "file":
		return d.file(path, r, marks)
	case "":
		d.refuse(dialect.Missing(path + ".type"))
	}
	return nil
}

// nativePart keeps a part that only some servers have, as it is. The type among its extensions says whose it is.
func nativePart(form string, value []byte, marks marks, r *object.Reader) *llmv1.Part {
	marks.set("type", string(r.Peek("type")))
	return &llmv1.Part{Kind: &llmv1.Part_Native{Native: &llmv1.NativePart{Type: form, Json: string(value)}}, Extensions: marks}
}

func textOf(text string) *llmv1.Part {
	return &llmv1.Part{Kind: &llmv1.Part_Text{Text: &llmv1.TextPart{Text: text}}}
}

func refusalOf(text string) *llmv1.Part {
	return &llmv1.Part{Kind: &llmv1.Part_Refusal{Refusal: &llmv1.RefusalPart{Text: text}}}
}

func (d *messageDecoder) textPart(path string, r *object.Reader) *llmv1.Part {
	text := ""
	if !r.Take("text", func(value []byte) bool {
		t, ok := rawjson.Unquote(value)
		text = string(t)
		return ok
	}) {
		d.refuse(dialect.Invalid(path+".text", "must be a string"))
		return nil
	}
	return textOf(text)
}

// thinkingPart reads Mistral's thoughts: a list of texts. Other forms of the list stay in the extensions too.
func thinkingPart(r *object.Reader, marks marks) *llmv1.Part {
	value := r.Peek("thinking")
	if !r.Has("thinking") {
		marks.absent("thinking")
	}
	text := thinkingText(value)
	var w object.Writer
	writeThinking(&w, text)
	r.Take("thinking", func(value []byte) bool { return object.Equal(value, w.Bytes()) })
	return thoughtOf(text)
}

func writeThinking(w *object.Writer, text string) {
	w.Array(func() {
		w.Object(func() {
			w.Always("type", "text")
			w.Always("text", text)
		})
	})
}

// media reads a part that holds an address, or content in a data URL; some servers take it without the object around it.
func (d *messageDecoder) media(path string, m llmv1.Modality, form string, r *object.Reader) *llmv1.Part {
	path += "." + form
	if url := word(r.Peek(form)); url != "" {
		part, _ := d.link(path, m, url)
		return part
	}
	sub := r.Sub(form)
	if sub == nil {
		d.refuse(dialect.Missing(path))
		return nil
	}
	url := word(sub.Peek("url"))
	if url == "" {
		d.refuse(dialect.Missing(path + ".url"))
		return nil
	}
	part, exact := d.link(path+".url", m, url)
	sub.Take("url", func([]byte) bool { return exact })
	return part
}

// link reads an address; exact says that the encoder would write the same again.
func (d *messageDecoder) link(path string, m llmv1.Modality, url string) (part *llmv1.Part, exact bool) {
	if !strings.HasPrefix(url, "data:") {
		return &llmv1.Part{Kind: &llmv1.Part_Uri{Uri: &llmv1.UriPart{Modality: m, Uri: url}}}, true
	}
	blob, exact := readDataURL(url)
	if blob == nil {
		d.refuse(dialect.Invalid(path, "must be an address, or a data URL of content in base64"))
		return nil, false
	}
	blob.Modality = m
	return &llmv1.Part{Kind: &llmv1.Part_Blob{Blob: blob}}, exact
}

// audio reads sound in base64.
func (d *messageDecoder) audio(path string, r *object.Reader) *llmv1.Part {
	sub := r.Sub("input_audio")
	if sub == nil {
		d.refuse(dialect.Missing(path + ".input_audio"))
		return nil
	}
	data, exact := readBase64(word(sub.Peek("data")))
	if len(data) == 0 {
		d.refuse(dialect.Invalid(path+".input_audio.data", "must be base64"))
		return nil
	}
	sub.Take("data", func([]byte) bool { return exact })
	format := word(sub.Peek("format"))
	if format == "" {
		d.refuse(dialect.Missing(path + ".input_audio.format"))
		return nil
	}
	blob := &llmv1.BlobPart{Modality: llmv1.Modality_MODALITY_AUDIO, MimeType: audioType(format), Data: data}
	sub.Take("format", func([]byte) bool { return audioFormat(blob.GetMimeType()) == format })
	return &llmv1.Part{Kind: &llmv1.Part_Blob{Blob: blob}}
}

// file reads a document: its content, its address (OpenRouter), or the id of an uploaded one.
func (d *messageDecoder) file(path string, r *object.Reader, marks marks) *llmv1.Part {
	path += ".file"
	sub := r.Sub("file")
	if sub == nil {
		d.refuse(dialect.Missing(path))
		return nil
	}
	if id := sub.Text("file_id"); id != "" {
		return &llmv1.Part{Kind: &llmv1.Part_File{File: &llmv1.FilePart{
			Modality: llmv1.Modality_MODALITY_DOCUMENT, Id: id, Filename: sub.Text("filename"),
		}}}
	}
	const document = llmv1.Modality_MODALITY_DOCUMENT
	content := word(sub.Peek("file_data"))
	var part *llmv1.Part
	exact := false
	switch {
	case content == "":
		d.refuse(dialect.Missing(path + ".file_id"))
		return nil
	case strings.HasPrefix(content, "data:"), strings.HasPrefix(content, "http"):
		part, exact = d.link(path+".file_data", document, content)
	default:
		data, _ := readBase64(content)
		if len(data) == 0 {
			d.refuse(dialect.Invalid(path+".file_data", "must be a data URL of content in base64"))
			return nil
		}
		part = &llmv1.Part{Kind: &llmv1.Part_Blob{Blob: &llmv1.BlobPart{Modality: document, MimeType: "application/pdf", Data: data}}}
	}
	if blob := part.GetBlob(); blob != nil {
		if blob.Filename = sub.Text("filename"); !sub.Has("filename") {
			marks.absent("file.filename")
		}
	}
	sub.Take("file_data", func([]byte) bool { return exact })
	return part
}
