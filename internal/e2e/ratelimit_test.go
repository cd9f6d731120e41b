package e2e_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/wallet/provider"
)

// TestNegRateLimit asks all three roles too often from one address behind a proxy.
// Somebody else behind the proxy is served.
func TestNegRateLimit(t *testing.T) {
	t.Parallel()
	d := deploy(t, deployOptions{configure: func(d *deployment) {
		d.cfg.TrustedProxies = []string{"127.0.0.0/8"}
		d.cfg.RateLimit = config.RateLimit{PerSecond: 0.1, Burst: 1}
	}})
	d.clock.stop()
	c := d.newClient(t)
	page := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	for name, ask := range map[string]func(from string) *answer{
		"pushed request": func(from string) *answer {
			header := c.headers(t, d.endpoint("/par"))
			header.Set("X-Forwarded-For", from)
			return c.push(t, c.parForm(), header)
		},
		"signer app": func(from string) *answer {
			return d.send(t, http.MethodPost, d.endpoint("/signing/AAAAAAAAAAAAAAAAAAAAAAAAAA"),
				http.Header{"Content-Type": {typeJSON}, "X-Forwarded-For": {from}}, []byte(`{"signed_data":"AAAA"}`))
		},
		"transaction": func(from string) *answer {
			header := page.Clone()
			header.Set("X-Forwarded-For", from)
			return d.send(t, http.MethodPost, d.box.Verifier+"/start", header, []byte(url.Values{"preset": {"x"}}.Encode()))
		},
		"registration": func(from string) *answer {
			return d.send(t, http.MethodPost, d.box.Provider+provider.PathInstances,
				http.Header{"Content-Type": {typeJSON}, "X-Forwarded-For": {from}}, []byte(`{}`))
		},
	} {
		first, second := "192.0.2.1", "192.0.2.2"
		ask(first) // whatever becomes of it, it counts
		if a := ask(first); a.status != http.StatusTooManyRequests || a.header.Get("Retry-After") == "" {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
		if a := ask(second); a.status == http.StatusTooManyRequests {
			t.Errorf("%s: another client is refused", name)
		}
		d.clock.advance(30_000_000_000) // both may ask again
	}
}
