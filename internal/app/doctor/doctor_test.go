package doctor_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/status"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
	"github.com/tegata-id/tegata/internal/app/check"
	"github.com/tegata-id/tegata/internal/app/doctor"
	"github.com/tegata-id/tegata/internal/app/report"
	"github.com/tegata-id/tegata/internal/app/sandbox"
)

const (
	issuerMetadata = "/.well-known/openid-credential-issuer"
	serverMetadata = "/.well-known/oauth-authorization-server"
	signerKeys     = "/.well-known/jwt-vc-issuer"
	requests       = "/requests/"
)

// replace replaces a text in an answer, which must have it.
func replace(from, to string) func(*testing.T, *world, *reply) {
	return func(t *testing.T, w *world, a *reply) {
		t.Helper()
		from, to := strings.ReplaceAll(from, "ISSUER", w.box.Issuer), strings.ReplaceAll(to, "ISSUER", w.box.Issuer)
		a.body = bytes.Replace(a.body, []byte(from), []byte(to), 1)
	}
}

func header(name, value string) func(*testing.T, *world, *reply) {
	return func(_ *testing.T, _ *world, a *reply) {
		a.header.Del(name)
		if value != "" {
			a.header.Set(name, value)
		}
	}
}

func answer(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

// drop removes a member of a JSON document.
func drop(name string) func(*testing.T, *world, *reply) {
	return func(t *testing.T, _ *world, a *reply) {
		t.Helper()
		var document map[string]json.RawMessage
		if err := json.Unmarshal(a.body, &document); err != nil {
			t.Error(err)
		}
		delete(document, name)
		a.body, _ = json.Marshal(document)
	}
}

// ca makes a CA that nobody knows.
func ca(t *testing.T, age time.Duration) *trusttest.CA {
	t.Helper()
	authority, err := trusttest.NewCA(trusttest.CAOptions{Name: "Unknown", NotBefore: time.Now().Add(-age)})
	if err != nil {
		t.Error(err)
	}
	return authority
}

func serverCertificate(issue func(t *testing.T, w *world) (*keys.Key, error)) func(*testing.T, *world, *tls.Config) {
	return func(t *testing.T, w *world, c *tls.Config) {
		t.Helper()
		key, err := issue(t, w)
		if err != nil {
			t.Error(err)
			return
		}
		c.Certificates = []tls.Certificate{key.TLSCertificate()}
	}
}

// selfSigned returns the key with a certificate that it signed itself.
func selfSigned(t *testing.T, key *keys.Key) *keys.Key {
	t.Helper()
	leaf := *key.Leaf()
	leaf.Issuer, leaf.RawIssuer, leaf.AuthorityKeyId = leaf.Subject, nil, nil
	raw, err := x509.CreateCertificate(nil, &leaf, &leaf, key.Signer.Public(), key.Signer)
	if err != nil {
		t.Error(err)
	}
	certificate, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Error(err)
	}
	return &keys.Key{Signer: key.Signer, Chain: []*x509.Certificate{certificate}}
}

// access issues a signer of request objects under another CA.
func access(edit func(t *testing.T, w *world, key *keys.Key, authority *trusttest.CA)) func(*testing.T, *world) *keys.Key {
	return func(t *testing.T, w *world) *keys.Key {
		t.Helper()
		authority := ca(t, 1000*time.Hour)
		key, err := authority.IssueVerifierAccess(trusttest.LeafOptions{})
		if err != nil {
			t.Error(err)
		}
		edit(t, w, key, authority)
		return key
	}
}

// statusList serves a status list signed by a key.
func statusList(key func(w *world, t *testing.T) *keys.Key, age time.Duration) func(t *testing.T, w *world) http.HandlerFunc {
	return func(t *testing.T, w *world) http.HandlerFunc {
		t.Helper()
		list, err := status.NewList(1000, 1)
		if err != nil {
			t.Fatal(err)
		}
		issued := time.Now().Add(-age)
		token, err := status.Sign(status.TokenOptions{
			URI: w.box.Issuer + "/status-lists/1", IssuedAt: issued, Expires: issued.Add(time.Hour), TTL: time.Minute,
		}, list, key(w, t))
		if err != nil {
			t.Fatal(err)
		}
		return answer(200, status.MediaType, token)
	}
}

