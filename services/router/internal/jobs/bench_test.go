package jobs_test

import (
	"net/http"
	"strings"
	"testing"

	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
)

// BenchmarkLine is what one line of 4 KB costs on its way there and back, in its provider's dialect and translated.
func BenchmarkLine(b *testing.B) {
	m := newMesh(b, "openai", nil, func(http.ResponseWriter, *http.Request) {})
	ctx := auth.NewContext(b.Context(), auth.Principal{KeyID: "key_1"})
	long := strings.Repeat("All work and no play. ", 180)
	for name, d := range map[string]llmv1.Dialect{"own": openAI, "translated": claude} {
		ask := &routerv1.PrepareLineRequest{Dialect: d, Operation: chat, Body: []byte(strings.Replace(claudeAsk, "Hi", long, 1))}
		answer := finished(d, chat, "gpt-5", 200, strings.Replace(openAnswer, "Hi", long, 1))
		b.Run("prepare "+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if line, err := m.jobs.PrepareLine(ctx, ask); err != nil || line.GetLive() {
					b.Fatal(line, err)
				}
			}
		})
		b.Run("finish "+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := m.jobs.FinishLine(ctx, answer); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
