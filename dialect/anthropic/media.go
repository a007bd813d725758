package anthropic

import (
	"encoding/base64"
	"strings"
	"unicode/utf8"

	"github.com/headgate-mesh/headgate/dialect/object"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// plainText is the only media type of a document whose source is text.
const plainText = "text/plain"

// media reads an image or a document; the part is nil where its source has no place in the shared vocabulary.
func (b blocks) media(kind string, r *object.Reader) (*llmv1.Part, *flaw) {
	if !r.Has("source") {
		return nil, lacking("source")
	}
	modality := llmv1.Modality_MODALITY_IMAGE
	if kind == "document" {
		modality = llmv1.Modality_MODALITY_DOCUMENT
	}
	part := source(r.Sub("source"), modality)
	if part == nil || kind == "image" {
		return part, nil
	}
	switch {
	case part.GetBlob() != nil:
		part.GetBlob().Filename = r.Text("title")
	case part.GetFile() != nil:
		part.GetFile().Filename = r.Text("title")
	}
	return part, nil
}

func source(s *object.Reader, modality llmv1.Modality) *llmv1.Part {
	switch {
	case s.Word("type", "base64"):
		return base64Source(s, modality)
	case s.Word("type", "url"):
		return urlSource(s, modality)
	case s.Word("type", "text"):
		return textSource(s, modality)
	case s.Word("type", "file"):
		return fileSource(s, modality)
	}
	return nil
}

// base64Source leaves documents of text alone, which are written as text.
func base64Source(s *object.Reader, modality llmv1.Modality) *llmv1.Part {
	blob := &llmv1.BlobPart{Modality: modality, MimeType: s.Text("media_type")}
	decoded := false
	s.Take("data", func(value []byte) (same bool) {
		text, ok := rawjson.Unquote(value)
		if ok {
			blob.Data, same, decoded = unbase64(string(text))
		}
		return same
	})
	if !decoded || asText(blob) {
		return nil
	}
	return blobOf(blob)
}

func blobOf(blob *llmv1.BlobPart) *llmv1.Part {
	return &llmv1.Part{Kind: &llmv1.Part_Blob{Blob: blob}}
}

// unbase64 reads base64 with or without padding and line breaks; same says that it would be written just so.
func unbase64(text string) (data []byte, same, ok bool) {
	if !strings.ContainsAny(text, "\r\n") {
		if data, err := base64.StdEncoding.Strict().DecodeString(text); err == nil {
			return data, true, true
		}
	}
	bare := strings.TrimRight(strings.NewReplacer("\r", "", "\n", "").Replace(text), "=")
	data, err := base64.RawStdEncoding.DecodeString(bare)
	return data, false, err == nil
}

func textSource(s *object.Reader, modality llmv1.Modality) *llmv1.Part {
	text, ok := takeString(s, "data")
	if !ok || modality != llmv1.Modality_MODALITY_DOCUMENT || !s.Word("media_type", plainText) {
		return nil
	}
	return blobOf(&llmv1.BlobPart{Modality: modality, MimeType: plainText, Data: []byte(text)})
}

func urlSource(s *object.Reader, modality llmv1.Modality) *llmv1.Part {
	uri := s.Text("url")
	if uri == "" || strings.HasPrefix(uri, dataScheme) {
		return nil
	}
	return &llmv1.Part{Kind: &llmv1.Part_Uri{Uri: &llmv1.UriPart{Modality: modality, Uri: uri}}}
}

func fileSource(s *object.Reader, modality llmv1.Modality) *llmv1.Part {
	id := s.Text("file_id")
	if id == "" {
		return nil
	}
	return &llmv1.Part{Kind: &llmv1.Part_File{File: &llmv1.FilePart{Modality: modality, Id: id}}}
}

// dataScheme begins addresses that hold the content themselves (RFC 2397).
const dataScheme = "data:"

// blobOfURI reads the content out of an address that holds it; nil where it doesn't.
func blobOfURI(uri *llmv1.UriPart) *llmv1.BlobPart {
	rest, ok := strings.CutPrefix(uri.GetUri(), dataScheme)
	head, encoded, comma := strings.Cut(rest, ",")
	if !ok || !comma {
		return nil
	}
	mime, ok := strings.CutSuffix(head, ";base64")
	data, _, valid := unbase64(encoded)
	if !ok || !valid {
		return nil
	}
	mime, _, _ = strings.Cut(mime, ";")
	return &llmv1.BlobPart{Modality: uri.GetModality(), MimeType: mime, Data: data}
}

// modalityOf is what a content is, by what it is called or else by its media type.
func modalityOf(m llmv1.Modality, mime string) llmv1.Modality {
	if m != llmv1.Modality_MODALITY_UNSPECIFIED {
		return m
	}
	switch kind, _, _ := strings.Cut(mime, "/"); kind {
	case "audio":
		return llmv1.Modality_MODALITY_AUDIO
	case "video":
		return llmv1.Modality_MODALITY_VIDEO
	case "application", "text":
		return llmv1.Modality_MODALITY_DOCUMENT
	}
	return llmv1.Modality_MODALITY_IMAGE
}

// asText reports whether a blob is a document that Anthropic takes as text, not as bytes.
func asText(blob *llmv1.BlobPart) bool {
	return modalityOf(blob.GetModality(), blob.GetMimeType()) == llmv1.Modality_MODALITY_DOCUMENT &&
		strings.HasPrefix(blob.GetMimeType(), "text/") && utf8.Valid(blob.GetData())
}

// writeMedia writes the kind and the source of an image or document, and a document's title.
func writeMedia(w *object.Writer, m llmv1.Modality, title string, source func()) {
	kind := "image"
	if m == llmv1.Modality_MODALITY_DOCUMENT {
		kind = "document"
	}
	w.Always("type", kind)
	w.Sub("source", source)
	if kind == "document" {
		w.Text("title", title)
	}
}

func writeBlob(w *object.Writer, blob *llmv1.BlobPart) {
	writeMedia(w, modalityOf(blob.GetModality(), blob.GetMimeType()), blob.GetFilename(), func() {
		if asText(blob) {
			w.Always("type", "text")
			w.Always("media_type", plainText)
			w.Always("data", string(blob.GetData()))
			return
		}
		w.Always("type", "base64")
		w.Text("media_type", blob.GetMimeType())
		w.Always("data", base64.StdEncoding.EncodeToString(blob.GetData()))
	})
}

func writeURI(w *object.Writer, uri *llmv1.UriPart) {
	if blob := blobOfURI(uri); blob != nil {
		writeBlob(w, blob)
		return
	}
	writeMedia(w, modalityOf(uri.GetModality(), uri.GetMimeType()), "", func() {
		w.Always("type", "url")
		w.Always("url", uri.GetUri())
	})
}

func writeFile(w *object.Writer, file *llmv1.FilePart) {
	m := file.GetModality()
	if m == llmv1.Modality_MODALITY_UNSPECIFIED {
		m = llmv1.Modality_MODALITY_DOCUMENT
	}
	writeMedia(w, m, file.GetFilename(), func() {
		w.Always("type", "file")
		w.Always("file_id", file.GetId())
	})
}
