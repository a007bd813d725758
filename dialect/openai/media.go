package openai

import (
	"encoding/base64"
	"strings"

	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// readDataURL reads a data URL (RFC 2397) of content in base64; nil where it is none. Exact says that dataURL writes the
// same again.
func readDataURL(url string) (blob *llmv1.BlobPart, exact bool) {
	head, content, ok := strings.Cut(strings.TrimPrefix(url, "data:"), ",")
	mime, based := strings.CutSuffix(head, ";base64")
	if !ok || !based {
		return nil, false
	}
	bare, _, parameters := strings.Cut(mime, ";")
	data, exact := readBase64(content)
	if bare == "" || len(data) == 0 {
		return nil, false
	}
	return &llmv1.BlobPart{MimeType: bare, Data: data}, exact && !parameters
}

func dataURL(b *llmv1.BlobPart) string {
	return "data:" + b.GetMimeType() + ";base64," + base64Of(b.GetData())
}

// readBase64 reads base64 of either alphabet, padded or not; exact says that it is the standard form. Empty where it is
// none.
func readBase64(text string) (data []byte, exact bool) {
	if data, err := base64.StdEncoding.Strict().DecodeString(text); err == nil {
		return data, !strings.ContainsAny(text, "\r\n")
	}
	text = strings.TrimRight(strings.NewReplacer("-", "+", "_", "/", " ", "").Replace(text), "=")
	data, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return nil, false
	}
	return data, false
}

// audioType is the media type of one of OpenAI's audio formats, audioFormat the other way.
func audioType(format string) string {
	if format == "mp3" {
		return "audio/mpeg"
	}
	return "audio/" + format
}

func audioFormat(mime string) string {
	switch mime {
	case "audio/mpeg", "audio/mp3":
		return "mp3"
	case "audio/x-wav", "audio/wave", "audio/vnd.wave":
		return "wav"
	}
	return strings.TrimPrefix(mime, "audio/")
}

// formOf is the content part that a part is written as where its extensions don't say: empty where it is none of OpenAI's,
// or stands elsewhere in the message.
func formOf(part *llmv1.Part) string {
	switch k := part.GetKind().(type) {
	case *llmv1.Part_Text:
		return "text"
	case *llmv1.Part_Blob:
		return blobForm(k.Blob)
	case *llmv1.Part_Uri:
		if k.Uri.GetModality() == llmv1.Modality_MODALITY_IMAGE {
			return "image_url"
		}
	case *llmv1.Part_File:
		if !strings.HasPrefix(k.File.GetId(), "file_") { // those are Anthropic's
			return "file"
		}
	}
	return ""
}

func blobForm(b *llmv1.BlobPart) string {
	mime := b.GetMimeType()
	switch m := b.GetModality(); {
	case m == llmv1.Modality_MODALITY_IMAGE, m == 0 && strings.HasPrefix(mime, "image/"):
		return "image_url"
	case m == llmv1.Modality_MODALITY_AUDIO, m == 0 && strings.HasPrefix(mime, "audio/"):
		return "input_audio"
	case m == llmv1.Modality_MODALITY_VIDEO, m == 0 && strings.HasPrefix(mime, "video/"):
		return ""
	case mime == "text/plain":
		return "text"
	}
	return "file"
}

func base64Of(data []byte) string { return base64.StdEncoding.EncodeToString(data) }
