package adapter

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/router/internal/provider"
	"github.com/headgate-mesh/headgate/services/router/internal/wire"
)

// TestStillness: a provider that takes a job or tells its results, and then falls silent, is given up.
func TestStillness(t *testing.T) {
	t.Parallel()
	silent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		switch r.URL.Path {
		case messageBatchesPath + "/j":
			_, _ = io.WriteString(w, `{"processing_status":"ended","request_counts":{"expired":2}}`)
			return
		case messageBatchesPath + "/j/results":
			_, _ = io.WriteString(w, `{"custom_id":"a","result":{"type":"expired"}}`+"\n")
			_ = http.NewResponseController(w).Flush()
		}
		<-r.Context().Done()
	}))
	t.Cleanup(silent.Close)
	a, err := New(Config{Name: "p", BaseURLs: []string{silent.URL}, Key: "k", Connect: time.Second}, wire.Anthropic())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.client.Close)
	b := messageBatches{batches{Adapter: a, still: 50 * time.Millisecond}}
	sent := false
	_, submitted := b.Submit(t.Context(), &routerv1.JobDescription{JobId: "job"}, func() (*routerv1.JobLine, error) {
		if sent {
			return nil, io.EOF
		}
		sent = true
		return &routerv1.JobLine{Id: "job-1", Body: []byte(`{}`)}, nil
	})
	got := 0
	fetched := b.Results(t.Context(), &routerv1.JobReference{UpstreamId: "j"}, func(*routerv1.JobResult) error { got++; return nil })
	for call, err := range map[string]error{"submit": submitted, "results": fetched} {
		f := fault.From(provider.Unsubmitted(err))
		if f.Reason != errorsv1.Reason_REASON_TIMEOUT || f.Metadata["timer"] != "gap" || f.Metadata[provider.Submitted] != provider.SubmittedUnknown {
			t.Errorf("%s: %v", call, err)
		}
	}
	if got != 1 {
		t.Errorf("%d results before it fell silent", got)
	}
}
