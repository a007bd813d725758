package redis

import (
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// SetTime stops the clock of the scripts at t.
func (s *Store) SetTime(t time.Time) {
	s.scripts = newScripts(fmt.Sprintf("{%d, %d}", t.Unix(), t.Nanosecond()/1000))
}

// Client is the store's own.
func (s *Store) Client() redis.UniversalClient { return s.client }
