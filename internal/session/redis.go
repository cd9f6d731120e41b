package session

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Options say which Redis (6.2 or newer, or Valkey) to use and how.
type Options struct {
	// Addrs are host:port: one server; the seeds of a cluster; or the
	// Sentinels if MasterName is set. Several without MasterName mean a cluster.
	Addrs []string
	// MasterName makes Addrs Sentinels that know the master by this name.
	MasterName string
	// Cluster says that a single address is a cluster's.
	Cluster bool

	Username, Password                 string
	SentinelUsername, SentinelPassword string
	// TLS is nil for plain TCP.
	TLS *tls.Config
	// DB is the database number; a cluster has only 0.
	DB int
	// Prefix goes in front of every key, e.g. "tegata:".
	Prefix string
	// Timeout bounds every operation, waiting for a connection included; 800 ms
	// if zero, so that a 503 is out within a second.
	Timeout time.Duration
	// PoolSize is the most connections per server; 10 per CPU if zero.
	PoolSize int
}

const (
	defaultTimeout = 800 * time.Millisecond
)

// Redis is a Backend on a Redis server, Sentinel group or cluster. A value is
// one string: a header with format, version and expiry (see header), then the
// bytes. It is safe for concurrent use.
type Redis struct {
	client  redis.UniversalClient
	prefix  string
	timeout time.Duration
	now     func() time.Time
}

