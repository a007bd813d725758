package mcp

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
)

const ping = `{"jsonrpc":"2.0","id":1,"method":"ping"}`

// TestBodies: what isn't one message within the limits is refused before anything reads it.
func TestBodies(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, body string
		headers    []string
		status     int
		says       string
	}{
		{"a ping", ping, nil, 200, `"result":{}`},
		{"a ping after a line break", "\n" + ping, nil, 200, `"result":{}`},
		{"a batch, which the oldest protocol has", `[` + ping + `,{"jsonrpc":"2.0","id":2,"method":"ping"}]`, nil, 200, `"id":2`},
		{"a batch, which newer ones don't have", `[` + ping + `]`, []string{"Mcp-Protocol-Version", "2025-11-25"}, 400, "batching"},
		{"a notification", `{"jsonrpc":"2.0","method":"notifications/initialized"}`, nil, 202, ""},
		{"a cancellation of nothing", `{"jsonrpc":"2.0","method":"notifications/cancelled","params":[]}`, nil, 202, ""},
		{"a long batch", `[` + strings.Repeat(ping+`,`, maxBatch) + ping + `]`, nil, 413, "batch is longer"},
		{"empty", ``, nil, 400, `-32700`},
		{"no JSON", `{"canary`, nil, 400, `-32700`},
		{"two values", ping + ping, nil, 400, `-32700`},
		{"too deep", strings.Repeat("[", 200) + strings.Repeat("]", 200), nil, 400, "nested at most"},
		{"too large", `"` + strings.Repeat("x", 8<<10) + `"`, nil, 413, "larger than"},
		{"compressed", ping, []string{"Content-Encoding", "gzip"}, 415, "compressed"},
		{"another type", ping, []string{"Content-Type", "text/plain"}, 415, "application/json"},
		{"wants no events", ping, []string{"Accept", "application/json"}, 400, "text/event-stream"},
		{"a protocol that isn't", ping, []string{"Mcp-Protocol-Version", "1999-01-01"}, 400, "protocol version"},
		{"a session that isn't ours", ping, []string{sessionHeader, strings.Repeat("x", 200)}, 200, `"result":{}`},
	}
	o := options(&router{})
	o.Limits.MaxBody = 8 << 10
	url := serve(t, o)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			resp, body := answered(t, url, c.body, c.headers...)
			if resp.StatusCode != c.status || !strings.Contains(body, c.says) || strings.Contains(body, "canary") {
				t.Errorf("%d %s, want %d that says %q", resp.StatusCode, body, c.status, c.says)
			}
		})
	}
}

// TestOnlyWhatIsDeclared: the capabilities name what there is, and all else is no method.
func TestOnlyWhatIsDeclared(t *testing.T) {
	t.Parallel()
	session := connect(t, serve(t, options(&router{})), "2025-11-25", nil)
	is := session.InitializeResult()
	if is.ServerInfo.Name != "headgate" || is.ServerInfo.Version != "dev" || is.Instructions == "" {
		t.Errorf("%+v", is.ServerInfo)
	}
	if capabilities, _ := json.Marshal(is.Capabilities); !same(t, string(capabilities), `{"tools":{},"resources":{}}`) {
		t.Errorf("%s", capabilities)
	}
	url := serve(t, options(&router{}))
	for _, method := range notOffered {
		params := `{"name":"x","uri":"headgate://models","level":"info","ref":{"type":"ref/prompt","name":"x"},"argument":{"name":"x","value":""}}`
		_, body := answered(t, url, `{"jsonrpc":"2.0","id":1,"method":"`+method+`","params":`+params+`}`)
		if !strings.Contains(body, "-32601") {
			t.Errorf("%s: %s", method, body)
		}
	}
}

