package httpd_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/trust/trusttest"
	"github.com/tegata-id/tegata/internal/httpd"
)

// TestNegClientCert reads the fields of RFC 9440 from those who may say them.
func TestNegClientCert(t *testing.T) {
	t.Parallel()
	ca, err := trusttest.NewCA(trusttest.CAOptions{NotBefore: time.Now().Add(-time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	key, err := ca.IssueTLS(trusttest.LeafOptions{})
	if err != nil {
		t.Fatal(err)
	}
	sequence := func(c *x509.Certificate) string { return ":" + base64.StdEncoding.EncodeToString(c.Raw) + ":" }
	own, authority := sequence(key.Leaf()), sequence(ca.Certificate)
	const proxy, other = "192.0.2.7:1234", "198.51.100.1:1234"
	for name, tc := range map[string]struct {
		from       string
		own, chain []string
		want       int // certificates; -1 if refused
	}{
		"nothing":                  {proxy, nil, nil, 0},
		"nothing from anybody":     {other, nil, nil, 0},
		"honest twin":              {proxy, []string{own}, nil, 1},
		"with a chain":             {proxy, []string{own}, []string{authority}, 2},
		"with a chain in pieces":   {proxy, []string{own}, []string{authority + ", " + authority, authority}, 4},
		"of somebody else":         {other, []string{own}, nil, -1},
		"of nobody":                {"", []string{own}, nil, -1},
		"chain of somebody else":   {other, nil, []string{authority}, -1},
		"chain alone":              {proxy, nil, []string{authority}, -1},
		"two":                      {proxy, []string{own, own}, nil, -1},
		"two in one":               {proxy, []string{own + ", " + own}, nil, -1},
		"with parameters":          {proxy, []string{own + ";a=1"}, nil, -1},
		"without colons":           {proxy, []string{strings.Trim(own, ":")}, nil, -1},
		"one colon":                {proxy, []string{":"}, nil, -1},
		"empty":                    {proxy, []string{""}, nil, -1},
		"empty sequence":           {proxy, []string{"::"}, nil, -1},
		"PEM":                      {proxy, []string{"-----BEGIN CERTIFICATE-----"}, nil, -1},
		"no base64":                {proxy, []string{":" + strings.Repeat("*", 40) + ":"}, nil, -1},
		"cut off":                  {proxy, []string{own[:40] + ":"}, nil, -1},
		"chain that is too long":   {proxy, []string{own}, []string{strings.Repeat(authority+",", 6) + authority}, -1},
		"chain of something else":  {proxy, []string{own}, []string{"a"}, -1},
		"chain with an empty item": {proxy, []string{own}, []string{authority + ","}, -1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			options := httpd.Options{
				Origin: "https://verifier.example", Now: time.Now, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, ClientCertHeader: true,
			}
			ask := func() ([]*x509.Certificate, error) {
				s, err := httpd.New(options)
				if err != nil {
					t.Fatal(err)
				}
				r := httptest.NewRequest(http.MethodGet, "/", nil)
				r.RemoteAddr, r.Header["Client-Cert"], r.Header["Client-Cert-Chain"] = tc.from, tc.own, tc.chain
				// What TLS says is about the proxy.
				r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{ca.Certificate}}
				return s.ClientCertificates(r)
			}
			got, err := ask()
			if tc.want < 0 {
				if !errors.Is(err, httpd.ErrClientCert) || got != nil {
					t.Errorf("got %d certificates, %v", len(got), err)
				}
			} else if err != nil || len(got) != tc.want || len(got) > 0 && !got[0].Equal(key.Leaf()) {
				t.Errorf("got %d certificates, %v", len(got), err)
			}
			// Where the fields are not believed, they are nothing.
			options.ClientCertHeader = false
			if got, err := ask(); err != nil || len(got) != 1 || !got[0].Equal(ca.Certificate) {
				t.Errorf("without the option: %d certificates, %v", len(got), err)
			}
		})
	}
}
