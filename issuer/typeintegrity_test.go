package issuer_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/sdjwt"
	"github.com/tegata-id/tegata/internal/httpd"
	"github.com/tegata-id/tegata/issuer"
	"github.com/tegata-id/tegata/issuer/oauth"
)

// TestTypeIntegrity has credentials name the type metadata that they were issued
// with. Each document stays where it was when the type gets another.
func TestTypeIntegrity(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	signers := turn{w.signers(-day, 40*day), 0}
	mount := func() (*issuer.Issuer, func(string) *httptest.ResponseRecorder) {
		i := w.issuer(signers)
		server := must(httpd.New(httpd.Options{Name: "issuer", Origin: "https://issuer.example", Now: w.clock}))(t)
		issuer.Mount(server, "/minato", i, oauth.New(oauth.Config{
			Issuer: issuerID, Sessions: w.sessions, Lifetimes: oauth.DefaultLifetimes, Now: w.clock,
		}), []byte("operator's token"))
		return i, func(path string) *httptest.ResponseRecorder {
			response := httptest.NewRecorder()
			server.Handler().ServeHTTP(response, httptest.NewRequest(http.MethodGet, "https://issuer.example/minato/types/"+path, nil))
			return response
		}
	}
	integrityOf := func(i *issuer.Issuer, configuration string) string {
		response, err := i.Credential(t.Context(), w.access(), w.request(i, configuration))
		if err != nil {
			t.Fatal(err)
		}
		var claims struct {
			Integrity string `json:"vct#integrity"`
		}
		var named []string
		for _, c := range response.Credentials {
			u := must(jose.Parse(strings.Split(c.Credential, "~")[0]))(t)
			if err := jose.UnmarshalJSON(u.UnverifiedPayload(), &claims); err != nil {
				t.Fatal(err)
			}
			named = append(named, claims.Integrity)
		}
		if len(slices.Compact(named)) != 1 {
			t.Errorf("a batch names %v", named)
		}
		return claims.Integrity
	}
	// digestOf is the name in the path of what a credential names.
	digestOf := func(integrity string) string {
		return strings.TrimRight(strings.NewReplacer("+", "-", "/", "_").Replace(strings.TrimPrefix(integrity, "sha256-")), "=")
	}

	first, get := mount()
	before := get("identity_sd_jwt").Body.Bytes()
	old := integrityOf(first, "identity_sd_jwt")
	if old != sdjwt.Integrity(before) {
		t.Errorf("credentials name %s, and served is %s", old, sdjwt.Integrity(before))
	}
	if _, err := sdjwt.ParseTypeMetadata(before, issuer.IdentityVCT); err != nil {
		t.Error(err)
	}

	// Another release calls the type something else.
	w.configurations = issuer.Identity()
	for n := range w.configurations {
		if w.configurations[n].Format == credentials.FormatSDJWTVC {
			w.configurations[n].Name = []issuer.Text{{Locale: "ja", Text: "本人確認"}, {Locale: "en", Text: "Identity"}}
		}
	}
	second, getNow := mount()
	after := getNow("identity_sd_jwt").Body.Bytes()
	if integrity := integrityOf(second, "identity_sd_jwt"); integrity != sdjwt.Integrity(after) || integrity == old {
		t.Errorf("after the change credentials name %s", integrity)
	}
	for _, serve := range []func(string) *httptest.ResponseRecorder{get, getNow} {
		for _, document := range [][]byte{before, after} {
			r := serve("identity_sd_jwt/" + digestOf(sdjwt.Integrity(document)))
			if r.Code != http.StatusOK || !bytes.Equal(r.Body.Bytes(), document) || !strings.Contains(r.Header().Get("Cache-Control"), "immutable") {
				t.Errorf("%d %s", r.Code, r.Body)
			}
		}
		for _, path := range []string{"identity_sd_jwt/unknown", "identity_mdoc/" + digestOf(old), "other/" + digestOf(old)} {
			if r := serve(path); r.Code != http.StatusNotFound {
				t.Errorf("%s: %d %s", path, r.Code, r.Body)
			}
		}
	}
}
