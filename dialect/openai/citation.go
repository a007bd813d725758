package openai

import (
	"github.com/headgate-mesh/headgate/dialect/object"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// urlCitation is the only kind of annotation that OpenAI has.
const urlCitation = "url_citation"

// readCitations reads annotations; ok is false where one of them is of another kind. Keep keeps what has no place.
func readCitations(value []byte, keep bool) (citations []*llmv1.Citation, ok bool) {
	ok = true
	for _, element := range object.Elements(value) {
		c := readCitation(element, keep)
		if c == nil {
			ok = false
			continue
		}
		citations = append(citations, c)
	}
	return citations, ok
}

func readCitation(value []byte, keep bool) *llmv1.Citation {
	outer, ok := object.Read(value)
	if !ok || word(outer.Peek("type")) != urlCitation {
		return nil
	}
	r, ok := object.Read(outer.Peek(urlCitation))
	if !ok {
		return nil
	}
	c := &llmv1.Citation{
		Type: urlCitation, Url: word(r.Peek("url")), Title: word(r.Peek("title")), CitedText: word(r.Peek("content")),
		StartIndex: r.Int("start_index"), EndIndex: r.Int("end_index"),
	}
	if keep {
		var w object.Writer
		writeCitation(&w, c, -1)
		c.Extensions = object.Diff(value, w.Bytes())
	}
	return c
}

// citable reports whether OpenAI has words for a citation: what has an address. Those into documents have none.
func citable(c *llmv1.Citation) bool { return c.GetType() == urlCitation || c.GetUrl() != "" }

// writeCitation writes an annotation; in streams they are numbered, since openai-python merges lists by index.
func writeCitation(w *object.Writer, c *llmv1.Citation, index int) {
	w.Patched(c.GetExtensions(), func() {
		if index >= 0 {
			w.Number("index", int64(index))
		}
		w.Always("type", urlCitation)
		w.Name(urlCitation)
		w.Object(func() {
			w.Int("start_index", c.StartIndex)
			w.Int("end_index", c.EndIndex)
			w.Always("url", c.GetUrl())
			w.Always("title", c.GetTitle())
			w.Text("content", c.GetCitedText())
		})
	})
}

// placed returns a citation that says where it belongs: all of the text it was given with, in characters, where it doesn't
// say itself. OpenAI's clients count on both numbers.
func placed(c *llmv1.Citation, from, to int64) *llmv1.Citation {
	if c.GetType() == urlCitation {
		return c
	}
	if c.StartIndex != nil && c.EndIndex != nil {
		from, to = c.GetStartIndex(), c.GetEndIndex()
	}
	return &llmv1.Citation{
		Type: urlCitation, Url: c.GetUrl(), Title: c.GetTitle(), CitedText: c.GetCitedText(), StartIndex: &from, EndIndex: &to,
	}
}

// list reports whether a value is an array with something in it.
func list(value []byte) bool { return rawjson.Kind(value) == 'a' && !rawjson.Empty(value) }
