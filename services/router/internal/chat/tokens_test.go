package chat_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/router/internal/quota"
	"github.com/headgate-mesh/headgate/services/router/internal/quota/quotatest"
)

// TestTokensEndStream: a typed stream gets what its limit on tokens has, and then the status that says why there is no more;
// one that fits is whole.
func TestTokensEndStream(t *testing.T) {
	t.Parallel()
	word := strings.Repeat("x", 64) // 16 tokens
	frame := `data: {"id":"c","choices":[{"index":0,"delta":{"content":"` + word + `"}}]}` + "\n\n"
	for name, c := range map[string]struct {
		limit int64
		least int
		why   errorsv1.Reason
	}{"crosses it": {2000, 117, errorsv1.Reason_REASON_RATE_LIMITED}, "fits": {4000, 200, 0}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMesh(t, func(w http.ResponseWriter, r *http.Request) {
				stream(strings.Repeat(frame, 200)+`data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`+"\n\ndata: [DONE]\n\n")(w, r)
			})
			bank := &quotatest.Bank{}
			k := quota.New(bank, quota.Options{Holder: "r"})
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan error, 1)
			go func() { done <- k.Run(ctx) }()
			m.desk.Quota = k
			got, err := m.stream(auth.NewContext(t.Context(), auth.Principal{
				KeyID: "k", Tenant: "acme", Limits: &ratelimitv1.Limits{TokensPerMinute: c.limit},
			}))
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
			f := fault.From(err)
			switch {
			case c.why == 0 && err != nil, c.why != 0 && (err == nil || f.Reason != c.why):
				t.Errorf("%v", err)
			case err != nil && (f.Metadata["scope"] != "key" || f.Metadata["dimension"] != "tokens" || f.Metadata["limit"] != "2000" || f.Metadata["remaining"] == "" || f.RetryAfter <= 0):
				t.Errorf("%v %v", f, f.Metadata)
			}
			shown := 0
			for _, m := range got.got {
				shown += len(m.GetEvent().GetPartDelta().GetText()) / len(word)
			}
			used := bank.Tokens("k")
			if shown < c.least || used.Held != 0 || used.Most > c.limit || used.Spent < int64(shown)*16 {
				t.Errorf("%d words for %+v", shown, used)
			}
		})
	}
}
