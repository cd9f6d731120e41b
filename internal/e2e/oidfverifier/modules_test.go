package oidfverifier_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/tegata-id/tegata/internal/e2e/wire"
)

// module is one of the suite's, without the prefix that they share.
type module struct {
	name string
	// formats are those that the suite runs it for; nil means both.
	formats []string
	// sdjwt and mdoc spoil the honest presentation. If both are nil, the module
	// presents honestly.
	sdjwt func(p *sdjwt)
	mdoc  func(m *mdoc)
	// read replaces how the request is fetched.
	read func(t *testing.T, s *suite, v variant, tx transaction) *request
}

var modules = []module{
	{name: "happy-flow"},
	{name: "minimal-cnf-jwk", formats: []string{formatSDJWT}}, // the honest key has the required members alone
	{name: "request-uri-method-post", read: func(t *testing.T, s *suite, v variant, tx transaction) *request {
		if !strings.Contains(tx.Link, "request_uri_method=post") {
			t.Error("the link does not say that the request can be fetched by POST")
		}
		return s.read(t, v, tx, &walletPost{
			nonce:    "wallet-nonce-of-the-suite",
			metadata: `{"vp_formats_supported":{"dc+sd-jwt":{"sd-jwt_alg_values":["ES256"],"kb-jwt_alg_values":["ES256"]},"mso_mdoc":{"issuerauth_alg_values":[-7]}}}`,
		})
	}},
	{name: "request-uri-fetched-twice", read: func(t *testing.T, s *suite, v variant, tx transaction) *request {
		first := s.read(t, v, tx, nil)
		second := s.read(t, v, tx, nil)
		if first.Nonce != second.Nonce || first.ResponseURI != second.ResponseURI {
			t.Error("the request is another one the second time")
		}
		return second
	}},
	{name: "invalid-session-transcript", formats: []string{formatMdoc}, mdoc: func(m *mdoc) { m.nonce += "x" }},
	{name: "invalid-kb-jwt-signature", formats: []string{formatSDJWT}, sdjwt: func(p *sdjwt) { p.spoilKB = wire.Spoil }},
	{name: "invalid-credential-signature", formats: []string{formatSDJWT}, sdjwt: func(p *sdjwt) { p.spoilJWT = wire.Spoil }},
	{name: "invalid-sd-hash", formats: []string{formatSDJWT}, sdjwt: func(p *sdjwt) { p.kb["sd_hash"] = wire.Hash("something else") }},
	{name: "invalid-kb-jwt-nonce", formats: []string{formatSDJWT}, sdjwt: func(p *sdjwt) { p.kb["nonce"] = "another-nonce-of-another-request" }},
	{name: "invalid-kb-jwt-aud", formats: []string{formatSDJWT}, sdjwt: func(p *sdjwt) { p.kb["aud"] = "https://somebody.else.example" }},
	{name: "kb-jwt-iat-in-past", formats: []string{formatSDJWT}, sdjwt: func(p *sdjwt) { p.kb["iat"] = time.Now().AddDate(-1, 0, 0).Unix() }},
	{name: "kb-jwt-iat-in-future", formats: []string{formatSDJWT}, sdjwt: func(p *sdjwt) { p.kb["iat"] = time.Now().AddDate(1, 0, 0).Unix() }},
}

// TestModules runs every module of oid4vp-1final-verifier-test-plan, and with
// the first variant of oid4vp-1final-verifier-haip-test-plan.
func TestModules(t *testing.T) {
	t.Parallel()
	s := newSuite(t, "")
	keys := map[string]bool{}
	for _, m := range modules {
		t.Run("oid4vp-1final-verifier-"+m.name, func(t *testing.T) {
			for _, v := range variants {
				for _, format := range []string{formatSDJWT, formatMdoc} {
					if m.formats != nil && !slices.Contains(m.formats, format) || m.read != nil && !v.signed() {
						continue
					}
					t.Run(v.name+" "+format, func(t *testing.T) { s.runModule(t, m, v, format, keys) })
				}
			}
		})
	}
}

var honestClaims = map[string]map[string]any{
	formatSDJWT: {"given_name": "Jean", "family_name": "Dupont"},
	formatMdoc:  {mdlSpace: map[string]any{"given_name": "Jean", "family_name": "Dupont"}},
}

func (s *suite) runModule(t *testing.T, m module, v variant, format string, keys map[string]bool) {
	t.Helper()
	query := queryOfPID
	if format == formatMdoc {
		query = queryOfMDL
	}
	tx := s.begin(t, v, query, "same_device")
	var r *request
	if m.read != nil {
		r = m.read(t, s, v, tx)
	} else {
		r = s.read(t, v, tx, nil)
	}
	if thumbprint := string(r.thumbprint()); thumbprint != "" && keys[thumbprint] {
		t.Error("the encryption key was used for another request")
	} else {
		keys[thumbprint] = true
	}
	presentation := s.presentation(t, r, format, m.sdjwt, m.mdoc)
	a := s.post(t, r.ResponseURI, r.form(t, presentation))
	if m.sdjwt != nil || m.mdoc != nil {
		s.wantRefused(t, v, tx, a)
		return
	}
	s.wantAccepted(t, v, tx, a, honestClaims[format])
}

func (s *suite) presentation(t testing.TB, r *request, format string, spoilSD func(*sdjwt), spoilDoc func(*mdoc)) string {
	t.Helper()
	if format == formatMdoc {
		m := s.mdl(t, r)
		if spoilDoc != nil {
			spoilDoc(m)
		}
		return m.present(t)
	}
	p := s.pid(t, r)
	if spoilSD != nil {
		spoilSD(p)
	}
	return p.present(t)
}

// wantAccepted follows the redirect as the suite does, and reads the result as
// the relying party does.
func (s *suite) wantAccepted(t testing.TB, v variant, tx transaction, a *answer, claims map[string]any) {
	t.Helper()
	if a.status != http.StatusOK || a.header.Get("Content-Type") != "application/json" {
		t.Fatalf("answer to the response: %d %s %s", a.status, a.header.Get("Content-Type"), a.body)
	}
	var reply map[string]string
	if err := json.Unmarshal(a.body, &reply); err != nil || reply["redirect_uri"] == "" || len(slices.Collect(maps.Keys(reply))) != 1 {
		t.Fatalf("answer to the response: %s", a.body)
	}
	code := check(url.Parse(reply["redirect_uri"]))(t).Query().Get("response_code")
	if before := s.result(t, v, tx, ""); before.State != "waiting" {
		t.Errorf("state %s without the response code", before.State)
	}
	got := s.result(t, v, tx, code)
	if got.State != "verified" || len(got.Credentials) != 1 {
		t.Fatalf("result %+v", got)
	}
	if diff := cmp.Diff(claims, got.Credentials[0].Claims); diff != "" {
		t.Error(diff)
	}
}

// wantRefused is how the suite judges a refusal, with the result that the
// relying party reads. It returns the reason.
func (s *suite) wantRefused(t testing.TB, v variant, tx transaction, a *answer) string {
	t.Helper()
	if a.status < 400 || a.status > 499 {
		t.Errorf("answer to the response: %d %s", a.status, a.body)
	}
	got := s.result(t, v, tx, "")
	if got.State != "refused" || got.Refusal.Reason == "" || got.Credentials != nil {
		t.Errorf("result %+v", got)
	}
	return got.Refusal.Reason
}
