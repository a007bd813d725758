package memory

import (
	"sync"
	"time"

	"github.com/headgate-mesh/headgate/services/cache/internal/store"
)

const (
	// maxUses is how often an entry in the main queue can be spared.
	maxUses = 3
	// smallShare is the part of the room that new entries get: a tenth, as in the paper.
	smallShare = 10
	// ghosts is how many keys are remembered of which the entry had to go, a power of two.
	ghosts = 4096
)

// shard is one S3-FIFO cache: new entries wait in the small queue; those that are asked for there move to the main one,
// others go, and are remembered for a while: if they come back they join the main queue at once. One lock is enough:
// what is done under it takes less than a microsecond.
type shard struct {
	mu          sync.Mutex
	entries     map[store.Key]*entry
	small, main queue
	room        int64
	evictions   int64
	// ghost is a table by fingerprint: a newer key overwrites an older one in its slot.
	ghost [ghosts]uint64
}

func newShard(room int64) *shard { return &shard{entries: make(map[store.Key]*entry), room: room} }

func (s *shard) get(k store.Key, present uint64, now time.Time) (store.Entry, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[k]
	if e == nil {
		return store.Entry{}, false
	}
	if !e.good(present, now) {
		// An older stamp is withdrawn. A newer one isn't: the caller's number is of a moment before.
		if e.stamp < present || !now.Before(e.expires) {
			s.remove(e)
		}
		return store.Entry{}, false
	}
	e.uses = min(e.uses+1, maxUses)
	return e.Entry, true
}

// put returns false where the entry has no room in the whole shard.
func (s *shard) put(e *entry) bool {
	cost := e.cost()
	if cost > s.room {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.entries[e.Key]; old != nil {
		s.remove(old)
	}
	for s.small.bytes+s.main.bytes+cost > s.room {
		s.evict()
	}
	s.entries[e.Key] = e
	if s.returns(e.Key) {
		s.main.push(e)
	} else {
		s.small.push(e)
	}
	return true
}

// returns reports whether the key had to go not long ago.
func (s *shard) returns(k store.Key) bool {
	p := fingerprint(k)
	slot := &s.ghost[p>>1&(ghosts-1)]
	if *slot != p {
		return false
	}
	*slot = 0
	return true
}

// evict makes room by one entry, or moves one.
func (s *shard) evict() {
	if s.small.bytes > s.room/smallShare || s.main.oldest() == nil {
		s.evictSmall()
		return
	}
	s.evictMain()
}

func (s *shard) evictSmall() {
	e := s.small.oldest()
	if e.uses > 1 {
		s.small.remove(e)
		e.uses = 0
		s.main.push(e)
		return
	}
	p := fingerprint(e.Key)
	s.ghost[p>>1&(ghosts-1)] = p
	s.evictions++
	s.remove(e)
}

// evictMain spares what was asked for; the loop ends, since each round takes a use away.
func (s *shard) evictMain() {
	for e := s.main.oldest(); ; e = s.main.oldest() {
		if e.uses == 0 {
			s.evictions++
			s.remove(e)
			return
		}
		e.uses--
		s.main.remove(e)
		s.main.push(e)
	}
}

func (s *shard) remove(e *entry) {
	delete(s.entries, e.Key)
	e.in.remove(e)
}

func (s *shard) sweep(old func(*entry) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.entries {
		if old(e) {
			s.remove(e)
		}
	}
}

func (s *shard) size(sum *store.Size) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sum.Entries += int64(len(s.entries))
	sum.Bytes += s.small.bytes + s.main.bytes
	sum.Evictions += s.evictions
}
