package sensitive_test

import (
	"bufio"
	"encoding/json"
	"maps"
	"os"
	"slices"
	"testing"

	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	"github.com/headgate-mesh/headgate/services/router/internal/sensitive"
)

// labelled is one text of the set, and how often each detector has to find something in it.
type labelled struct {
	Lang   string
	Text   string
	Expect map[string]int
}

func labelledSet(t testing.TB) []labelled {
	t.Helper()
	file, err := os.Open("testdata/labelled.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var set []labelled
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var l labelled
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			t.Fatal(err)
		}
		set = append(set, l)
	}
	return set
}

// tally counts what was found rightly, found wrongly, and missed.
type tally struct{ right, wrong, missed int }

func (c *tally) add(got, want int) {
	c.right += min(got, want)
	c.wrong += max(got-want, 0)
	c.missed += max(want-got, 0)
}

func (c tally) precision() float64 { return ratio(c.right, c.right+c.wrong) }
func (c tally) recall() float64    { return ratio(c.right, c.right+c.missed) }

func ratio(part, whole int) float64 {
	if whole == 0 {
		return 1
	}
	return float64(part) / float64(whole)
}

// TestLabelledSet measures precision and recall: -v prints them by detector, and what was got wrong.
func TestLabelledSet(t *testing.T) {
	t.Parallel()
	const floor, floorOfOne = 0.97, 0.9
	s := newScanner(t, sensitive.Config{})
	byDetector := make(map[string]*tally)
	var all tally
	set := labelledSet(t)
	if len(set) < 300 {
		t.Errorf("only %d texts", len(set))
	}
	for _, l := range set {
		got := s.Prompt(userSays(l.Text)).Detected
		for name := range maps.Keys(union(got, l.Expect)) {
			if byDetector[name] == nil {
				byDetector[name] = new(tally)
			}
			byDetector[name].add(got[name], l.Expect[name])
			all.add(got[name], l.Expect[name])
		}
		if !maps.Equal(got, l.Expect) && len(got)+len(l.Expect) > 0 {
			t.Logf("%s: %q: found %v, want %v", l.Lang, l.Text, got, l.Expect)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(byDetector)) {
		c := byDetector[name]
		t.Logf("%-14s %4d right %3d wrong %3d missed: precision %.3f recall %.3f", name, c.right, c.wrong, c.missed, c.precision(), c.recall())
		if c.precision() < floorOfOne || c.recall() < floorOfOne {
			t.Errorf("%s is below %.2f", name, floorOfOne)
		}
	}
	t.Logf("%d texts: precision %.4f, recall %.4f", len(set), all.precision(), all.recall())
	if all.precision() < floor || all.recall() < floor {
		t.Errorf("below %.2f", floor)
	}
}

func union(a, b map[string]int) map[string]int {
	both := maps.Clone(a)
	if both == nil {
		both = make(map[string]int)
	}
	maps.Copy(both, b)
	return both
}

func newScanner(t testing.TB, c sensitive.Config) *sensitive.Scanner {
	t.Helper()
	s, err := sensitive.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func userSays(text string) *llmv1.Prompt {
	part := &llmv1.Part{Kind: &llmv1.Part_Text{Text: &llmv1.TextPart{Text: text}}}
	return &llmv1.Prompt{Messages: []*llmv1.Message{{Role: llmv1.Role_ROLE_USER, Parts: []*llmv1.Part{part}}}}
}
