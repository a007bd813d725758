package complexity_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"testing"

	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	"github.com/headgate-mesh/headgate/services/router/internal/complexity"
)

// sample is a line of the labelled set.
type sample struct {
	// Label is easy, medium or hard; Lang the language.
	Label, Lang string
	// Prompt is what is asked, Before the turns before, a user's and a model's by turns; System are the instructions.
	Prompt, System string
	Before         []string
	// Tools are how many are offered; Schema is that of the answer; MaxOutput bounds it; Effort is the thinking asked for.
	Tools     int
	Schema    string
	MaxOutput int64 `json:"max_output"`
	Effort    string
}

func samples(t testing.TB, file string) (all []sample) {
	t.Helper()
	data, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(data) {
		var s sample
		if err := json.Unmarshal(line, &s); err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	return all
}

func said(role llmv1.Role, text string) *llmv1.Message {
	return &llmv1.Message{Role: role, Parts: []*llmv1.Part{{Kind: &llmv1.Part_Text{Text: &llmv1.TextPart{Text: text}}}}}
}

func (s sample) typed() *llmv1.Prompt {
	p := &llmv1.Prompt{System: s.System}
	for i, text := range s.Before {
		p.Messages = append(p.Messages, said([]llmv1.Role{llmv1.Role_ROLE_USER, llmv1.Role_ROLE_ASSISTANT}[i%2], text))
	}
	p.Messages = append(p.Messages, said(llmv1.Role_ROLE_USER, s.Prompt))
	for i := range s.Tools {
		p.Tools = append(p.Tools, &llmv1.Tool{Name: fmt.Sprintf("tool_%d", i), InputSchema: `{"type":"object"}`})
	}
	if s.MaxOutput > 0 {
		p.Sampling = &llmv1.Sampling{MaxOutputTokens: &s.MaxOutput}
	}
	if s.Schema != "" {
		p.ResponseFormat = &llmv1.ResponseFormat{Kind: llmv1.ResponseFormatKind_RESPONSE_FORMAT_KIND_JSON_SCHEMA, Name: "answer", Schema: s.Schema}
	}
	if s.Effort != "" {
		p.Reasoning = &llmv1.Reasoning{Effort: s.Effort}
	}
	return p
}

// auc is the share of pairs of an easier and a harder sample that the score puts in order.
func auc(easier, harder []float64) float64 {
	var right float64
	for _, e := range easier {
		for _, h := range harder {
			switch {
			case h > e:
				right++
			case h == e:
				right += 0.5
			}
		}
	}
	return right / float64(len(easier)*len(harder))
}

// TestLabelled: the score tells easy from hard requests, in every language. Run it with -v for the table.
func TestLabelled(t *testing.T) {
	t.Parallel()
	scores := map[string][]float64{}
	byLang := map[string]map[string][]float64{}
	all := samples(t, "labelled.jsonl")
	for _, s := range all {
		score := complexity.Prompt(s.typed())
		scores[s.Label] = append(scores[s.Label], score)
		if byLang[s.Lang] == nil {
			byLang[s.Lang] = map[string][]float64{}
		}
		byLang[s.Lang][s.Label] = append(byLang[s.Lang][s.Label], score)
	}
	if len(all) < 120 {
		t.Fatalf("only %d samples", len(all))
	}
	table(t, scores)
	for pair, least := range map[[2]string]float64{{"easy", "hard"}: 0.98, {"easy", "medium"}: 0.95, {"medium", "hard"}: 0.9} {
		got := auc(scores[pair[0]], scores[pair[1]])
		t.Logf("AUC of %s and %s: %.4f", pair[0], pair[1], got)
		if got < least {
			t.Errorf("%s and %s: AUC %.4f is below %.2f", pair[0], pair[1], got, least)
		}
	}
	for _, lang := range slices.Sorted(maps.Keys(byLang)) {
		got := auc(byLang[lang]["easy"], byLang[lang]["hard"])
		t.Logf("AUC of easy and hard in %s: %.4f", lang, got)
		if got < 0.95 {
			t.Errorf("%s: AUC %.4f", lang, got)
		}
	}
	thresholds(t, scores)
}

func table(t *testing.T, scores map[string][]float64) {
	t.Helper()
	t.Log("label    n   least   10%     median  90%     most")
	for _, label := range []string{"easy", "medium", "hard"} {
		s := slices.Sorted(slices.Values(scores[label]))
		at := func(share float64) float64 { return s[int(share*float64(len(s)-1)+0.5)] }
		t.Logf("%-7s  %-3d %.4f  %.4f  %.4f  %.4f  %.4f", label, len(s), at(0), at(0.1), at(0.5), at(0.9), at(1))
	}
}

// thresholds prints where to cut, and what a cut at each of some scores would send to a small model.
func thresholds(t *testing.T, scores map[string][]float64) {
	t.Helper()
	below := func(label string, cut float64) float64 {
		n := 0
		for _, s := range scores[label] {
			if s < cut {
				n++
			}
		}
		return 100 * float64(n) / float64(max(1, len(scores[label])))
	}
	t.Log("below    easy  medium  hard   (per cent)")
	for cut := 0.1; cut < 0.85; cut += 0.05 {
		t.Logf("%.2f    %5.1f  %5.1f  %5.1f", cut, below("easy", cut), below("medium", cut), below("hard", cut))
	}
}

// TestPlainWords: hard requests in plain words, and easy ones with learned words in them. Nothing was changed for those of
// held_out.jsonl, which were written last.
func TestPlainWords(t *testing.T) {
	t.Parallel()
	for file, least := range map[string]float64{"second.jsonl": 0.95, "held_out.jsonl": 0.95} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			scores := map[string][]float64{}
			for _, s := range samples(t, file) {
				score := complexity.Prompt(s.typed())
				scores[s.Label] = append(scores[s.Label], score)
				t.Logf("%.4f %-4s %s %.60q", score, s.Label, s.Lang, s.Prompt)
			}
			got := auc(scores["easy"], scores["hard"])
			t.Logf("AUC of easy and hard: %.4f", got)
			if got < least {
				t.Errorf("AUC %.4f is below %.2f", got, least)
			}
			thresholds(t, scores)
		})
	}
}
