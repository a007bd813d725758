package relay_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync"
	"testing"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	usagev1 "github.com/headgate-mesh/headgate/gen/usage/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
)

// ledger keeps what is written down, and refuses calls while it is full.
type ledger struct {
	mu   sync.Mutex
	rows []*usagev1.Event
	full bool
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
	l.rows = append(l.rows, e)
	return nil
}

func (l *ledger) written() []*usagev1.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rows
}

func booked(t *testing.T, handlers ...http.HandlerFunc) (*mesh, *ledger) {
	t.Helper()
	m, l := newOpenAI(t, handlers...), &ledger{}
	m.desk.Ledger = l
	return m, l
}

// brokenOff sends the half of an answer.
func brokenOff(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = io.WriteString(w, body[:len(body)/2])
	}
}

// TestBooksEveryEnd: every attempt that reached a provider has one row, which tells how it ended and what it took.
func TestBooksEveryEnd(t *testing.T) {
	t.Parallel()
	cut := func(frames ...string) http.HandlerFunc { return stream(frames...) }
	cases := []struct {
		name, body    string
		handler       http.HandlerFunc
		outcome       usagev1.Outcome
		input, output int64
		estimated     bool
	}{
		{"whole", ask, status(200, answer), usagev1.Outcome_OUTCOME_COMPLETE, 3, 5, false},
		{"a stream whose usage the client didn't ask for", streamAsk, stream(role, text, stop, usage, done), usagev1.Outcome_OUTCOME_COMPLETE, 3, 5, false},
		{"a stream without a count", streamAsk, stream(role, text, more, stop, done), usagev1.Outcome_OUTCOME_COMPLETE, 17, 3, true},
		{"cut after content", streamAsk, cut(role, text, more), usagev1.Outcome_OUTCOME_BROKEN, 17, 3, true},
		{"cut after the count", streamAsk, cut(role, text, stop, usage), usagev1.Outcome_OUTCOME_BROKEN, 3, 5, false},
		{"garbage after content", streamAsk, cut(role, text, bad), usagev1.Outcome_OUTCOME_BROKEN, 17, 1, true},
		{"a whole answer that breaks off", ask, brokenOff(answer), usagev1.Outcome_OUTCOME_BROKEN, 14, int64(len(answer)/2+3) / 4, true},
		{"a whole answer that is garbage", ask, status(200, `{"choices"`), usagev1.Outcome_OUTCOME_BROKEN, 14, 3, true},
		{"something other than a stream", streamAsk, status(200, "<p>Hi</p>"), usagev1.Outcome_OUTCOME_BROKEN, 17, 3, true},
		{"refused", ask, status(400, errorBody("no")), usagev1.Outcome_OUTCOME_PROVIDER_ERROR, 0, 0, false},
		{"an error in the stream", streamAsk, stream(role, text, `data: {"error":{"message":"x"}}`+"\n\n"), usagev1.Outcome_OUTCOME_PROVIDER_ERROR, 17, 1, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m, l := booked(t, c.handler)
			_, _ = m.relay(t.Context(), c.body)
			rows := l.written()
			if len(rows) != 1 {
				t.Fatalf("%d rows: %v", len(rows), rows)
			}
			e := rows[0]
			if e.GetOutcome() != c.outcome || e.GetEstimated() != c.estimated {
				t.Errorf("%v, estimated %v", e.GetOutcome(), e.GetEstimated())
			}
			if e.GetTokens().GetInputTokens() != c.input || e.GetTokens().GetOutputTokens() != c.output {
				t.Errorf("tokens %v, want %d and %d", e.GetTokens(), c.input, c.output)
			}
			if e.GetModel() != "x" || e.GetUpstreamModel() != "m" || e.GetProvider() != "a" || e.GetTenant() != "default" || e.GetAttempt() != 1 {
				t.Errorf("%v", e)
			}
		})
	}
}

// TestBooksFailover: each attempt has its own row, under one request.
func TestBooksFailover(t *testing.T) {
	t.Parallel()
	m, l := booked(t, status(503, errorBody("busy")), status(200, answer))
	if _, err := m.relay(t.Context(), ask); err != nil {
		t.Fatal(err)
	}
	rows := l.written()
	if len(rows) != 2 || rows[0].GetId() == rows[1].GetId() || rows[0].GetRequestId() != rows[1].GetRequestId() {
		t.Fatalf("%v", rows)
	}
	if rows[0].GetOutcome() != usagev1.Outcome_OUTCOME_PROVIDER_ERROR || rows[0].GetHttpStatus() != 503 || rows[1].GetOutcome() != usagev1.Outcome_OUTCOME_COMPLETE {
		t.Errorf("%v", rows)
	}
}

