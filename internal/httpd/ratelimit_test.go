package httpd_test

import (
	"encoding/binary"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/tegata-id/tegata/internal/httpd"
)

// TestRateLimiter asks too often, and then waits for as long as it is told.
func TestRateLimiter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	l := httpd.NewRateLimiter(2, 5, func() time.Time { return now })
	a, b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	burst := func(addr netip.Addr) (n int, wait time.Duration) {
		for ; n < 100; n++ {
			var ok bool
			if wait, ok = l.Allow(addr); !ok {
				return n, wait
			}
		}
		return n, 0
	}
	n, wait := burst(a)
	if n != 5 || wait != 500*time.Millisecond {
		t.Errorf("%d at once, then wait for %v; want 5 and 500ms", n, wait)
	}
	if n, _ := burst(b); n != 5 {
		t.Errorf("another address: %d", n)
	}
	now = now.Add(wait)
	if n, _ := burst(a); n != 1 {
		t.Errorf("%d after the wait, want 1", n)
	}
	now = now.Add(time.Hour)
	if n, _ := burst(a); n != 5 {
		t.Errorf("%d after an hour, want 5", n)
	}
	// One holder of an IPv6 network has all addresses in it.
	here, there := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8:0:0:ffff::2")
	burst(here)
	if n, _ := burst(there); n != 0 {
		t.Errorf("%d from the same /64, want none", n)
	}
	if n, _ := burst(netip.MustParseAddr("2001:db8:0:1::1")); n != 5 {
		t.Errorf("%d from another /64", n)
	}
	for _, free := range []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback(), {}} {
		if n, _ := burst(free); n != 100 {
			t.Errorf("%v: %d", free, n)
		}
	}
}

// TestRateLimiterBounded comes from more addresses than are told apart: new ones
// share what one has, those that are known keep theirs, and all is well later.
func TestRateLimiterBounded(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	l := httpd.NewRateLimiter(1, 2, func() time.Time { return now })
	address := func(n int) netip.Addr {
		var raw [4]byte
		binary.BigEndian.PutUint32(raw[:], 0x0a000000+uint32(n)) //nolint:gosec // small
		return netip.AddrFrom4(raw)
	}
	refused := 0
	for n := range 200_000 {
		if _, ok := l.Allow(address(n)); !ok {
			refused++
		}
	}
	if refused != 100_000-2 {
		t.Errorf("%d were refused", refused)
	}
	if _, ok := l.Allow(address(0)); !ok {
		t.Error("a client that is known is refused")
	}
	now = now.Add(time.Minute)
	if _, ok := l.Allow(address(200_001)); !ok {
		t.Error("a new client is refused after a minute")
	}
}

// TestLimitRate asks by HTTP, directly and through a proxy.
func TestLimitRate(t *testing.T) {
	t.Parallel()
	now := func() time.Time { return time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC) }
	for name, tc := range map[string]struct {
		limited   bool
		forwarded string // by the proxy 198.51.100.1
		status    int
	}{
		"honest twin: no limiter":                {false, "", http.StatusNoContent},
		"too often":                              {true, "", http.StatusTooManyRequests},
		"too often behind a proxy":               {true, "192.0.2.9", http.StatusTooManyRequests},
		"honest twin: another client of a proxy": {true, "192.0.2.10", http.StatusNoContent},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := httpd.Options{Origin: "https://issuer.example", Now: now, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}}
			if tc.limited {
				o.Limiter = httpd.NewRateLimiter(1, 1, now)
			}
			server, err := httpd.New(o)
			if err != nil {
				t.Fatal(err)
			}
			server.Echo().POST("/par", func(c echo.Context) error { return c.NoContent(http.StatusNoContent) }, server.LimitRate())
			ask := func(forwarded string) *http.Response {
				r := httptest.NewRequest(http.MethodPost, "https://issuer.example/par", nil)
				if r.RemoteAddr = "192.0.2.1:1"; forwarded != "" {
					r.RemoteAddr = "198.51.100.1:1"
					r.Header.Set("X-Forwarded-For", forwarded)
				}
				w := httptest.NewRecorder()
				server.Handler().ServeHTTP(w, r)
				return w.Result()
			}
			before := tc.forwarded
			if before != "" {
				before = "192.0.2.9"
			}
			ask(before)
			response := ask(tc.forwarded)
			if response.StatusCode != tc.status {
				t.Errorf("%d, want %d", response.StatusCode, tc.status)
			}
			if after := response.Header.Get("Retry-After"); (after == "1") != (tc.status == http.StatusTooManyRequests) {
				t.Errorf("Retry-After: %q", after)
			}
		})
	}
}