// NewRedis makes the client. It does not connect: see Ping and CheckEviction.
func NewRedis(o Options, now func() time.Time) (*Redis, error) {
	switch {
	case len(o.Addrs) == 0:
		return nil, errors.New("session: no Redis address")
	case o.MasterName != "" && o.Cluster:
		return nil, errors.New("session: Redis is either a cluster or behind Sentinels")
	case o.DB != 0 && o.MasterName == "" && (o.Cluster || len(o.Addrs) > 1):
		return nil, errors.New("session: a Redis cluster has no numbered databases")
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	// Dialing, one read and one write each get less than the whole.
	step := o.Timeout * 5 / 8
	client := redis.NewUniversalClient(&redis.UniversalOptions{
		// The cluster client appends to the slice it is given.
		Addrs: slices.Clip(slices.Clone(o.Addrs)), MasterName: o.MasterName, IsClusterMode: o.Cluster, DB: o.DB,
		Username: o.Username, Password: o.Password,
		SentinelUsername: o.SentinelUsername, SentinelPassword: o.SentinelPassword,
		TLSConfig:   o.TLS,
		DialTimeout: step, ReadTimeout: step, WriteTimeout: step, PoolTimeout: step,
		ContextTimeoutEnabled: true,
		PoolSize:              o.PoolSize,
		// An operation whose answer was lost may have happened, so the client
		// must not repeat it: a second Take finds nothing, a second Count counts.
		MaxRetries: -1, DialerRetries: 1,
		// Nothing here needs what the newer protocol and its greetings offer.
		Protocol: 2, DisableIdentity: true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
	return &Redis{client: client, prefix: o.Prefix, timeout: o.Timeout, now: now}, nil
}

// LogRedis sends what the Redis client library reports about its connections
// to logger. The library has one log for the whole process, so the program
// calls this once, before it makes any Redis; otherwise it goes to stderr.
func LogRedis(logger *slog.Logger) { redis.SetLogger(redisLog{logger}) }

type redisLog struct{ logger *slog.Logger }

// Printf implements the library's logger.
func (l redisLog) Printf(ctx context.Context, format string, args ...any) {
	l.logger.WarnContext(ctx, "redis client", slog.String("detail", fmt.Sprintf(format, args...)))
}

// Put implements Backend.
func (r *Redis) Put(ctx context.Context, key string, value []byte, expires time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	ms, ttl, err := r.lifetime(expires)
	if err != nil {
		return err
	}
	return mapError(ctx, r.client.Set(ctx, r.prefix+key, append(header(newVersion(), ms), value...), ttl).Err())
}

// Add implements Backend.
func (r *Redis) Add(ctx context.Context, key string, value []byte, expires time.Time) error {
	ms, ttl, err := r.lifetime(expires)
	if err != nil {
		return err
	}
	added, err := r.run(ctx, addScript, key, append(header(newVersion(), ms), value...), ttl.Milliseconds())
	if err == nil && added == 0 {
		return ErrExists
	}
	return err
}

// Get implements Backend.
func (r *Redis) Get(ctx context.Context, key string) ([]byte, uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	raw, err := r.client.Get(ctx, r.prefix+key).Bytes()
	if err != nil {
		return nil, 0, mapError(ctx, err)
	}
	return r.parse(raw)
}

// Swap implements Backend.
func (r *Redis) Swap(ctx context.Context, key string, version uint64, value []byte) error {
	done, err := r.run(ctx, swapScript, key, hexVersion(version), hexVersion(newVersion()), value)
	switch {
	case err != nil:
		return err
	case done == 0:
		return ErrNotFound
	case done < 0:
		return ErrConflict
	}
	return nil
}

// Take implements Backend.
func (r *Redis) Take(ctx context.Context, key string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	raw, err := r.client.GetDel(ctx, r.prefix+key).Bytes()
	if err != nil {
		return nil, mapError(ctx, err)
	}
	value, _, err := r.parse(raw)
	return value, err
}

// Count implements Backend.
func (r *Redis) Count(ctx context.Context, key string, expires time.Time) (int64, error) {
	ms, ttl, err := r.lifetime(expires)
	if err != nil {
		return 0, err
	}
	return r.run(ctx, countScript, key, header(0, ms), ttl.Milliseconds())
}

// Ping implements Backend.
func (r *Redis) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	return mapError(ctx, r.client.Ping(ctx).Err())
}

// Close implements Backend.
func (r *Redis) Close() error { return r.client.Close() }

// run runs a script on one key. Its arguments are the time, then args.
func (r *Redis) run(ctx context.Context, s *redis.Script, key string, args ...any) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	now := strconv.FormatInt(r.now().UnixMilli(), 10)
	n, err := s.Run(ctx, r.client, []string{r.prefix + key}, append([]any{now}, args...)...).Int64()
	return n, mapError(ctx, err)
}

// lifetime returns the expiry in Unix milliseconds and the TTL that cleans up.
func (r *Redis) lifetime(expires time.Time) (ms int64, ttl time.Duration, err error) {
	now := r.now()
	ms, err = expiryMillis(now, expires)
	if err != nil {
		return 0, 0, err
	}
	return ms, time.Duration(ms-now.UnixMilli())*time.Millisecond + cleanupSlack, nil
}

// A header is the digit 1 (format), the version in 16 hex digits and the
// expiry in Unix milliseconds in 14 decimal digits. Text of fixed width is what
// a script can read without losing digits; scripts.go counts the same columns.
const (
	headerFormat  = '1'
	headerVersion = 1
	headerExpiry  = 17
	headerLen     = 31
)

func header(version uint64, ms int64) []byte {
	return fmt.Appendf(nil, "%c%016x%014d", headerFormat, version, ms)
}

func hexVersion(v uint64) string { return fmt.Sprintf("%016x", v) }

// parse splits what was stored. An ended object is ErrNotFound, something that
// we did not write ErrSealed.
func (r *Redis) parse(raw []byte) (value []byte, version uint64, err error) {
	if len(raw) < headerLen || raw[0] != headerFormat {
		return nil, 0, ErrSealed
	}
	version, err = strconv.ParseUint(string(raw[headerVersion:headerExpiry]), 16, 64)
	if err != nil {
		return nil, 0, ErrSealed
	}
	ms, err := strconv.ParseInt(string(raw[headerExpiry:headerLen]), 10, 64)
	if err != nil {
		return nil, 0, ErrSealed
	}
	if ms <= r.now().UnixMilli() {
		return nil, 0, ErrNotFound
	}
	return raw[headerLen:], version, nil
}

// newVersion returns a version that was never used before: random, so that
// replicas need no common counter and a key stored anew starts nowhere near.
func newVersion() uint64 {
	var b [8]byte
	rand.Read(b[:]) // never fails
	return binary.BigEndian.Uint64(b[:])
}

// mapError keeps nil, turns a missing key into ErrNotFound and everything else
// into ErrUnavailable: whatever Redis has to say (READONLY, LOADING, OOM,
// NOAUTH, CLUSTERDOWN …), the operation did not certainly happen.
func mapError(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, redis.Nil):
		return ErrNotFound
	case ctx.Err() != nil && !errors.Is(err, ctx.Err()):
		return unavailable(fmt.Errorf("%w: %w", ctx.Err(), err))
	case errors.Is(err, os.ErrDeadlineExceeded):
		// A context's deadline is the connection's, which notices first.
		return unavailable(fmt.Errorf("%w: %w", context.DeadlineExceeded, err))
	}
	return unavailable(err)
}