// plant is a fault and where it has to be found.
type plant struct {
	fault
	list  func(t *testing.T, w *world) http.HandlerFunc
	level report.Level
	where string // part of it
	what  string
}

func faults() map[string]plant {
	f := func(fault fault, where, what string) plant {
		return plant{fault: fault, level: report.Fault, where: where, what: what}
	}
	onTLS := func(change func(*testing.T, *world, *tls.Config), what string) plant {
		return f(fault{tls: change}, "https://", what)
	}
	change := func(path string, c func(*testing.T, *world, *reply), what string) plant {
		return f(fault{path: path, change: c}, "", what)
	}
	serve := func(path string, h http.HandlerFunc, what string) plant {
		return f(fault{path: path, serve: h}, path, what)
	}
	object := func(key func(*testing.T, *world) *keys.Key, edit func(*jose.Header, map[string]any), what string) plant {
		return f(fault{path: requests, change: resigned(key, edit)}, "/requests", what)
	}
	claim := func(edit func(claims map[string]any), what string) plant {
		return object(nil, func(_ *jose.Header, claims map[string]any) { edit(claims) }, what)
	}
	plants := map[string]plant{
		"TLS certificate expired": onTLS(serverCertificate(func(t *testing.T, w *world) (*keys.Key, error) {
			return w.box.TLS.IssueTLS(trusttest.LeafOptions{DNSNames: []string{"127.0.0.1"}, Lifetime: time.Hour})
		}), "expired"),
		"TLS certificate for another host": onTLS(serverCertificate(func(t *testing.T, w *world) (*keys.Key, error) {
			return w.box.TLS.IssueTLS(trusttest.LeafOptions{DNSNames: []string{"other.example"}})
		}), "not for 127.0.0.1"),
		"TLS root unknown": onTLS(serverCertificate(func(t *testing.T, _ *world) (*keys.Key, error) {
			return ca(t, time.Hour).IssueTLS(trusttest.LeafOptions{})
		}), "trusted root"),
		"TLS certificate self-signed": onTLS(serverCertificate(func(t *testing.T, _ *world) (*keys.Key, error) {
			key, err := ca(t, time.Hour).IssueTLS(trusttest.LeafOptions{})
			return selfSigned(t, key), err
		}), "self-signed"),
		"TLS 1.1 alone": onTLS(func(_ *testing.T, _ *world, c *tls.Config) {
			c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
		}, "only TLS 1.1"),
		"TLS 1.1 as well": onTLS(func(_ *testing.T, _ *world, c *tls.Config) { c.MinVersion = tls.VersionTLS11 }, "TLS 1.1 is accepted"),

		"clock behind":                 change("/", header("Date", time.Now().Add(-5*time.Minute).UTC().Format(http.TimeFormat)), "clock"),
		"metadata missing":             serve(issuerMetadata, answer(404, "text/plain", "nothing"), "404"),
		"metadata as text":             change(issuerMetadata, header("Content-Type", "text/plain"), "content type"),
		"identifier with a slash":      change(issuerMetadata, replace(`"credential_issuer":"ISSUER"`, `"credential_issuer":"ISSUER/"`), "slash at the end"),
		"identifier with http":         change(issuerMetadata, replace(`"credential_issuer":"https:`, `"credential_issuer":"http:`), "is http"),
		"identifier of another":        change(issuerMetadata, replace(`"credential_issuer":"ISSUER"`, `"credential_issuer":"https://other.example"`), "is another"),
		"no identifier":                change(issuerMetadata, drop("credential_issuer"), "is missing"),
		"no credential endpoint":       change(issuerMetadata, drop("credential_endpoint"), "not valid"),
		"http endpoint":                change(issuerMetadata, replace(`"credential_endpoint":"https:`, `"credential_endpoint":"http:`), "not valid"),
		"metadata is no JSON":          serve(issuerMetadata, answer(200, "application/json", "<html>"), "JSON"),
		"server metadata missing":      serve(serverMetadata, answer(404, "text/plain", "nothing"), "404"),
		"server of another identifier": change(serverMetadata, replace(`"issuer":"ISSUER"`, `"issuer":"ISSUER/"`), "slash at the end"),
		"signer keys missing":          serve(signerKeys, answer(404, "text/plain", "nothing"), "404"),
		"signer keys of another":       change(signerKeys, replace(`"issuer":"ISSUER"`, `"issuer":"ISSUER/"`), "slash at the end"),
		"signer keys are none":         change(signerKeys, replace(`"keys":[`, `"keys":[],"other":[`), "no key that signs"),
		"signer key can't be read":     change(signerKeys, replace(`"crv":"P-256"`, `"crv":"P-512"`), "can't be read"),
		"signer key not certified":     change(signerKeys, replace(`"x5c":["`, `"x5c":["AAAA`), "not the one"),
		"no PKCE":                      change(serverMetadata, drop("code_challenge_methods_supported"), "HAIP"),
		"absent path answered":         serve("/.well-known/openid-configuration", answer(200, "text/html", "<html>welcome</html>"), "and not 404"),
		"every path answered":          serve("/.well-known/tegata", answer(302, "text/html", "log in"), "and not 404"),
		"credential endpoint missing":  serve("/credential", answer(404, "application/json", "{}"), "credential_endpoint"),
		"errors of the proxy":          serve("/credential", answer(401, "text/html", "<html>"), "text/html"),
		"token endpoint away":          serve("/token", answer(502, "text/html", "<html>"), "502"),
		"PAR without its store":        serve("/par", answer(503, "application/json", "{}"), "store is away"),
		"authorization endpoint gone":  serve("/authorize", answer(404, "text/html", ""), "does not answer as one"),
		"nonces may be cached":         change("/nonce", header("Cache-Control", "max-age=60"), "no-store"),
		"nonces are cached":            change("/nonce", replaceNonce, "same nonce"),
		"admin listener in public":     serve("/metrics", answer(200, "text/plain", "go_goroutines 7"), "admin listener"),

		"page without CSP":           change("/", header("Content-Security-Policy", ""), "Content-Security-Policy"),
		"cookie without Secure":      change("/start", weakCookie, "lacks Secure"),
		"browser can't start":        serve("/start", answer(403, "text/html", ""), "browser can't start"),
		"API token refused":          serve("/api/", answer(401, "application/problem+json", "{}"), "401"),
		"request object gone":        serve(requests, answer(404, "text/plain", ""), "404"),
		"request object as JSON":     change(requests, header("Content-Type", "application/json"), "content type"),
		"request object is none":     change(requests, func(_ *testing.T, _ *world, a *reply) { a.body = []byte("no token") }, "not acceptable"),
		"request object of no type":  object(nil, func(h *jose.Header, _ map[string]any) { h.Typ = "JWT" }, "typ"),
		"request object without x5c": object(nil, func(h *jose.Header, _ map[string]any) { h.X5C = nil }, "no x5c"),
		"request object self-signed": object(access(func(t *testing.T, _ *world, key *keys.Key, _ *trusttest.CA) {
			t.Helper()
			key.Chain = selfSigned(t, key).Chain
		}), nil, "self-signed"),
		"request object with anchor": object(access(func(_ *testing.T, _ *world, key *keys.Key, authority *trusttest.CA) {
			key.Chain = append(key.Chain, authority.Certificate)
		}), nil, "trust anchor"),
		"request object of a server": object(func(t *testing.T, _ *world) *keys.Key {
			t.Helper()
			key, err := ca(t, time.Hour).IssueVerifierAccess(trusttest.LeafOptions{Edit: func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment }})
			if err != nil {
				t.Error(err)
			}
			return key
		}, nil, "key usage"),
		"request object expired": object(func(t *testing.T, _ *world) *keys.Key {
			t.Helper()
			key, err := ca(t, 1000*time.Hour).IssueVerifierAccess(trusttest.LeafOptions{Lifetime: time.Hour})
			if err != nil {
				t.Error(err)
			}
			return key
		}, nil, "expired"),
		"client_id of another certificate": object(access(func(*testing.T, *world, *keys.Key, *trusttest.CA) {}), nil, "hash of the certificate"),
		"client_id of another link":        claim(func(c map[string]any) { c["client_id"] = "x509_hash:other" }, "not that of the link"),
		"response_uri elsewhere":           claim(func(c map[string]any) { c["response_uri"] = "https://other.example/x" }, "response_uri"),
		"no encryption key":                claim(func(c map[string]any) { delete(c, "client_metadata") }, "client_metadata"),
		"encryption key without kid":       claim(func(c map[string]any) { delete(encryptionKey(c), "kid") }, "kid or alg"),
		"no encryption":                    claim(func(c map[string]any) { c["response_mode"] = "direct_post" }, "response mode"),
		"encryption key used again": claim(func(c map[string]any) {
			k := encryptionKey(c)
			k["x"], k["y"] = fixedKey.X, fixedKey.Y
		}, "same encryption key"),
		"nonce used again":   claim(func(c map[string]any) { c["nonce"] = "always-the-same-nonce-0123456789" }, "same nonce"),
		"challenges missing": serve("/challenges", answer(404, "application/json", "{}"), "challenge"),
	}
	own := func(w *world, t *testing.T) *keys.Key { t.Helper(); return w.key(t, "status") }
	plants["status list expired"] = plant{list: statusList(own, 2*time.Hour), level: report.Fault, where: "/status-lists/1", what: "expired"}
	plants["status list of another"] = plant{list: statusList(func(_ *world, t *testing.T) *keys.Key {
		t.Helper()
		key, err := ca(t, time.Hour).IssueStatusSigner(trusttest.LeafOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return key
	}, 0), level: report.Fault, where: "/status-lists/1", what: "refuse the status list"}
	plants["TLS certificate expires soon"] = plant{fault: fault{tls: serverCertificate(func(_ *testing.T, w *world) (*keys.Key, error) {
		return w.box.TLS.IssueTLS(trusttest.LeafOptions{Lifetime: 10 * 24 * time.Hour})
	})}, level: report.Warning, where: "https://", what: "expires soon"}
	plants["clock a little behind"] = plant{fault: fault{path: "/", change: func(_ *testing.T, _ *world, a *reply) {
		a.header.Set("Date", time.Now().Add(-10*time.Second).UTC().Format(http.TimeFormat))
	}}, level: report.Warning, where: "https://", what: "clock"}
	return plants
}

