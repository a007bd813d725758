package adapter_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/services/router/internal/adapter"
	anthropicadapter "github.com/headgate-mesh/headgate/services/router/internal/adapter/anthropic"
	openaiadapter "github.com/headgate-mesh/headgate/services/router/internal/adapter/openai"
	"github.com/headgate-mesh/headgate/services/router/internal/credential"
	"github.com/headgate-mesh/headgate/services/router/internal/provider"
)

// vendor is a vendor's batch API, as far as it is asked: OpenAI's under /files and /batches, Anthropic's under
// /v1/messages/batches.
type vendor struct {
	t *testing.T

	mu sync.Mutex
	// seen are the requests in order, as "METHOD path key"; header and form those of the last one with a body.
	seen   []string
	header http.Header
	form   map[string]string
	// lines are those of the file or request that came last; batch what was posted to /batches.
	lines []json.RawMessage
	batch map[string]any
	// answers are given in place of the usual ones, by "METHOD path".
	answers map[string]http.HandlerFunc
}

func (v *vendor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	key := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ") + r.Header.Get("X-Api-Key")
	at := r.Method + " " + r.URL.Path
	v.mu.Lock()
	v.seen = append(v.seen, at+" "+key)
	answer := v.answers[at]
	v.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	switch {
	case answer != nil:
		answer(w, r)
	case at == "POST /files":
		v.file(r)
		_, _ = io.WriteString(w, `{"id":"file-1","object":"file"}`)
	case at == "POST /batches":
		v.mu.Lock()
		defer v.mu.Unlock()
		v.header = r.Header.Clone()
		if err := json.NewDecoder(r.Body).Decode(&v.batch); err != nil {
			v.t.Errorf("batch: %v", err)
		}
		_, _ = io.WriteString(w, `{"id":"batch_1","object":"batch","status":"validating"}`)
	case at == "POST /v1/messages/batches":
		v.requests(r)
		_, _ = io.WriteString(w, `{"id":"msgbatch_1","type":"message_batch","processing_status":"in_progress"}`)
	default:
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"error":{"message":"nothing here"}}`)
	}
}

// file reads an upload.
func (v *vendor) file(r *http.Request) {
	form, err := r.MultipartReader()
	if err != nil {
		v.t.Errorf("form: %v", err)
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.form, v.header, v.lines = map[string]string{}, r.Header.Clone(), nil
	for {
		part, err := form.NextPart()
		if err != nil {
			return
		}
		if part.FormName() != "file" {
			value, _ := io.ReadAll(part)
			v.form[part.FormName()] = string(value)
			continue
		}
		v.form["filename"] = part.FileName()
		scan := bufio.NewScanner(part)
		scan.Buffer(nil, 64<<20)
		for scan.Scan() {
			v.lines = append(v.lines, json.RawMessage(strings.Clone(scan.Text())))
		}
	}
}

func (v *vendor) requests(r *http.Request) {
	var body struct {
		Requests []json.RawMessage `json:"requests"`
	}
	err := json.NewDecoder(r.Body).Decode(&body)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.lines, v.header = body.Requests, r.Header.Clone()
	if err != nil {
		v.t.Errorf("requests: %v", err)
	}
}

func (v *vendor) answer(at string, h http.HandlerFunc) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.answers[at] = h
}

// says answers with a body.
func (v *vendor) says(at string, status int, body string) {
	v.answer(at, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	})
}

func (v *vendor) asked() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return append([]string{}, v.seen...)
}

var builders = map[string]func(adapter.Config) (*provider.Provider, error){
	"openai": openaiadapter.New, "anthropic": anthropicadapter.New,
}

// newVendor serves a vendor and returns it with a provider's batch API before it.
func newVendor(t *testing.T, kind string, keys ...string) (*vendor, provider.Batch) {
	t.Helper()
	v := &vendor{t: t, answers: map[string]http.HandlerFunc{}}
	if len(keys) == 0 {
		keys = []string{ownKey}
	}
	p, err := builders[kind](adapter.Config{
		Name: "p", BaseURLs: []string{serve(t, v.ServeHTTP).url}, Keys: credential.New(keys, nil), MarkSecret: []byte("secret"),
		Trust: llmv1.Sensitivity_SENSITIVITY_HIGH, Connect: time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return v, p.Batch()
}

// lines returns the lines of a job, the last one's end included.
func lines(bodies ...string) func() (*routerv1.JobLine, error) {
	n := 0
	return func() (*routerv1.JobLine, error) {
		if n == len(bodies) {
			return nil, io.EOF
		}
		n++
		return &routerv1.JobLine{Id: "job-" + strconv.Itoa(n), Body: []byte(bodies[n-1])}, nil
	}
}

func chatJob() *routerv1.JobDescription {
	return &routerv1.JobDescription{JobId: "job", Provider: "p", Operation: routerv1.Operation_OPERATION_CHAT}
}

// collect gathers results as "id outcome status body".
func collect(got *[]string) func(*routerv1.JobResult) error {
	return func(r *routerv1.JobResult) error {
		*got = append(*got, fmt.Sprintf("%s %d %d %s", r.GetId(), r.GetOutcome(), r.GetHttpStatus(), r.GetBody()))
		return nil
	}
}
