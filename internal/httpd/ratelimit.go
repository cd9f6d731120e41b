package httpd

import (
	"cmp"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
)

// The limits of a [RateLimiter] that sets none itself: so many that the people
// behind one address of a mobile network don't meet them.
const (
	DefaultRatePerSecond = 20
	DefaultRateBurst     = 300
)

// maxLimited is how many clients a [RateLimiter] tells apart. Beyond that, new
// ones share what one has.
const maxLimited = 100_000

// RateLimiter limits how many requests a client may make that cost something and
// need no authentication. A client is an IPv4 address or an IPv6 /64; addresses
// of this machine are not limited. Nothing of them is logged. It is safe for
// concurrent use.
type RateLimiter struct {
	now      func() time.Time
	interval time.Duration
	slack    time.Duration

	mu sync.Mutex
	// paid is until when each client has used up its rate.
	paid  map[netip.Prefix]time.Time
	swept time.Time
}

// NewRateLimiter returns a limiter that allows so many requests per second, and
// burst of them at once; zero means the default of each.
func NewRateLimiter(perSecond float64, burst int, now func() time.Time) *RateLimiter {
	perSecond, burst = cmp.Or(perSecond, DefaultRatePerSecond), cmp.Or(burst, DefaultRateBurst)
	interval := time.Duration(float64(time.Second) / perSecond)
	return &RateLimiter{now: now, interval: interval, slack: time.Duration(burst-1) * interval, paid: map[netip.Prefix]time.Time{}}
}

// Allow counts a request of an address. If it is one too many, it returns how long
// to wait.
func (l *RateLimiter) Allow(addr netip.Addr) (wait time.Duration, ok bool) {
	client := networkOf(addr)
	if !client.IsValid() || addr.IsLoopback() {
		return 0, true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	until, known := l.paid[client]
	if !known && len(l.paid) >= maxLimited && !l.sweep(now) {
		client = netip.Prefix{}
		until = l.paid[client]
	}
	if until.Before(now) {
		until = now
	}
	if wait = until.Sub(now) - l.slack; wait > 0 {
		return wait, false
	}
	l.paid[client] = until.Add(l.interval)
	return 0, true
}

// sweep forgets clients that have used up nothing, once a second at most, and
// reports whether there is room.
func (l *RateLimiter) sweep(now time.Time) bool {
	if since := now.Sub(l.swept); since >= 0 && since < time.Second {
		return false
	}
	l.swept = now
	for client, until := range l.paid {
		if !until.After(now) {
			delete(l.paid, client)
		}
	}
	return len(l.paid) < maxLimited
}

// LimitRate returns a middleware for routes that cost something and need no
// authentication: 429 for a client that asks too often. It does nothing in a
// server without a limiter.
func (s *Server) LimitRate() echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			if s.options.Limiter == nil {
				return next(c)
			}
			if wait, ok := s.options.Limiter.Allow(ClientAddress(c)); !ok {
				return &Error{
					Status: http.StatusTooManyRequests, Code: CodeTooManyRequests,
					Description: "too many requests from one address; try again later", RetryAfter: wait,
				}
			}
			return next(c)
		}
	}
}
