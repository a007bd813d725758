package promises_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/headgate-mesh/headgate/tests/mesh"
)

// get fetches a page of the process's.
func get(ctx context.Context, url string, headers ...string) (status int, body []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, nil, err
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(resp.Body)
	return resp.StatusCode, body, err
}

var profiled = regexp.MustCompile(`goroutine profile: total (\d+)`)

// goroutines are those of a mesh in one process.
func goroutines(t *testing.T, m *mesh.Mesh) int {
	t.Helper()
	_, page, err := get(t.Context(), "http://"+m.Ops+"/debug/pprof/goroutine?debug=1")
	found := profiled.FindSubmatch(page)
	if err != nil || found == nil {
		t.Fatalf("no profile: %v %s", err, page[:min(len(page), 200)])
	}
	n, _ := strconv.Atoi(string(found[1]))
	return n
}

// resident is the memory that a mesh in one process has from the system, in bytes.
func resident(t *testing.T, m *mesh.Mesh) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", m.Process("all").Pid))
	if err != nil {
		t.Skip("the memory of a process is only told on Linux")
	}
	_, after, _ := strings.Cut(string(text), "VmRSS:")
	kib, err := strconv.ParseInt(strings.Fields(after)[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kib << 10
}

// row is a usage event as REST shows it.
type row struct {
	ID            string `json:"id"`
	RequestID     string `json:"request_id"`
	Attempt       int    `json:"attempt"`
	UpstreamModel string `json:"upstream_model"`
	Outcome       string `json:"outcome"`
	Estimated     bool   `json:"estimated"`
	Tokens        bill   `json:"tokens"`
	Cost          *int64 `json:"cost_pico_usd,string"`
	PriceVersion  string `json:"price_version"`
}

// bill is tokens by kind, as a row has them: the input holds what was cached, the output what was reasoning.
type bill struct {
	Input     int64 `json:"input_tokens,string"`
	Cached    int64 `json:"cached_input_tokens,string"`
	Written   int64 `json:"cache_write_tokens,string"`
	Output    int64 `json:"output_tokens,string"`
	Reasoning int64 `json:"reasoning_tokens,string"`
}

// rows are the ledger's, by request.
func rows(ctx context.Context, m *mesh.Mesh) (map[string][]row, error) {
	status, page, err := get(ctx, m.URL("/api/v1/usage/events"), "Authorization", "Bearer "+mesh.Key)
	if err != nil || status != http.StatusOK {
		return nil, errors.Join(err, fmt.Errorf("status %d: %s", status, page))
	}
	list := map[string][]row{}
	lines := bufio.NewScanner(bytes.NewReader(page))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		var l struct{ Result struct{ Event row } }
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil || l.Result.Event.ID == "" {
			return nil, fmt.Errorf("%w: %s", err, lines.Text())
		}
		list[l.Result.Event.RequestID] = append(list[l.Result.Event.RequestID], l.Result.Event)
	}
	return list, nil
}

// book compares the ledger with the attempts that reached the provider: one row each. Where none did there may be one.
func (y *tally) book(ctx context.Context, m *mesh.Mesh, attempts map[string]int) {
	y.t.Helper()
	wrong := map[string][]row{}
	within(size(8*time.Second, 20*time.Second), func() bool {
		list, err := rows(ctx, m)
		if err != nil {
			return false
		}
		clear(wrong)
		for id, n := range attempts {
			if got := len(list[id]); got != n && (n > 0 || got > 1) {
				wrong[id] = list[id]
			}
		}
		return len(wrong) == 0
	})
	for id, list := range wrong {
		y.broken("%s: %d attempts reached the provider, and the ledger has %+v", id, attempts[id], list)
	}
}
