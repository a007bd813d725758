package openai

import (
	"bytes"
	"strconv"

	"github.com/headgate-mesh/headgate/dialect/object"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// readLogProbs reads the logprobs of a choice; nil where there are none. Keep keeps what has no place.
func readLogProbs(value []byte, keep bool) *llmv1.LogProbs {
	r, ok := object.Read(value)
	if !ok {
		return nil
	}
	l := &llmv1.LogProbs{Content: tokens(r, "content", keep), Refusal: tokens(r, "refusal", keep)}
	if keep {
		var w object.Writer
		writeLogProbs(&w, l)
		l.Extensions = object.Diff(value, w.Bytes())
	}
	return l
}

func tokens(r *object.Reader, name string, keep bool) []*llmv1.TokenLogProb {
	var list []*llmv1.TokenLogProb
	for _, element := range object.Elements(r.Peek(name)) {
		if t, ok := object.Read(element); ok {
			list = append(list, token(t, element, keep, true))
		}
	}
	return list
}

// token reads one; outer is false for the likeliest tokens within another.
func token(r *object.Reader, value []byte, keep, outer bool) *llmv1.TokenLogProb {
	t := &llmv1.TokenLogProb{Token: word(r.Peek("token")), LogProb: float(r.Peek("logprob"))}
	if outer {
		for _, element := range object.Elements(r.Peek("top_logprobs")) {
			if inner, ok := object.Read(element); ok {
				t.Top = append(t.Top, token(inner, element, keep, false))
			}
		}
	}
	if keep {
		var w object.Writer
		writeToken(&w, t, outer)
		t.Extensions = object.Diff(value, w.Bytes())
	}
	return t
}

// float reads a number as near as a float64 comes; 0 for any other value.
func float(value []byte) float64 {
	if rawjson.Kind(value) != '0' {
		return 0
	}
	x, err := strconv.ParseFloat(string(bytes.TrimSpace(value)), 64)
	if err != nil {
		return 0
	}
	return x
}

// writeLogProbs writes the object; null where l is nil.
func writeLogProbs(w *object.Writer, l *llmv1.LogProbs) {
	if l == nil {
		w.Value([]byte("null"))
		return
	}
	w.Patched(l.GetExtensions(), func() {
		writeTokens(w, "content", l.GetContent())
		writeTokens(w, "refusal", l.GetRefusal())
	})
}

func writeTokens(w *object.Writer, name string, list []*llmv1.TokenLogProb) {
	if list == nil {
		w.Null(name)
		return
	}
	w.Name(name)
	w.Array(func() {
		for _, t := range list {
			writeToken(w, t, true)
		}
	})
}

// writeToken writes one token; its bytes are those of its text, as OpenAI gives them.
func writeToken(w *object.Writer, t *llmv1.TokenLogProb, outer bool) {
	w.Patched(t.GetExtensions(), func() {
		w.Always("token", t.GetToken())
		w.Float("logprob", &t.LogProb)
		w.Name("bytes")
		w.Array(func() {
			for _, b := range []byte(t.GetToken()) {
				w.Value(strconv.AppendUint(nil, uint64(b), 10))
			}
		})
		if !outer {
			return
		}
		w.Name("top_logprobs")
		w.Array(func() {
			for _, inner := range t.GetTop() {
				writeToken(w, inner, false)
			}
		})
	})
}
