package sensitive_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	"github.com/headgate-mesh/headgate/services/router/internal/sensitive"
)

const tooMany = 120_000

// TestTooManyFinds: what isn't kept is neither forgotten nor let through.
func TestTooManyFinds(t *testing.T) {
	t.Parallel()
	config := sensitive.Config{
		Patterns:     []sensitive.Pattern{{Name: "badge", Pattern: `EMP-[0-9]{6}`, Sensitivity: "low"}},
		Dictionaries: []sensitive.Dictionary{{Name: "birds", Words: []string{"bluebird"}, Sensitivity: "low"}},
	}
	s := newScanner(t, config)
	last := " and 4111111111111111"
	cases := []struct{ name, body string }{
		{"one text", `{"model":"gpt","messages":[{"role":"user","content":"` + strings.Repeat("a@b.co ", tooMany) + last + `"}]}`},
		{"many texts", `{"model":"gpt","input":{"t":[` + strings.Repeat(`"a@b.co",`, tooMany) + `"` + last + `"]}}`},
		{"many numbers", `{"model":"gpt","input":{"t":[` + strings.Repeat(`4111111111111111,`, tooMany) + `"a@b.co"]}}`},
		{"many names", `{"model":"gpt","input":{` + strings.Repeat(`"a@b.co":1,`, tooMany) + `"card":"4111111111111111"}}`},
		{"within JSON", `{"model":"gpt","arguments":` + quoted(`["`+strings.Repeat("a@b.co ", tooMany)+last+`"]`) + `}`},
		{"a pattern", `{"model":"gpt","t":"` + strings.Repeat("EMP-123456 ", tooMany) + last + `"}`},
		{"a dictionary", `{"model":"gpt","t":"` + strings.Repeat("bluebird ", tooMany) + last + `"}`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, err := s.Body([]byte(c.body))
			if err != nil {
				t.Fatal(err)
			}
			if r.Label != llmv1.Sensitivity_SENSITIVITY_HIGH || r.Detected["card"] == 0 {
				t.Errorf("%v %v", r.Label, r.Detected)
			}
			got, left := r.RedactBody([]byte(c.body), []string{"card"})
			if left.Found() || !json.Valid(got) || bytes.Contains(got, []byte("1111")) || bytes.Contains(got, []byte("@")) {
				t.Errorf("left %v in %.100s", left.Detected, got)
			}
			if !bytes.HasPrefix(got, []byte(`{"model":"gpt",`)) {
				t.Errorf("%.100s", got)
			}
			if got, _ := r.RedactBody([]byte(c.body), []string{"iban"}); string(got) != c.body {
				t.Error("changed without need")
			}
		})
	}
}

func TestTooManyFindsInAPrompt(t *testing.T) {
	t.Parallel()
	s := newScanner(t, sensitive.Config{})
	p := userSays(strings.Repeat("a@b.co ", tooMany) + visa)
	p.System = "ask c@d.org"
	p.Extensions = map[string]string{"x": `["` + strings.Repeat("a@b.co ", tooMany) + `"]`}
	r := s.Prompt(p)
	if r.Label != llmv1.Sensitivity_SENSITIVITY_HIGH || r.Detected["card"] != 1 {
		t.Errorf("%v %v", r.Label, r.Detected)
	}
	got, left := r.RedactPrompt(p, nil)
	text := got.GetMessages()[0].GetParts()[0].GetText().GetText()
	if left.Found() || text != "[REDACTED:card]" || got.GetSystem() != "ask [REDACTED:email]" || got.GetExtensions()["x"] != `"[REDACTED:email]"` {
		t.Errorf("left %v, %.100s, %s, %.100s", left.Detected, text, got.GetSystem(), got.GetExtensions()["x"])
	}
}

// TestFoundAgainAndAgain: a pattern that finds something beside each mark ends with a mark for all.
func TestFoundAgainAndAgain(t *testing.T) {
	t.Parallel()
	s := newScanner(t, sensitive.Config{Patterns: []sensitive.Pattern{{Name: "x", Pattern: `x.?`}}})
	body := []byte(`{"t":"` + strings.Repeat("x", 40) + strings.Repeat(" ax b", 10) + `"}`)
	r, _ := s.Body(body)
	if got, left := r.RedactBody(body, nil); left.Found() || !json.Valid(got) {
		t.Errorf("left %v in %s", left.Detected, got)
	}
}