// fixedKey is an encryption key for every request.
var fixedKey = func() *jose.JWK {
	key, err := keys.GenerateP256()
	if err != nil {
		panic(err)
	}
	jwk, err := jose.NewJWK(key.Public())
	if err != nil {
		panic(err)
	}
	return jwk
}()

func encryptionKey(claims map[string]any) map[string]any {
	metadata, _ := claims["client_metadata"].(map[string]any)
	set, _ := metadata["jwks"].(map[string]any)
	list, _ := set["keys"].([]any)
	key, _ := list[0].(map[string]any)
	return key
}

func replaceNonce(_ *testing.T, _ *world, a *reply) {
	a.body = []byte(`{"c_nonce":"always-the-same-nonce-0123456789"}`)
}

func weakCookie(_ *testing.T, _ *world, a *reply) {
	a.header.Set("Set-Cookie", strings.ReplaceAll(a.header.Get("Set-Cookie"), "; Secure", ""))
}

func target(w *world) doctor.Target {
	return doctor.Target{
		Issuers: []string{w.box.Issuer}, Verifiers: []string{w.box.Verifier}, Providers: []string{w.box.Provider},
		Roots: []*x509.Certificate{w.box.TLSRoot}, APITokens: map[string]string{w.box.Verifier: w.box.APIToken}, VerifierAnchors: []trust.Anchor{w.box.VerifierAnchor},
		IssuerAnchors: []trust.Anchor{w.box.IssuerAnchors[credentials.FormatSDJWTVC]},
	}
}

