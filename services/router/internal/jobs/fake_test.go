package jobs_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	metricnoop "go.opentelemetry.io/otel/metric/noop"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	usagev1 "github.com/headgate-mesh/headgate/gen/usage/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/kit/meta"
	"github.com/headgate-mesh/headgate/price"
	"github.com/headgate-mesh/headgate/services/router/internal/account"
	"github.com/headgate-mesh/headgate/services/router/internal/adapter"
	"github.com/headgate-mesh/headgate/services/router/internal/adapter/anthropic"
	"github.com/headgate-mesh/headgate/services/router/internal/adapter/compatible"
	"github.com/headgate-mesh/headgate/services/router/internal/adapter/openai"
	"github.com/headgate-mesh/headgate/services/router/internal/catalog"
	"github.com/headgate-mesh/headgate/services/router/internal/jobs"
	"github.com/headgate-mesh/headgate/services/router/internal/observe"
	"github.com/headgate-mesh/headgate/services/router/internal/plan"
	"github.com/headgate-mesh/headgate/services/router/internal/provider"
	"github.com/headgate-mesh/headgate/services/router/internal/quota"
)

const (
	openAI, claude = llmv1.Dialect_DIALECT_OPENAI, llmv1.Dialect_DIALECT_ANTHROPIC
	chat, embed    = routerv1.Operation_OPERATION_CHAT, routerv1.Operation_OPERATION_EMBED

	openAsk   = `{"model":"x","messages":[{"role":"user","content":"Hi"}]}`
	claudeAsk = `{"model":"x","max_tokens":9,"messages":[{"role":"user","content":"Hi"}]}`
	embedAsk  = `{"model":"x","input":["a","b","c"],"encoding_format":"base64"}`
)

// ledger keeps one row for each id, as the usage service does.
type ledger struct {
	mu       sync.Mutex
	rows     map[string]*usagev1.Event
	recorded int
	full     bool
}

func (*ledger) CaughtUp() bool { return true }

func (l *ledger) Room() error {
	if l.full {
		return fault.New(errorsv1.Reason_REASON_USAGE_LOG_FULL, "full")
	}
	return nil
}

func (l *ledger) Record(e *usagev1.Event) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.recorded++
	if l.rows[e.GetId()] == nil {
		l.rows[e.GetId()] = e
	}
	return nil
}

// limits remember what was asked of them.
type limits struct {
	mu      sync.Mutex
	tokens  []int64
	refuses error
}

func (l *limits) Reserve(_ context.Context, _ quota.Account, _ string, most quota.Amount) (*quota.Reservation, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tokens = append(l.tokens, most.Tokens)
	return nil, l.refuses
}

func (*limits) Defer(context.Context, quota.Account, string, quota.Amount, time.Duration) (*ratelimitv1.ReserveRequest, error) {
	return nil, errors.New("nobody here has a budget")
}

func (*limits) SettleDeferred(*ratelimitv1.ReserveRequest, quota.Amount, bool) {}

// mesh is a router whose model x is at a provider p of a kind, with an HTTP server behind it.
type mesh struct {
	jobs     *jobs.Server
	desk     *account.Desk
	ledger   *ledger
	limits   *limits
	provider *provider.Provider
}

func newMesh(t testing.TB, kind string, change func(*adapter.Config), h http.HandlerFunc) *mesh {
	t.Helper()
	web := httptest.NewServer(h)
	t.Cleanup(web.Close)
	cfg := adapter.Config{Name: "p", BaseURLs: []string{web.URL}, Key: "own-credential", Trust: llmv1.Sensitivity_SENSITIVITY_MEDIUM, Connect: time.Second}
	if change != nil {
		change(&cfg)
	}
	build := map[string]func(adapter.Config) (*provider.Provider, error){
		"openai": openai.New, "anthropic": anthropic.New,
		"openai_compatible": func(c adapter.Config) (*provider.Provider, error) { return compatible.New(c, compatible.Preset{}) },
	}[kind]
	p, err := build(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return meshOf(t, p)
}

func meshOf(t testing.TB, p *provider.Provider) *mesh {
	t.Helper()
	logger := slog.New(slog.DiscardHandler)
	observer, err := observe.New(logger, tracenoop.NewTracerProvider().Tracer(""), metricnoop.NewMeterProvider().Meter(""))
	if err != nil {
		t.Fatal(err)
	}
	m := &mesh{provider: p, ledger: &ledger{rows: map[string]*usagev1.Event{}}, limits: &limits{}}
	m.desk = &account.Desk{Observer: observer, Logger: logger, Ledger: m.ledger, Quota: m.limits, Prices: price.Builtin()}
	names := map[string]string{"x": "gpt-5", "small": "text-embedding-3-small", "sonnet": "claude-haiku-4-5"}
	var models []catalog.Model
	for name, model := range names {
		models = append(models, catalog.Model{Name: name, Cache: name == "small", Targets: []catalog.Target{{Provider: p, Model: model, Total: time.Minute}}})
	}
	planner := plan.New(&plan.Setup{Catalog: catalog.New(models, []catalog.Provider{{Provider: p}})}, plan.Options{})
	m.jobs = jobs.New(planner, m.desk)
	return m
}

// caller is the context of a call for a key, with steering headers as pairs.
func caller(t *testing.T, headers ...string) context.Context {
	t.Helper()
	ctx := metadata.NewIncomingContext(t.Context(), metadata.Pairs(headers...))
	ctx = meta.WithRequestID(ctx, "batch_1.7")
	return auth.NewContext(ctx, auth.Principal{KeyID: "key_1", Tenant: "acme"})
}

func (m *mesh) prepare(ctx context.Context, d llmv1.Dialect, o routerv1.Operation, body string, headers ...*routerv1.Header) (*routerv1.PrepareLineResponse, error) {
	return m.jobs.PrepareLine(ctx, &routerv1.PrepareLineRequest{Dialect: d, Operation: o, Body: []byte(body), Headers: headers})
}

// submission is the caller's side of SubmitJob.
type submission struct {
	grpc.ServerStream

	ctx   context.Context
	parts []*routerv1.SubmitJobRequest
	got   *routerv1.SubmitJobResponse
}

func (s *submission) Context() context.Context { return s.ctx }

func (s *submission) Recv() (*routerv1.SubmitJobRequest, error) {
	if len(s.parts) == 0 {
		return nil, io.EOF
	}
	part := s.parts[0]
	s.parts = s.parts[1:]
	return part, nil
}

func (s *submission) SendAndClose(m *routerv1.SubmitJobResponse) error {
	s.got = m
	return nil
}

func described(d *routerv1.JobDescription) *routerv1.SubmitJobRequest {
	return &routerv1.SubmitJobRequest{Part: &routerv1.SubmitJobRequest_Description{Description: d}}
}

func carrying(bodies ...string) *routerv1.SubmitJobRequest {
	l := &routerv1.JobLines{}
	for i, body := range bodies {
		l.Lines = append(l.Lines, &routerv1.JobLine{Id: "job-" + string(rune('0'+i)), Body: []byte(body)})
	}
	return &routerv1.SubmitJobRequest{Part: &routerv1.SubmitJobRequest_Lines{Lines: l}}
}

// reception is the caller's side of StreamJobResults.
type reception struct {
	grpc.ServerStream

	ctx context.Context
	got []*routerv1.StreamJobResultsResponse
}

func (r *reception) Context() context.Context { return r.ctx }

func (r *reception) Send(m *routerv1.StreamJobResultsResponse) error {
	r.got = append(r.got, m)
	return nil
}
