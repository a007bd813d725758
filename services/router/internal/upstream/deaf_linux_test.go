package upstream_test

import (
	"context"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/headgate-mesh/headgate/services/router/internal/upstream"
)

// deaf is an address that answers no attempt to connect: a listener whose queue is full.
func deaf(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	at, _ := name.(*syscall.SockaddrInet4)
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(at.Port))
	for range 8 {
		conn, err := (&net.Dialer{Timeout: 50 * time.Millisecond}).DialContext(t.Context(), "tcp", addr)
		if err != nil {
			return addr
		}
		t.Cleanup(func() { _ = conn.Close() })
	}
	t.Skip("the queue doesn't fill")
	return ""
}

// TestDeadlineWhileDialling: a deadline that came with the call isn't the connect timer, however near both are.
func TestDeadlineWhileDialling(t *testing.T) {
	t.Parallel()
	addr := deaf(t)
	for range 20 {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		_, err := send(ctx, t, clientWithin(t, "http://"+addr, time.Second), upstream.Request{Method: http.MethodGet, Path: "/"})
		cancel()
		if err == nil || err.Metadata["timer"] != "deadline" {
			t.Fatalf("got %v %v", err, err.Metadata)
		}
	}
	_, err := send(t.Context(), t, clientWithin(t, "http://"+addr, 30*time.Millisecond), upstream.Request{Method: http.MethodGet, Path: "/"})
	if err == nil || err.Metadata["timer"] != "connect" || err.Metadata["limit"] != "30ms" {
		t.Fatalf("got %v", err)
	}
}
