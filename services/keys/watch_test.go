package keys_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	keysv1 "github.com/headgate-mesh/headgate/gen/keys/v1"
	"github.com/headgate-mesh/headgate/kit/apikey"
	"github.com/headgate-mesh/headgate/kit/keyring"
)

// nodes are keyrings of other processes.
func (m *mesh) nodes(n int, client func() keysv1.KeyServiceClient) []*keyring.Keyring {
	rings := make([]*keyring.Keyring, n)
	for i := range rings {
		rings[i] = keyring.New(client(), apikey.NewHasher(secret()), keyring.Options{})
		m.run(rings[i].Run)
	}
	return rings
}

func TestWatchIsInternal(t *testing.T) {
	t.Parallel()
	m := newMesh(t, "", nil)
	stream, err := m.client.Watch(asAdmin(), &keysv1.WatchRequest{})
	if err == nil {
		_, err = stream.Recv()
	}
	refused(t, "an administrator's key alone", err, denied, "")
}

// TestNodesConverge: a thousand keys are made and half of them revoked while nodes join, and in the end every node
// accepts exactly what is valid.
func TestNodesConverge(t *testing.T) {
	t.Parallel()
	m := newMesh(t, t.TempDir(), nil)
	addr := m.listen()
	overTCP := func() keysv1.KeyServiceClient { return keysv1.NewKeyServiceClient(m.dial(addr)) }
	rings := m.nodes(2, m.watchers)
	const workers, each = 4, 250
	var mu sync.Mutex
	valid := make(map[string]bool)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for i := range each {
				secret, err := m.churn(i%2 == 1)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				valid[secret] = i%2 == 0
				mu.Unlock()
			}
		})
	}
	rings = append(rings, m.nodes(2, overTCP)...)
	wg.Wait()
	rings = append(rings, m.nodes(2, overTCP)...)
	for i, ring := range rings {
		for secret, ok := range valid {
			m.eventually(fmt.Sprintf("node %d agrees", i), func() bool {
				_, err := ring.Verify(t.Context(), secret)
				return ok == (err == nil)
			})
		}
		if ring.Len() != workers*each/2 {
			t.Errorf("node %d knows %d keys", i, ring.Len())
		}
	}
}

// churn makes a key, and perhaps revokes it at once.
func (m *mesh) churn(revoke bool) (secret string, err error) {
	made, err := m.client.CreateKey(asAdmin(), &keysv1.CreateKeyRequest{Name: "n"})
	if err != nil || !revoke {
		return made.GetSecret(), err
	}
	_, err = m.client.RevokeKey(asAdmin(), &keysv1.RevokeKeyRequest{Id: made.GetKey().GetId()})
	return made.GetSecret(), err
}

// TestRevokedWithinASecond is promise K1: from the moment RevokeKey returns, at every node.
func TestRevokedWithinASecond(t *testing.T) {
	t.Parallel()
	m := newMesh(t, t.TempDir(), nil)
	addr := m.listen()
	rings := append(m.nodes(2, m.watchers), m.nodes(2, func() keysv1.KeyServiceClient { return keysv1.NewKeyServiceClient(m.dial(addr)) })...)
	var longest time.Duration
	for range 50 {
		k, secret := m.create(asAdmin(), &keysv1.CreateKeyRequest{})
		for _, ring := range rings {
			m.eventually("a new key is known", func() bool { _, err := ring.Verify(t.Context(), secret); return err == nil })
		}
		if _, err := m.client.RevokeKey(asAdmin(), &keysv1.RevokeKeyRequest{Id: k.GetId()}); err != nil {
			t.Fatal(err)
		}
		returned := time.Now()
		for _, ring := range rings {
			m.eventually("a revoked key is refused", func() bool { _, err := ring.Verify(t.Context(), secret); return reason(err) == badKey })
		}
		longest = max(longest, time.Since(returned))
	}
	t.Logf("refused by all nodes %v after RevokeKey at the latest", longest)
	if longest > time.Second {
		t.Errorf("refused by all nodes after %v", longest)
	}
}

// TestStuckWatcherHoldsNobodyUp: a node that doesn't read its feed costs those who make keys nothing.
func TestStuckWatcherHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	m := newMesh(t, "", nil)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	stuck, err := m.watchers().Watch(ctx, &keysv1.WatchRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stuck.Recv(); err != nil { // the snapshot, and no more
		t.Fatal(err)
	}
	for range 3000 {
		if _, err := m.client.CreateKey(asAdmin(), &keysv1.CreateKeyRequest{Name: "n"}); err != nil {
			t.Fatal(err)
		}
	}
	for err == nil { // it reads again, and is told to start over
		_, err = stuck.Recv()
	}
	refused(t, "the stuck watcher", err, unavailable, "")
}

// TestDrain: a watch ends when it is told to, so that a server stops at once.
func TestDrain(t *testing.T) {
	t.Parallel()
	m := newMesh(t, "", nil)
	k, secret := m.create(asAdmin(), &keysv1.CreateKeyRequest{})
	open, err := m.watchers().Watch(t.Context(), &keysv1.WatchRequest{})
	if err == nil {
		_, err = open.Recv()
	}
	if err != nil {
		t.Fatal(err)
	}
	m.service.Drain()
	for err == nil {
		_, err = open.Recv()
	}
	if !errors.Is(err, io.EOF) {
		t.Errorf("an open watch ends with %v", err)
	}
	stream, err := m.watchers().Watch(t.Context(), &keysv1.WatchRequest{})
	if err == nil {
		_, err = stream.Recv()
	}
	refused(t, "watching a drained service", err, unavailable, "")
	if _, err := m.ring.Verify(t.Context(), secret); err != nil {
		t.Errorf("a node that lost its feed: %v", err)
	}
	if _, err := m.client.GetKey(asAdmin(), &keysv1.GetKeyRequest{Id: k.GetId()}); err != nil {
		t.Errorf("a call to a drained service: %v", err)
	}
}

// BenchmarkCreateKey is the whole call, with SQLite and a commit that survives a power cut.
func BenchmarkCreateKey(b *testing.B) {
	m := newMesh(b, b.TempDir(), nil)
	for b.Loop() {
		if _, err := m.client.CreateKey(asAdmin(), &keysv1.CreateKeyRequest{Name: "n"}); err != nil {
			b.Fatal(err)
		}
	}
}
