package redis

import (
	"context"
	"errors"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// CheckURL reports whether a URL can be read.
func CheckURL(url string, cluster bool) (err error) {
	if cluster {
		_, err = goredis.ParseClusterURL(url)
	} else {
		_, err = goredis.ParseURL(url)
	}
	return err
}

// connect makes a client that never waits longer than it is told: by default go-redis ignores the caller's deadline,
// repeats what failed, and dials five times.
func (s *Store) connect(o Options) (goredis.UniversalClient, error) {
	if o.Cluster {
		c, err := goredis.ParseClusterURL(o.URL)
		if err != nil {
			return nil, errAddress
		}
		c.ContextTimeoutEnabled, c.MaxRetries, c.MaxRedirects, c.DialerRetries = true, -1, 2, 1
		c.DialTimeout, c.ReadTimeout, c.WriteTimeout, c.PoolTimeout = o.Timeout, o.Timeout, o.Timeout, o.Timeout
		c.PoolSize, c.MaxActiveConns, c.DisableIdentity = o.Pool, o.Pool, true
		c.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
		return goredis.NewClusterClient(c), nil
	}
	c, err := goredis.ParseURL(o.URL)
	if err != nil {
		return nil, errAddress
	}
	c.ContextTimeoutEnabled, c.MaxRetries, c.DialerRetries = true, -1, 1
	c.DialTimeout, c.ReadTimeout, c.WriteTimeout, c.PoolTimeout = o.Timeout, o.Timeout, o.Timeout, o.Timeout
	c.PoolSize, c.MaxActiveConns, c.DisableIdentity = o.Pool, o.Pool, true
	c.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	c.OnConnect = s.meet
	return goredis.NewClient(c), nil
}

// errAddress doesn't say what the address is: there may be a password in it.
var errAddress = errors.New("the Redis's URL can't be read")

// nodeTTL is how long a server is remembered without a new connection to it.
const nodeTTL = 30 * 24 * time.Hour

// meetScript withdraws everything where the server isn't the one that was met before.
const meetScript = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  redis.call('DEL', KEYS[2])
  redis.call('HSET', KEYS[2], '*', ARGV[2])
  redis.call('EXPIRE', KEYS[2], ARGV[3])
end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[4])
return 1`

// meet looks, on every new connection, whether the server is still the same process. One that was restarted, or took over
// from another, may have lost withdrawals and kept answers: it starts with an empty cache. A server that doesn't tell
// who it is is trusted.
func (s *Store) meet(ctx context.Context, conn *goredis.Conn) error {
	info, err := conn.Info(ctx, "server").Result()
	var refused goredis.Error
	if err != nil && !errors.As(err, &refused) {
		return err
	}
	id := runID(info)
	if id == "" {
		return nil
	}
	return conn.Eval(ctx, meetScript, []string{nodeKey, allKey}, id, fresh(), int(withdrawalTTL.Seconds()), int(nodeTTL.Seconds())).Err()
}

func runID(info string) string {
	for line := range strings.Lines(info) {
		if id, ok := strings.CutPrefix(strings.TrimSpace(line), "run_id:"); ok {
			return id
		}
	}
	return ""
}
