package issuer

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
	"github.com/tegata-id/tegata/internal/httpd"
)

// metadataWorld is an issuer whose metadata is signed by a first key for ten
// days, and by a second from the eighth day to the fortieth.
type metadataWorld struct {
	ca            *trusttest.CA
	first, second *keys.Key
	now           time.Time
	issuer        *Issuer
	handler       http.Handler
}

const day = 24 * time.Hour

func newMetadataWorld(t *testing.T) *metadataWorld {
	t.Helper()
	w := &metadataWorld{now: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)}
	var err error
	if w.ca, err = trusttest.NewCA(trusttest.CAOptions{NotBefore: w.now}); err != nil {
		t.Fatal(err)
	}
	for _, spec := range []struct {
		key     **keys.Key
		options trusttest.LeafOptions
	}{
		{&w.first, trusttest.LeafOptions{Lifetime: 10 * day}},
		{&w.second, trusttest.LeafOptions{Lifetime: 40 * day}},
	} {
		spec.options.DNSNames = []string{"issuer.example"}
		if *spec.key, err = w.ca.IssueVerifierAccess(spec.options); err != nil {
			t.Fatal(err)
		}
	}
	ring, err := keys.NewRing(keys.Entry{Key: w.first}, keys.Entry{Key: w.second, From: w.now.Add(8 * day)})
	if err != nil {
		t.Fatal(err)
	}
	encryption, err := newEncryption(make([]byte, 32), "a", false)
	if err != nil {
		t.Fatal(err)
	}
	w.issuer = &Issuer{
		encryption: encryption,
		cfg: Config{
			ID: "https://issuer.example", Name: []Text{{"ja", "手形市"}, {"en", "Tegata City"}}, Configurations: Identity(), BatchSize: 2,
			Now: func() time.Time { return w.now },
		},
		signedMetadata: &signedMetadata{keys: ring},
	}
	h, err := httpd.New(httpd.Options{Name: "issuer", Origin: "https://issuer.example", Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	h.Echo().GET(openid4vci.WellKnownIssuer, (&handler{issuer: w.issuer}).metadata)
	w.handler = h.Handler()
	return w
}

func (w *metadataWorld) get(accept ...string) *httptest.ResponseRecorder {
	request := httptest.NewRequest(http.MethodGet, "https://issuer.example"+openid4vci.WellKnownIssuer, nil)
	request.Header["Accept"] = accept
	response := httptest.NewRecorder()
	w.handler.ServeHTTP(response, request)
	return response
}

// TestMetadataForms asks for the metadata in every way: JSON is for whoever does
// not say that JWT is better (VCI-MD-04).
func TestMetadataForms(t *testing.T) {
	t.Parallel()
	w := newMetadataWorld(t)
	const asJSON, asJWT = "application/json", "application/jwt"
	for _, tc := range []struct{ accept, want string }{
		{"", asJSON},
		{"*/*", asJSON},
		{"application/*", asJSON},
		{asJSON, asJSON},
		{asJWT, asJWT},
		{"application/json, application/jwt", asJSON},
		{"application/json;q=0.5, application/jwt", asJWT},
		{"application/jwt;q=0", asJSON},
		{"text/html", asJSON},
	} {
		var accept []string
		if tc.accept != "" {
			accept = []string{tc.accept}
		}
		response := w.get(accept...)
		if got := response.Header().Get("Content-Type"); response.Code != http.StatusOK || got != tc.want {
			t.Errorf("Accept %q: %d %s, want %s", tc.accept, response.Code, got, tc.want)
		}
		if vary := strings.Join(response.Header().Values("Vary"), ","); !strings.Contains(vary, "Accept") {
			t.Errorf("Accept %q: Vary %q", tc.accept, vary)
		}
		if got := response.Header().Get("Cache-Control"); got != "public, max-age=300" {
			t.Errorf("Accept %q: Cache-Control %q", tc.accept, got)
		}
	}
}

// TestSignedMetadata moves the clock over the keys: what is signed says what the
// JSON says, is valid no longer than its signer, and is signed once an hour.
func TestSignedMetadata(t *testing.T) {
	t.Parallel()
	w := newMetadataWorld(t)
	policy := &trust.Policy{
		Anchors: []trust.Anchor{w.ca.Anchor()}, Profile: trust.ProfileVerifierAccess, Revocation: trust.NotChecked("test"),
		Now: func() time.Time { return w.now },
	}
	start := w.now
	_, end := w.second.Validity()
	last := ""
	for _, tc := range []struct {
		name    string
		at      time.Time
		again   bool // the one before is served again
		age     string
		expires time.Time
	}{
		{"first", start, false, "300", start.Add(day)},
		{"a little later", start.Add(59 * time.Minute), true, "300", start.Add(day)},
		{"an hour later", start.Add(time.Hour), false, "300", start.Add(time.Hour + day)},
		{"clock set back", start, false, "300", start.Add(day)},
		{"second key", start.Add(8 * day), false, "300", start.Add(9 * day)},
		{"near the end of the chain", end.Add(-time.Minute), false, "60", end},
	} {
		w.now = tc.at
		response := w.get("application/jwt")
		signed := response.Body.String()
		if response.Header().Get("Content-Type") != "application/jwt" || (signed == last) != tc.again {
			t.Errorf("%s: %s, the same as before: %v", tc.name, response.Header().Get("Content-Type"), signed == last)
		}
		last = signed
		if got := response.Header().Get("Cache-Control"); got != "public, max-age="+tc.age {
			t.Errorf("%s: Cache-Control %q", tc.name, got)
		}
		m, _, err := openid4vci.ParseSignedMetadata(t.Context(), signed, openid4vci.SignedMetadataExpect{Identifier: w.issuer.cfg.ID, Policy: policy, Now: w.now})
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		got, _ := json.Marshal(m)
		want, _ := json.Marshal(w.issuer.Metadata())
		if string(got) != string(want) {
			t.Errorf("%s: signed %s, want %s", tc.name, got, want)
		}
		expired := openid4vci.SignedMetadataExpect{Identifier: w.issuer.cfg.ID, Policy: policy, Now: tc.expires}
		if _, _, err := openid4vci.ParseSignedMetadata(t.Context(), signed, expired); err == nil {
			t.Errorf("%s: still valid at %s", tc.name, tc.expires)
		}
		expired.Now = tc.expires.Add(-time.Second)
		if _, _, err := openid4vci.ParseSignedMetadata(t.Context(), signed, expired); err != nil {
			t.Errorf("%s: before its end: %v", tc.name, err)
		}
	}
	// Without a signer the metadata is still served, unsigned.
	w.now = end.Add(time.Second)
	if response := w.get("application/jwt"); response.Code != http.StatusOK || response.Header().Get("Content-Type") != "application/json" {
		t.Errorf("no signer: %d %s", response.Code, response.Header().Get("Content-Type"))
	}
}