// TestBooksBeforeTheEnd: the row is there when the last message leaves.
func TestBooksBeforeTheEnd(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body    string
		handler http.HandlerFunc
	}{
		"whole":  {ask, status(200, answer)},
		"stream": {streamAsk, stream(role, text, stop, usage, done)},
		"cut":    {streamAsk, stream(role, text)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, l := booked(t, c.handler)
			got := &client{ctx: t.Context()}
			got.sent = func(int) error {
				if got.trailer() != nil && len(l.written()) != 1 {
					t.Errorf("%d rows when the last message leaves", len(l.written()))
				}
				return nil
			}
			_ = m.serve(got, c.body)
		})
	}
}

// TestBooksClientLeft: what was consumed until then is owed.
func TestBooksClientLeft(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	m, l := booked(t, func(w http.ResponseWriter, r *http.Request) {
		stream(role, text)(w, r)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	got := &client{ctx: ctx, sent: func(int) error { cancel(); return ctx.Err() }}
	_ = m.serve(got, streamAsk)
	rows := l.written()
	if len(rows) != 1 || rows[0].GetOutcome() != usagev1.Outcome_OUTCOME_CLIENT_LEFT || !rows[0].GetEstimated() || rows[0].GetTokens().GetOutputTokens() < 1 {
		t.Fatalf("%v", rows)
	}
}

// TestBooksFull: nothing begins that couldn't be written down.
func TestBooksFull(t *testing.T) {
	t.Parallel()
	m, l := booked(t, func(http.ResponseWriter, *http.Request) { t.Error("the provider was asked") })
	l.full = true
	_, err := m.relay(t.Context(), ask)
	var f *fault.Error
	if !errors.As(err, &f) || f.Reason != errorsv1.Reason_REASON_USAGE_LOG_FULL {
		t.Errorf("%v", err)
	}
}

// TestBooksWhatCantBeShown: an answer that the client's dialect can't show was consumed all the same.
func TestBooksWhatCantBeShown(t *testing.T) {
	t.Parallel()
	call := func(index string, rest string) string {
		return `data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":` + index + rest + `}]}}]}` + "\n\n"
	}
	m, l := booked(t, stream(role, text,
		call("0", `,"id":"call_1","type":"function","function":{"name":"f","arguments":"{"}`),
		call("1", `,"id":"call_2","type":"function","function":{"name":"f","arguments":"{"}`),
		call("0", `,"function":{"arguments":"}"}`), stop, usage, done))
	c := &client{ctx: t.Context()}
	err := m.server.Relay(&routerv1.RelayRequest{
		Dialect: llmv1.Dialect_DIALECT_ANTHROPIC, Operation: routerv1.Operation_OPERATION_CHAT,
		Body: []byte(`{"model":"x","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"hi"}],"tools":[{"name":"f","input_schema":{"type":"object"}}]}`),
	}, c)
	rows := l.written()
	if reason(err) != errorsv1.Reason_REASON_UNSUPPORTED {
		t.Fatalf("it could be shown: %v %s", err, c.data())
	}
	if len(rows) != 1 || rows[0].GetOutcome() != usagev1.Outcome_OUTCOME_BROKEN || rows[0].GetReason() != "UNSUPPORTED" || rows[0].GetTokens().GetOutputTokens() == 0 {
		t.Errorf("%d rows: %v", len(rows), rows)
	}
}

// TestBooksNobodyAsked: what a client got wrong is found out before anybody is asked.
func TestBooksNobodyAsked(t *testing.T) {
	t.Parallel()
	m, l := booked(t, untouched(t))
	err := m.server.Relay(&routerv1.RelayRequest{
		Dialect: llmv1.Dialect_DIALECT_ANTHROPIC, Operation: routerv1.Operation_OPERATION_CHAT,
		Body: []byte(`{"model":"x","max_tokens":9,"temperature":"warm","messages":[{"role":"user","content":"hi"}]}`),
	}, &client{ctx: t.Context()})
	if rows := l.written(); reason(err) != errorsv1.Reason_REASON_INVALID_FIELD || len(rows) != 0 {
		t.Errorf("%v, rows %v", err, rows)
	}
}
