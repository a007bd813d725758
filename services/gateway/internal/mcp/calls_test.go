package mcp

import (
	"bufio"
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
)

const chatCall = `{"jsonrpc":"2.0","id":%ID%,"method":"tools/call","params":{"name":"chat","arguments":{"model":"m","prompt":"Hi"}}}`

func withID(id string) string { return strings.ReplaceAll(chatCall, "%ID%", id) }

func cancelling(id string) string {
	return `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":` + id + `,"reason":"too slow"}}`
}

// hello introduces a client of an older protocol and returns its session.
func hello(t *testing.T, url string) string {
	t.Helper()
	resp, body := answered(t, url, `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`)
	if resp.StatusCode != http.StatusOK || resp.Header.Get(sessionHeader) == "" {
		t.Fatalf("%d %v %s", resp.StatusCode, resp.Header, body)
	}
	return resp.Header.Get(sessionHeader)
}

// TestCancelNotification: a client cancels its own calls, and nobody else's, whatever key they share.
func TestCancelNotification(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"7", `"seven"`} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			r := waiting()
			url := serve(t, options(r))
			session := hello(t, url)
			if another := hello(t, url); another == session {
				t.Fatal("two clients of the same name")
			}
			answer := begun(t, t.Context(), r, url, withID(id), sessionHeader, session)
			for name, headers := range map[string][]string{
				"another client": {sessionHeader, hello(t, url)},
				"no session":     {},
				"another key":    {sessionHeader, session, "X-Who", "other"},
			} {
				if resp, body := answered(t, url, cancelling(id), headers...); resp.StatusCode != http.StatusAccepted {
					t.Errorf("%s: %d %s", name, resp.StatusCode, body)
				}
				still(t, r)
			}
			_, _ = answered(t, url, cancelling("8"), sessionHeader, session)
			still(t, r)
			_, _ = answered(t, url, cancelling(id), sessionHeader, session)
			if err := <-r.ended; reasonOf(err) != errorsv1.Reason_REASON_CANCELLED {
				t.Errorf("ended by %v", err)
			}
			if said := <-answer; !strings.Contains(said, "CANCELLED: the client cancelled the call") || !strings.Contains(said, `"isError":true`) {
				t.Errorf("%s", said)
			}
		})
	}
}

// TestLeaving: who leaves ends the call, in every protocol: there is no coming back for the answer.
func TestLeaving(t *testing.T) {
	t.Parallel()
	for name, headers := range map[string][]string{"old": {}, "old with session": {sessionHeader, "S"}, "new": {"Mcp-Protocol-Version", newest, "Mcp-Method", "tools/call", "Mcp-Name", "chat"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := waiting()
			ctx, leave := context.WithCancel(t.Context())
			body := withID("1")
			if name == "new" {
				body = strings.Replace(body, `"params":{`, `"params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}},`, 1)
			}
			answer := begun(t, ctx, r, serve(t, options(r)), body, headers...)
			leave()
			if err := <-r.ended; !errors.Is(err, context.Canceled) {
				t.Errorf("ended by %v", err)
			}
			if said := <-answer; said != "left" {
				t.Errorf("%s", said)
			}
		})
	}
}

// TestDrain: a gateway that stops says so in the result.
func TestDrain(t *testing.T) {
	t.Parallel()
	r := waiting()
	stop := make(chan struct{})
	url := serveAs(t, options(r), func(r *http.Request) context.Context {
		ctx, cancel := context.WithCancelCause(r.Context())
		go func() {
			<-stop
			cancel(fault.New(errorsv1.Reason_REASON_OVERLOADED, "Headgate is stopping"))
		}()
		return ctx
	})
	answer := begun(t, t.Context(), r, url, withID("1"))
	close(stop)
	if said := <-answer; !strings.Contains(said, "OVERLOADED: Headgate is stopping") {
		t.Errorf("%s", said)
	}
}

// TestCallsAreForgotten: nothing stays behind, and a second call of the same id doesn't take the first one's place.
func TestCallsAreForgotten(t *testing.T) {
	t.Parallel()
	c, whose := newCalls(), origin{key: "k", session: "s"}
	first, endFirst := c.begin(t.Context(), whose, "1")
	second, endSecond := c.begin(t.Context(), whose, "1")
	endSecond()
	if second.Err() == nil || len(c.open) != 1 {
		t.Errorf("%v, %d open", second.Err(), len(c.open))
	}
	c.cancel(whose, "1")
	if reasonOf(context.Cause(first)) != errorsv1.Reason_REASON_CANCELLED {
		t.Errorf("%v", context.Cause(first))
	}
	endFirst()
	if c.cancel(whose, "1"); len(c.open) != 0 {
		t.Errorf("%d open", len(c.open))
	}
}

// begun sends a call that waits and returns where its answer will come.
func begun(t *testing.T, ctx context.Context, r *router, url, body string, headers ...string) <-chan string { //nolint:revive // t comes first everywhere
	t.Helper()
	answer := make(chan string, 1)
	go func() {
		resp, err := post(t, ctx, url, body, headers...)
		if err != nil {
			answer <- "left"
			return
		}
		defer resp.Body.Close()
		data, err := event(bufio.NewReader(resp.Body))
		if err != nil {
			data = "left"
		}
		answer <- data
	}()
	<-r.begun
	return answer
}

// still fails where a call has ended.
func still(t *testing.T, r *router) {
	t.Helper()
	select {
	case err := <-r.ended:
		t.Fatalf("the call ended: %v", err)
	default:
	}
}

func reasonOf(err error) errorsv1.Reason {
	var f *fault.Error
	if errors.As(err, &f) {
		return f.Reason
	}
	return errorsv1.Reason_REASON_UNSPECIFIED
}
