package policy_test

import (
	"testing"

	"github.com/headgate-mesh/headgate/services/router/internal/policy"
)

func BenchmarkDecide(b *testing.B) {
	f := content(policy.Facts{Model: "claude-x", Tags: map[string]string{"team": "search"}}, 1, 0.5)
	for name, rules := range map[string][]policy.Rule{
		"none":       {},
		"documented": documented, // the worst case: none matches
		"tags":       {{Name: "r", When: `tags.team == "research" || tags.nobody == "x"`}},
		"detected":   {{Name: "r", When: `"card" in detected`}},
		"expression": {{Name: "r", When: `model.matches("^claude-opus-[0-9]+$")`}},
	} {
		b.Run(name, func(b *testing.B) {
			p := compile(b, rules...)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.Decide(f); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCompile(b *testing.B) {
	for b.Loop() {
		compile(b, documented...)
	}
}
