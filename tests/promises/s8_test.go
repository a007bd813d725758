package promises_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/tests/mesh"
)

// memoryPerStream is how much memory a stream may take whose client reads nothing (promise S8). The kernel's buffers for
// its two connections aren't counted: they are what the provider has sent, some 8 MiB where the system lets them grow as
// Linux does. So many streams at once, and it runs out of memory for all connections (net.ipv4.tcp_mem).
const memoryPerStream = 1 << 20

// TestS8: clients that read nothing hold their providers back instead of filling memory, however much those want to say,
// and no timer blames the provider for it; what they read later is whole.
func TestS8(t *testing.T) {
	const piece, pieces = 16 << 10, 1200 // 19 MiB a stream: more than the kernel's buffers take
	n, gap := size(12, 60), size(1500*time.Millisecond, 10*time.Second)
	b := &backlog{tally: promise(t, "S8", "clients that read nothing"), text: strings.Repeat("x", piece), pieces: pieces}
	m := start(t, mesh.Options{Upstream: newUpstream(b.play), Extra: fmt.Sprintf("timeouts: {gap: %s}\n", gap)})
	conn := dial(t, m)
	slow := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, ReadBufferSize: 4 << 10, DialContext: smallBuffers}}
	open := func(round int) io.ReadCloser {
		dialect := []string{"openai", "anthropic", "typed"}[round%3]
		if dialect == "typed" {
			ctx, cancel := context.WithCancel(withKey(t.Context()))
			in, err := routerv1.NewRouterServiceClient(conn).StreamChat(ctx, &routerv1.StreamChatRequest{Model: "openai/m", Prompt: prompt(label(round))})
			if err != nil {
				t.Fatal(err)
			}
			return &typedReader{recv: in.Recv, cancel: cancel}
		}
		path, text := body(dialect, []string{"openai/m", "claude/m"}[round/3%2], round, false, false)
		resp, err := slow.Do(request(t.Context(), m, path, text))
		if err != nil {
			t.Fatal(err)
		}
		return resp.Body
	}
	b.drainAll([]io.ReadCloser{open(900_000), open(900_001), open(900_002)}) // warms up
	before := resident(t, m)
	var streams []io.ReadCloser
	for i := range n {
		streams = append(streams, open(i))
	}
	held := b.settled()
	each := (resident(t, m) - before) / int64(n)
	b.found("%d KiB of memory each; the provider has sent %d KiB each, of %d", each>>10, held/int64(n)>>10, piece*pieces>>10)
	if each > memoryPerStream {
		b.broken("%d KiB of memory for each stream, want %d", each>>10, memoryPerStream>>10)
	}
	if held > int64(n)*piece*pieces*3/4 {
		b.broken("the provider has sent %d MiB to clients that read nothing", held>>20)
	}
	<-time.After(gap + 500*time.Millisecond)
	b.drainAll(streams)
}

// smallBuffers dials with little room in the kernel.
func smallBuffers(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, addr)
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetReadBuffer(64 << 10)
	}
	return conn, err
}

// backlog is a provider with much to say.
type backlog struct {
	*tally

	text   string
	pieces int
	sent   atomic.Int64
}

func (b *backlog) play(v *voice, _, _ int) {
	for range b.pieces {
		if !v.say(b.text) {
			return
		}
		b.sent.Add(int64(len(b.text)))
	}
	v.end()
}

// settled waits until the providers stand still, and returns what they have sent since the last call.
func (b *backlog) settled() int64 {
	last := b.sent.Load()
	within(10*time.Second, func() bool {
		<-time.After(300 * time.Millisecond)
		now := b.sent.Load()
		still := now == last
		last = now
		return still
	})
	return b.sent.Swap(0)
}

// drainAll reads the streams to their ends, all at once, and sees that nothing is missing.
func (b *backlog) drainAll(streams []io.ReadCloser) {
	var wg sync.WaitGroup
	for i, s := range streams {
		wg.Go(func() {
			defer s.Close()
			b.kept()
			n, whole, err := count(s)
			if want := len(b.text) * b.pieces; err != nil || !whole || n != want {
				b.broken("stream %d: %d of %d bytes, whole %v: %v", i, n, want, whole, err)
			}
		})
	}
	wg.Wait()
	b.sent.Store(0)
}

// count reads a stream and counts its content, without keeping it.
func count(s io.Reader) (n int, whole bool, err error) {
	lines := bufio.NewReaderSize(s, 64<<10)
	for {
		line, err := lines.ReadString('\n')
		if strings.Contains(line, `"error"`) {
			return n, false, errors.New(line)
		}
		n += strings.Count(line, "xxxxxxxxxxxxxxxx") * 16
		whole = whole || strings.HasPrefix(line, "data: [DONE]") || strings.HasPrefix(line, "event: message_stop")
		if errors.Is(err, io.EOF) {
			return n, whole, nil
		}
		if err != nil {
			return n, whole, err
		}
	}
}

// typedReader reads a typed stream as lines.
type typedReader struct {
	recv   func() (*routerv1.StreamChatResponse, error)
	cancel context.CancelFunc
	line   []byte
}

// Read implements io.Reader.
func (r *typedReader) Read(p []byte) (int, error) {
	for len(r.line) == 0 {
		m, err := r.recv()
		if err != nil {
			return 0, err
		}
		r.line = []byte(m.GetEvent().GetPartDelta().GetText() + "\n")
		if m.GetEvent().GetFinish() != nil {
			r.line = []byte("data: [DONE]\n")
		}
	}
	n := copy(p, r.line)
	r.line = r.line[n:]
	return n, nil
}

// Close implements io.Closer.
func (r *typedReader) Close() error {
	r.cancel()
	return nil
}
