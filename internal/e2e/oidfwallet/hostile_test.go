package oidfwallet_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/internal/fetch"
	"github.com/tegata-id/tegata/wallet/holder"
)

// The paths of metadata.
const (
	issuerMetadata = "/.well-known/openid-credential-issuer" + alias
	serverMetadata = "/.well-known/oauth-authorization-server/test/a/tegata"
)

// hostile is what a server can do to whoever asks it. cancel ends the wait of the
// wallet.
var hostile = map[string]func(cancel context.CancelFunc) http.HandlerFunc{
	"huge": func(context.CancelFunc) http.HandlerFunc {
		return says("application/json", `{"a":"`+strings.Repeat("a", 4<<20)+`"}`)
	},
	"slow": func(cancel context.CancelFunc) http.HandlerFunc {
		return func(rw http.ResponseWriter, r *http.Request) {
			rw.Header().Set("Content-Type", "application/json")
			rw.WriteHeader(http.StatusOK)
			_, _ = rw.Write([]byte("{"))
			_ = http.NewResponseController(rw).Flush()
			cancel()
			<-r.Context().Done()
		}
	},
	"truncated":    func(context.CancelFunc) http.HandlerFunc { return says("application/json", `{"a":`) },
	"no object":    func(context.CancelFunc) http.HandlerFunc { return says("application/json", `[{}]`) },
	"empty object": func(context.CancelFunc) http.HandlerFunc { return says("application/json", `{}`) },
	"nothing":      func(context.CancelFunc) http.HandlerFunc { return says("application/json", ``) },
	"deep": func(context.CancelFunc) http.HandlerFunc {
		return says("application/json", strings.Repeat(`{"a":`, 100000))
	},
	"not UTF-8":      func(context.CancelFunc) http.HandlerFunc { return says("application/json", "{\"a\":\"\xff\"}") },
	"a page":         func(context.CancelFunc) http.HandlerFunc { return says("text/html", `<html></html>`) },
	"no type":        func(context.CancelFunc) http.HandlerFunc { return says("", `{}`) },
	"sent elsewhere": func(context.CancelFunc) http.HandlerFunc { return redirect(alias + "elsewhere") },
	"sent inside":    func(context.CancelFunc) http.HandlerFunc { return redirect("https://10.0.0.1/latest/meta-data") },
	"failure": func(context.CancelFunc) http.HandlerFunc {
		return func(rw http.ResponseWriter, _ *http.Request) {
			write(rw, 500, object{"error": strings.Repeat("\x00", 100)})
		}
	},
	"hangs up": func(context.CancelFunc) http.HandlerFunc {
		return func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	},
}

func says(kind, body string) http.HandlerFunc {
	return func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header()["Content-Type"] = []string{kind}
		_, _ = rw.Write([]byte(body))
	}
}

func redirect(to string) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) { http.Redirect(rw, r, to, http.StatusTemporaryRedirect) }
}

// TestNegHostileIssuer has every endpoint of an issuer do its worst: the wallet
// ends with an error, holds nothing and goes nowhere that it is sent.
func TestNegHostileIssuer(t *testing.T) {
	t.Parallel()
	v := variant{deferred: true, byReference: true, details: true, proof: "jwt"}
	for _, endpoint := range []string{"offer", issuerMetadata, serverMetadata, "challenge", "par", "token", "nonce", "credential", "deferred"} {
		for name, attack := range hostile {
			t.Run(strings.Trim(endpoint, "/")+"/"+name, func(t *testing.T) {
				t.Parallel()
				s := newIssuer(t, v)
				s.challenges = true
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				s.answer[endpoint] = attack(cancel)
				w := s.newWallet(fetch.Options{})
				held, err := w.AcceptOffer(ctx, s.link(), browser{s.peer})
				all, listErr := w.Vault.List(t.Context())
				if err == nil || len(held)+len(all) > 0 || listErr != nil {
					t.Errorf("%d credentials, %d in the vault, %v, %v", len(held), len(all), err, listErr)
				}
				if s.called("GET "+strings.TrimPrefix(endpoint, alias))+s.called("POST "+endpoint) == 0 {
					t.Error("the wallet never came there")
				}
				if s.called("GET elsewhere")+s.called("POST elsewhere") > 0 {
					t.Error("the wallet followed a redirect")
				}
			})
		}
	}
	t.Run("honest", func(t *testing.T) {
		t.Parallel()
		s := newIssuer(t, v)
		s.challenges = true
		s.accepted()
	})
	// What has been issued is held, whatever becomes of the notification.
	for name, attack := range hostile {
		t.Run("notification/"+name, func(t *testing.T) {
			t.Parallel()
			s := newIssuer(t, v)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			s.answer["notification"] = attack(cancel)
			held, err := s.newWallet(fetch.Options{}).AcceptOffer(ctx, s.link(), browser{s.peer})
			if err != nil || len(held) != 3 || s.called("POST notification") == 0 {
				t.Errorf("%d credentials, %v", len(held), err)
			}
		})
	}
}

// TestNegDeferredForever has an issuer that never issues.
func TestNegDeferredForever(t *testing.T) {
	t.Parallel()
	s := newIssuer(t, variant{deferred: true, proof: "jwt"})
	s.answer["deferred"] = func(rw http.ResponseWriter, _ *http.Request) {
		write(rw, 202, object{"transaction_id": "the-transaction", "interval": 1e300})
	}
	if held, _, err := s.offered(); !errors.Is(err, holder.ErrDeferred) || held != nil {
		t.Errorf("%d credentials, %v", len(held), err)
	}
	newIssuer(t, variant{deferred: true, proof: "jwt"}).accepted()
}

// TestNegLinks has links that lead to nothing.
func TestNegLinks(t *testing.T) {
	t.Parallel()
	s := newIssuer(t, variant{proof: "jwt"})
	w := s.newWallet(fetch.Options{})
	w.IssuerTrust[credentials.FormatMdoc] = nil
	at := url.QueryEscape(s.id + "offer")
	for name, link := range map[string]string{
		"VCI-OFF-01 both":          s.link() + "&credential_offer_uri=" + at,
		"VCI-OFF-01 neither":       "haip-vci://?a=b",
		"VCI-OFF-01 twice":         "haip-vci://?credential_offer_uri=" + at + "&credential_offer_uri=" + at,
		"scheme of something else": "openid4vp://?credential_offer_uri=" + at,
		"by http":                  "haip-vci://?credential_offer_uri=http%3A%2F%2F127.0.0.1%2Foffer",
		"inside":                   "haip-vci://?credential_offer_uri=" + url.QueryEscape(private),
		"metadata of the cloud":    "haip-vci://?credential_offer_uri=" + url.QueryEscape("https://169.254.169.254/latest"),
		"too long":                 "haip-vci://?credential_offer=" + strings.Repeat("a", 1<<20),
		"no JSON":                  "haip-vci://?credential_offer=%7B",
		"malformed query":          "haip-vci://?credential_offer_uri=" + at + ";a=%zz",
	} {
		if _, err := w.ReadOffer(t.Context(), link); err == nil {
			t.Errorf("%s: the wallet takes it", name)
		}
	}
	if len(s.calls) > 0 {
		t.Errorf("the wallet asked for %v", s.calls)
	}
	if _, err := w.ReadOffer(t.Context(), "haip-vci://?credential_offer_uri="+at); err != nil {
		t.Errorf("honest twin: %v", err)
	}
}