func examine(t *testing.T, target doctor.Target) *report.Report {
	t.Helper()
	r := &report.Report{}
	doctor.Run(t.Context(), target, doctor.Options{Now: time.Now, Expiry: check.DefaultExpiry}, r)
	return r
}

func named(r *report.Report, level report.Level, where, what string) bool {
	return slices.ContainsFunc(r.Findings, func(f report.Finding) bool {
		return f.Level == level && strings.Contains(f.Where, where) && strings.Contains(f.What, what) && f.Fix != ""
	})
}

func text(r *report.Report) string {
	var b strings.Builder
	_ = r.Print(&b)
	return b.String()
}

// TestDoctor spoils one thing of a deployment at a time and finds it named. The
// cases share the deployment, so they run one after another.
func TestDoctor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{})
	t.Run("honest twin", func(t *testing.T) {
		w.with(t, fault{path: "/status-lists/1", serve: statusList(func(w *world, t *testing.T) *keys.Key { t.Helper(); return w.key(t, "status") }, 0)(t, w)})
		on := target(w)
		on.StatusLists = []string{w.box.Issuer + "/status-lists/1"}
		r := examine(t, on)
		if r.Count(report.Fault) != 0 || r.Count(report.Warning) != 0 || r.Count(report.OK) < 20 {
			t.Error(text(r))
		}
	})
	for name, tc := range faults() {
		t.Run(name, func(t *testing.T) {
			on, f := target(w), tc.fault
			if tc.list != nil {
				f = fault{path: "/status-lists/1", serve: tc.list(t, w)}
				on.StatusLists = []string{w.box.Issuer + "/status-lists/1"}
			}
			w.with(t, f)
			r := examine(t, on)
			if !named(r, tc.level, tc.where, tc.what) {
				t.Errorf("no %s about %q at %q in\n%s", tc.level, tc.what, tc.where, text(r))
			}
			if tc.level == report.Warning && r.ExitCode() != 0 {
				t.Errorf("a warning fails:\n%s", text(r))
			}
		})
	}
	t.Run("anchor of another verifier CA", func(t *testing.T) {
		on := target(w)
		on.VerifierAnchors = []trust.Anchor{ca(t, time.Hour).Anchor()}
		if r := examine(t, on); !named(r, report.Fault, "/requests", "wallets refuse") {
			t.Error(text(r))
		}
	})
	t.Run("token over untrusted TLS", func(t *testing.T) {
		sent := false
		w.with(t, fault{path: "/api/", serve: func(http.ResponseWriter, *http.Request) { sent = true }})
		on := target(w)
		on.Roots = nil
		if r := examine(t, on); sent || !named(r, report.Fault, w.box.Verifier, "trusted root") {
			t.Errorf("sent: %v\n%s", sent, text(r))
		}
	})
}

// TestDoctorUnreachable asks where nobody is, or nobody who speaks TLS.
func TestDoctorUnreachable(t *testing.T) {
	t.Parallel()
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	for name, tc := range map[string]struct{ origin, what string }{
		"http":         {plain.URL, "not https"},
		"no TLS":       {strings.Replace(plain.URL, "http:", "https:", 1), "does not speak TLS"},
		"nobody":       {"https://127.0.0.1:1", "cannot be reached"},
		"slash at end": {"https://127.0.0.1:1/", "more than an identifier"},
		"no URL":       {"issuer.example", "not a URL"},
	} {
		t.Run(name, func(t *testing.T) {
			if r := examine(t, doctor.Target{Issuers: []string{tc.origin}}); !named(r, report.Fault, tc.origin, tc.what) {
				t.Error(text(r))
			}
		})
	}
}
