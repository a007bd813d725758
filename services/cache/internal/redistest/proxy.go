package redistest

import (
	"context"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Proxy stands between a client and a Redis, and does harm: it cuts connections, holds replies back and flips bits.
type Proxy struct {
	lis    net.Listener
	target string
	wg     sync.WaitGroup
	// Harm is how many pieces of a thousand get harmed; 0 is none.
	Harm atomic.Int64
	// Harmed counts them.
	Harmed atomic.Int64

	mu     sync.Mutex
	conns  map[net.Conn]bool
	closed bool
}

// NewProxy starts one before a server; the test ends it.
func NewProxy(t testing.TB, r *Server) *Proxy {
	t.Helper()
	lis, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{lis: lis, target: "127.0.0.1:" + r.port, conns: make(map[net.Conn]bool)}
	p.wg.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

// URL is where clients find it.
func (p *Proxy) URL() string { return "redis://" + p.lis.Addr().String() + "/0" }

func (p *Proxy) accept() {
	for seed := uint64(0); ; seed++ {
		client, err := p.lis.Accept()
		if err != nil {
			return
		}
		server, err := new(net.Dialer).DialContext(context.Background(), "tcp", p.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		if !p.keep(client, server) {
			return
		}
		p.wg.Go(func() { p.carry(server, client, chance(seed, 1)) })
		p.wg.Go(func() { p.carry(client, server, chance(seed, 2)) })
	}
}

func chance(a, b uint64) *rand.Rand { return rand.New(rand.NewPCG(a, b)) } //nolint:gosec // a test's dice

// keep notes connections to be closed; false where it is too late.
func (p *Proxy) keep(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		if p.closed {
			_ = c.Close()
		} else {
			p.conns[c] = true
		}
	}
	return !p.closed
}

func (p *Proxy) close() {
	_ = p.lis.Close()
	p.mu.Lock()
	p.closed = true
	for c := range p.conns {
		_ = c.Close()
	}
	p.mu.Unlock()
	p.wg.Wait()
}

// carry copies what comes until either side ends, or harm does.
func (p *Proxy) carry(to, from net.Conn, random *rand.Rand) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, 4<<10)
	for {
		n, err := from.Read(buf)
		if random.IntN(1000) < int(p.Harm.Load()) {
			p.Harmed.Add(1)
			if n = p.harm(buf[:n], random); n < 0 {
				return
			}
		}
		if _, werr := to.Write(buf[:n]); err != nil || werr != nil {
			return
		}
	}
}

// harm returns how much of the piece goes on, or -1 to cut the connection.
func (p *Proxy) harm(piece []byte, random *rand.Rand) int {
	switch random.IntN(4) {
	case 0:
		return -1
	case 1: // cut within the piece, as far as the other side can tell
		return random.IntN(len(piece) + 1)
	case 2:
		if len(piece) > 0 {
			piece[random.IntN(len(piece))] ^= 1 << random.IntN(8)
		}
	default:
		time.Sleep(time.Duration(random.IntN(60)) * time.Millisecond) //nolint:forbidigo // being slow is its business
	}
	return len(piece)
}
