package tests

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/headgate-mesh/headgate/tests/mesh"
)

// TestSlowAndCutRequests: a client that dribbles its request gets 408 and no place of another's; one that breaks off
// disturbs nobody (promise K4).
func TestSlowAndCutRequests(t *testing.T) {
	t.Parallel()
	m := mesh.Start(t, mesh.Options{Extra: "gateway: {read_progress: 300ms}\n"})
	head := fmt.Sprintf("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 1000\r\n\r\n{\"model\":", mesh.Key)
	slow := rawConn(t, m, head)
	cut := rawConn(t, m, head)
	cut.Close()
	resp, err := http.ReadResponse(bufio.NewReader(slow), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusRequestTimeout || !strings.Contains(string(body), "REQUEST_TOO_SLOW") {
		t.Errorf("status %d: %s", resp.StatusCode, body)
	}
	halfHead := rawConn(t, m, "POST /v1/messages HTTP/1.1\r\nHost: x\r\n")
	if _, err := io.ReadAll(halfHead); err != nil {
		t.Errorf("half a head: %v", err)
	}
	large := rawConn(t, m, "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Large: "+strings.Repeat("x", 64<<10)+"\r\n\r\n")
	resp, err = http.ReadResponse(bufio.NewReader(large), nil)
	if err != nil || resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a head of 64 KiB: %v, %v", resp, err)
	}
	if status, got, err := post(m, "/v1/chat/completions", openAIBody("gpt-5", false)); status != http.StatusOK {
		t.Errorf("everybody else: %d, %v: %s", status, err, got)
	}
}

// rawConn opens a connection, writes, and gives up on it after ten seconds.
func rawConn(t *testing.T, m *mesh.Mesh, text string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", m.HTTP)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(conn, text)
	return conn
}
