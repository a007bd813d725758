package anthropic

import (
	"github.com/headgate-mesh/headgate/dialect/object"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// webCitation is Anthropic's kind for a source on the web.
const webCitation = "web_search_result_location"

// elsewhere reports whether a citation is of no kind of Anthropic's.
func elsewhere(c *llmv1.Citation) bool { return c.GetType() == "" || c.GetType() == "url_citation" }

// readCitation reads a citation; nil where it is no object, or one that would be written as another.
func (b blocks) readCitation(raw []byte) *llmv1.Citation {
	r, ok := object.Read(raw)
	if !ok {
		return nil
	}
	c := &llmv1.Citation{Type: r.Text("type"), Url: r.Text("url"), Title: r.Text("title"), CitedText: r.Text("cited_text")}
	if elsewhere(c) {
		return nil
	}
	if b.keep {
		c.Extensions = r.Left()
	}
	return c
}

// readCitations takes a text's citations, all or none.
func (b blocks) readCitations(r *object.Reader) []*llmv1.Citation {
	var list []*llmv1.Citation
	r.Take("citations", func(value []byte) bool {
		all := true
		rawjson.Array(value, func(element []byte) bool {
			c := b.readCitation(element)
			list, all = append(list, c), all && c != nil
			return all
		})
		if !all {
			list = nil
		}
		return len(list) > 0
	})
	return list
}

// sayableCitation reports whether Anthropic's clients can be shown a citation: it is one of Anthropic's, or has an address.
func sayableCitation(c *llmv1.Citation) bool { return !elsewhere(c) || c.GetUrl() != "" }

// writeCitation writes a citation; one from elsewhere as a source on the web.
func writeCitation(w *object.Writer, c *llmv1.Citation) {
	if elsewhere(c) {
		w.Object(func() {
			w.Always("type", webCitation)
			w.Always("url", c.GetUrl())
			w.Always("title", c.GetTitle())
			w.Always("cited_text", c.GetCitedText())
			w.Always("encrypted_index", "")
		})
		return
	}
	w.Patched(c.GetExtensions(), func() {
		w.Always("type", c.GetType())
		w.Text("cited_text", c.GetCitedText())
		w.Text("url", c.GetUrl())
		w.Text("title", c.GetTitle())
	})
}