// TestResources are what the key may see, and what it has used in this month.
func TestResources(t *testing.T) {
	t.Parallel()
	r := &router{}
	session := connect(t, serve(t, options(r)), newest, nil)
	list, err := session.ListResources(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var uris []string
	for _, resource := range list.Resources {
		uris = append(uris, resource.URI)
	}
	if !slices.Equal(uris, []string{"headgate://models", "headgate://usage"}) {
		t.Errorf("%v", uris)
	}
	for uri, want := range map[string][2]string{
		"headgate://models": {`{}`, `"id":"m"`},
		"headgate://usage":  {`{"filter":{"start":"2026-11-01T00:00:00Z"},"groupBy":["GROUP_MODEL"],"limit":100}`, `"cost_usd":"0.01"`},
	} {
		result, err := session.ReadResource(t.Context(), &mcp.ReadResourceParams{URI: uri})
		if err != nil {
			t.Fatal(err)
		}
		if result.CacheScope != "private" || result.TTLMs != 0 {
			t.Errorf("%s may be kept: %+v", uri, result.Cacheable)
		}
		if asked, _ := protojson.Marshal(r.asked.(proto.Message)); !same(t, string(asked), want[0]) {
			t.Errorf("%s asks %s", uri, asked)
		}
		if c := result.Contents[0]; c.URI != uri || c.MIMEType != "application/json" || !strings.Contains(c.Text, want[1]) {
			t.Errorf("%s: %+v", uri, c)
		}
	}
	if _, err := session.ReadResource(t.Context(), &mcp.ReadResourceParams{URI: "headgate://nothing"}); err == nil {
		t.Error("a resource that isn't")
	}
}

// TestResourceFails: a resource's error is the protocol's, and its cause stays behind.
func TestResourceFails(t *testing.T) {
	t.Parallel()
	for reason, code := range map[errorsv1.Reason]int64{
		errorsv1.Reason_REASON_PERMISSION_DENIED: codeRefused, errorsv1.Reason_REASON_INTERNAL: jsonrpc.CodeInternalError,
	} {
		url := serve(t, options(&router{err: refusal(reason, "no")}))
		_, body := answered(t, url, `{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"headgate://models"}}`)
		data, _ := wholeEvent(body)
		var said struct{ Error jsonrpc.Error }
		if err := json.Unmarshal([]byte(data), &said); err != nil || said.Error.Code != code || said.Error.Message != "no" || strings.Contains(body, "10.0.0.1") {
			t.Errorf("%v %s", err, body)
		}
	}
}

// wholeEvent finds the data in a whole answer.
func wholeEvent(body string) (string, bool) {
	_, data, ok := strings.Cut(body, "data: ")
	return strings.TrimSpace(data), ok
}

// TestPanic: a defect in a tool is an error of its call, and no more.
func TestPanic(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	o := options(&router{panic: "secret-canary"})
	o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	url := serve(t, o)
	for range 2 {
		if _, body := answered(t, url, withID("1")); !strings.Contains(body, "-32603") || strings.Contains(body, "canary") {
			t.Errorf("%s", body)
		}
	}
	if !strings.Contains(log.String(), "request_id=req_1") || strings.Contains(log.String(), "canary") {
		t.Errorf("%s", log.String())
	}
}

// TestHeartbeat: a call that thinks long sends comments, which clients ignore.
func TestHeartbeat(t *testing.T) {
	t.Parallel()
	o := options(waiting())
	r := o.Services.Router.(*router)
	o.Limits.Heartbeat = 5 * time.Millisecond
	ctx, leave := context.WithCancel(t.Context())
	resp, err := post(t, ctx, serve(t, o), withID("1"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	beats := make([]byte, 2*len(heartbeat()))
	if _, err := io.ReadFull(resp.Body, beats); err != nil || string(beats) != ": ping\n\n: ping\n\n" {
		t.Errorf("%q %v", beats, err)
	}
	leave()
	<-r.ended
}

// TestHeartbeatIsIgnored by the official client.
func TestHeartbeatIsIgnored(t *testing.T) {
	t.Parallel()
	o := options(&router{})
	o.Limits.Heartbeat = time.Nanosecond
	session := connect(t, serve(t, o), newest, nil)
	for range 20 {
		if _, failure := use(t, session, "list_models", `{}`); failure != "" {
			t.Fatal(failure)
		}
	}
}

// TestGuard: over loopback only loopback's names and those the operator names; from pages only those that may.
func TestGuard(t *testing.T) {
	t.Parallel()
	access := Access{Origins: []string{"https://App.example/"}, Hosts: []string{"Gate.example"}}
	cases := []struct {
		name, host, origin string
		access             Access
		status             int
	}{
		{"an agent", "", "", Access{}, 200},
		{"localhost", "localhost:8080", "", Access{}, 200},
		{"IPv6", "[::1]:8080", "", Access{}, 200},
		{"IPv6 without a port", "[::1]", "", Access{}, 200},
		{"another loopback address", "127.1.2.3", "", Access{}, 200},
		{"a name that was rebound", "evil.example:8080", "", Access{}, 403},
		{"a name like localhost", "localhost.evil.example", "", Access{}, 403},
		{"a proxy's name", "gate.example", "", Access{}, 403},
		{"a proxy's name that is allowed", "gate.example:443", "", access, 200},
		{"a page on loopback", "", "http://localhost:3000", Access{}, 200},
		{"a page on loopback by address", "", "http://[::1]:3000", Access{}, 200},
		{"a page elsewhere", "", "https://evil.example", Access{}, 403},
		{"a page like loopback", "", "http://localhost.evil.example", Access{}, 403},
		{"a page without an origin", "", "null", Access{}, 403},
		{"a page of a file", "", "file://", Access{}, 403},
		{"a page that is allowed", "", "https://app.example", access, 200},
		{"a page that is allowed, over the proxy", "gate.example", "https://app.example", access, 200},
		{"a page on loopback, over the proxy", "gate.example", "http://localhost:3000", access, 403},
		{"an allowed page on another port", "", "https://app.example:8443", access, 403},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := options(&router{})
			o.Access = c.access
			var headers []string
			if c.host != "" {
				headers = append(headers, "Host", c.host)
			}
			if c.origin != "" {
				headers = append(headers, "Origin", c.origin)
			}
			resp, body := answered(t, serve(t, o), ping, headers...)
			if resp.StatusCode != c.status || strings.Contains(body, "evil") {
				t.Errorf("%d %s, want %d", resp.StatusCode, body, c.status)
			}
			allowed := ""
			if c.status == 200 {
				allowed = c.origin
			}
			if got := resp.Header.Get("Access-Control-Allow-Origin"); got != allowed {
				t.Errorf("allowed origin %q, want %q", got, allowed)
			}
		})
	}
}

// TestTwoOrigins: whichever counted, the other might be the page's.
func TestTwoOrigins(t *testing.T) {
	t.Parallel()
	r := &http.Request{Header: http.Header{"Origin": {"http://localhost", "http://evil.example"}}, Host: "localhost"}
	if newGuard(Access{}).welcome(r) {
		t.Error("welcome")
	}
}

// BenchmarkCall is one call of a tool without the services behind it.
func BenchmarkCall(b *testing.B) {
	h := New(options(&router{}))
	const call = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list_models","arguments":{}}}`
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequestWithContext(b.Context(), http.MethodPost, "/mcp", strings.NewReader(call))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Accept", "application/json, text/event-stream")
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Code != http.StatusOK {
			b.Fatal(w.Body)
		}
	}
}

func FuzzReadMessage(f *testing.F) {
	for _, s := range []string{ping, withID("1"), cancelling(`"a"`), `[]`, `{"id":null}`, `{"method":1}`, ` {"id":[]}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		m := readMessage(body)
		if len(m.call) > maxID || len(m.cancels) > maxID || m.call != "" && m.cancels != "" {
			t.Errorf("%+v", m)
		}
	})
}
