package tests

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/headgate-mesh/headgate/tests/mesh"
)

// providerErrors are the shapes in which providers say that something went wrong, each as it comes over the wire.
var providerErrors = map[string]struct {
	// status and body are the provider's; stream says that it answers 200 and fails within the stream.
	status int
	body   string
	stream bool
	// want is the status for the client, says a part of the message.
	want int
	says string
}{
	"openai":             {400, `{"error":{"message":"bad temperature","type":"invalid_request_error","param":"temperature","code":"decimal_above_max_value"}}`, false, 400, "bad temperature"},
	"anthropic":          {400, `{"type":"error","error":{"type":"invalid_request_error","message":"max_tokens: too large"},"request_id":"req_1"}`, false, 400, "max_tokens: too large"},
	"integer code":       {404, `{"error":{"message":"The model does not exist.","type":"NotFoundError","param":null,"code":404}}`, false, 404, "does not exist"},
	"flat":               {400, `{"object":"error","message":"context is 4096 tokens","type":"BadRequestError","param":null,"code":400}`, false, 400, "context is 4096 tokens"},
	"string":             {422, `{"error":"Input validation error: too long","error_type":"validation"}`, false, 422, "Input validation error"},
	"text":               {422, `Failed to deserialize the JSON body into the target type`, false, 422, "Failed to deserialize"},
	"detail":             {404, `{"detail":"Not Found"}`, false, 404, "Not Found"},
	"list":               {422, `[{"error":{"code":422,"message":"in a list","status":"INVALID_ARGUMENT"}}]`, false, 422, "in a list"},
	"page":               {413, `<html><head><title>413</title></head></html>`, false, 413, ""},
	"nothing":            {400, ``, false, 400, ""},
	"our key":            {401, ``, false, 502, "credential"},
	"our key, string":    {401, `{"error":"Unauthorized"}`, false, 502, "credential"},
	"in the stream":      {400, "data: {\"error\":{\"message\":\"too hot\",\"type\":\"BadRequestError\",\"param\":null,\"code\":400}}\n\ndata: [DONE]\n\n", true, 400, "too hot"},
	"in the stream, TGI": {422, "data: {\"error\":{\"message\":\"tokens must be fewer\",\"http_status_code\":422}}\n\ndata: [DONE]\n\n", true, 422, "tokens must be fewer"},
	"groq":               {400, "event: error\ndata: {\"error\":{\"message\":\"failed to call a function\",\"type\":\"invalid_request_error\",\"code\":\"tool_use_failed\",\"status_code\":400}}\n\n", true, 400, "failed to call"},
}

// misbehaving answers with the error that the model's name says.
func misbehaving() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body struct{ Model string }
		_ = json.NewDecoder(r.Body).Decode(&body)
		e, ok := providerErrors[strings.TrimPrefix(body.Model, "m-")]
		switch {
		case !ok:
			w.WriteHeader(http.StatusNotFound)
		case e.stream:
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, e.body)
		default:
			w.Header().Set("Content-Type", "application/json")
			if !json.Valid([]byte(e.body)) {
				w.Header().Set("Content-Type", "text/plain")
			}
			w.WriteHeader(e.status)
			_, _ = io.WriteString(w, e.body)
		}
	})
}

// TestProviderErrorShapes: whatever shape a provider's error has, every client gets it in its own dialect, under the
// right status, with the message, and is told not to repeat what no repetition helps.
func TestProviderErrorShapes(t *testing.T) {
	t.Parallel()
	m := mesh.Start(t, mesh.Options{Upstream: misbehaving()})
	for name, e := range providerErrors {
		for _, provider := range []string{"openai", "claude", "vllm", "tgi", "compatible"} {
			if e.stream && (provider == "claude" || provider == "openai") {
				continue // these vendors' streams have errors of their own shapes
			}
			for _, path := range []string{"/v1/chat/completions", "/v1/messages", "/api/v1/chat"} {
				t.Run(strings.Join([]string{name, provider, path}, "/"), func(t *testing.T) {
					t.Parallel()
					body := fmt.Sprintf(`{"model":%q,"max_tokens":9,"stream":%v,"messages":[{"role":"user","content":"x"}]}`, provider+"/m-"+name, e.stream)
					if path == "/api/v1/chat" {
						if e.stream {
							path += ":stream"
						}
						body = fmt.Sprintf(`{"model":%q,"prompt":{"messages":[{"role":"ROLE_USER","parts":[{"text":{"text":"x"}}]}]}}`, provider+"/m-"+name)
					}
					checkErrorShape(t, m, path, body, e.want, e.says)
				})
			}
		}
	}
}

func checkErrorShape(t *testing.T, m *mesh.Mesh, path, body string, want int, says string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, m.URL(path), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+mesh.Key)
	req.Header.Set("Anthropic-Version", "2023-06-01")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, _ := io.ReadAll(resp.Body)
	inStream := resp.StatusCode == http.StatusOK && strings.Contains(string(got), "error")
	if resp.StatusCode != want && !inStream {
		t.Errorf("status %d, want %d: %s", resp.StatusCode, want, tail(got))
	}
	if !strings.Contains(string(got), says) {
		t.Errorf("%q isn't in %s", says, tail(got))
	}
	checkDialectOfError(t, path, got)
}

// checkDialectOfError: the vendors' SDKs find what they look for.
func checkDialectOfError(t *testing.T, path string, got []byte) {
	t.Helper()
	if _, data, ok := strings.Cut(string(got), "data: "); ok {
		got = []byte(strings.SplitN(data, "\n", 2)[0])
	}
	var e struct {
		Type  string
		Error struct {
			Message, Type *string
			Code          any
		}
		Message *string
	}
	if err := json.Unmarshal(got, &e); err != nil {
		t.Fatalf("%v: %s", err, tail(got))
	}
	switch path {
	case "/v1/chat/completions":
		_, isText := e.Error.Code.(string)
		if e.Error.Message == nil || e.Error.Type == nil || (e.Error.Code != nil && !isText) {
			t.Errorf("no error of the OpenAI dialect: %s", tail(got))
		}
	case "/v1/messages":
		if e.Type != "error" || e.Error.Message == nil || e.Error.Type == nil {
			t.Errorf("no error of the Anthropic dialect: %s", tail(got))
		}
	default:
		if e.Message == nil && e.Error.Message == nil {
			t.Errorf("no status: %s", tail(got))
		}
	}
}
