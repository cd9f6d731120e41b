package oauth_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/internal/httpd"
	"github.com/tegata-id/tegata/issuer/evidence"
	"github.com/tegata-id/tegata/issuer/oauth"
)

// TestPagesNameTheIssuer reads the pages of issuers with names: the names are
// what people see first, in titles too, and the address stands beside them.
func TestPagesNameTheIssuer(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		about     string
		name      map[string]string
		title, ja string
		en        string // "" for no element
		without   string // what must not be in a page
	}{
		{"both", map[string]string{"ja": "手形市", "en": "Tegata City"}, "– 手形市</title>", `<bdi id="issuer-name">手形市</bdi>`, `<span lang="en"><bdi id="issuer-name-en">Tegata City</bdi></span>`, "Tegata</title>"},
		{"Japanese alone", map[string]string{"ja": "手形市", "en": ""}, "– 手形市</title>", `<bdi id="issuer-name">手形市</bdi>`, "", "issuer-name-en"},
		{"English alone", map[string]string{"en": "Tegata City"}, "– Tegata City</title>", `<bdi id="issuer-name">Tegata City</bdi>`, "", "issuer-name-en"},
		{"none", nil, "– " + reuseIssuer + "</title>", `<bdi id="issuer-name">` + reuseIssuer + `</bdi>`, "", "issuer-name-en"},
		{"markup", map[string]string{"ja": "<b>市</b>"}, "– &lt;b&gt;市&lt;/b&gt;</title>", `<bdi id="issuer-name">&lt;b&gt;市&lt;/b&gt;</bdi>`, "", "<b>"},
	} {
		t.Run(tc.about, func(t *testing.T) {
			t.Parallel()
			p := newPartyWith(t, func(c *oauth.Config) { c.Name = tc.name })
			h, err := httpd.New(httpd.Options{Name: "issuer", Origin: reuseIssuer, Now: time.Now})
			if err != nil {
				t.Fatal(err)
			}
			oauth.Mount(h, "", "t", p.server)
			get := func(path, cookie string) string {
				request := httptest.NewRequest(http.MethodGet, reuseIssuer+path, nil)
				if cookie != "" {
					request.AddCookie(&http.Cookie{Name: httpd.CookieName("issuer", "t", "login"), Value: cookie})
				}
				response := httptest.NewRecorder()
				h.Handler().ServeHTTP(response, request)
				return response.Body.String()
			}
			cookie := p.begin(t)
			login := get("/login", cookie)
			failed := get("/login", "")
			next, err := p.server.Prove(t.Context(), cookie, evidence.Answer{})
			if err != nil {
				t.Fatal(err)
			}
			review := get("/review", next)
			for page, html := range map[string]string{"login": login, "review": review, "error": failed} {
				wants := []string{tc.title, tc.ja, tc.en, `<small class="url" id="issuer-url">` + reuseIssuer + `</small>`}
				if page == "error" { // which knows of no login
					wants = wants[:1]
				}
				for _, want := range wants {
					if !strings.Contains(html, want) {
						t.Errorf("%s: no %q in\n%s", page, want, html)
					}
				}
				if strings.Contains(html, tc.without) {
					t.Errorf("%s: %q", page, tc.without)
				}
			}
		})
	}
}
