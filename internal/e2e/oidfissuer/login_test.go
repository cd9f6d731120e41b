package oidfissuer_test

import (
	"html"
	"io"
	"math"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/tegata-id/tegata/internal/e2e/wire"
)

// browser does what the suite's browser is told to: it opens pages and clicks
// what has an id. It runs no scripts.
type browser struct {
	http *http.Client
	at   *url.URL
	page string
	// status is that of the last page, or of the redirect that led away.
	status int
}

func (w *world) browser(t *testing.T) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := *w.http
	client.Jar = jar
	return &browser{http: &client}
}

// do follows redirects as long as they stay on the origin, and then has the
// address that leads away in at, and no page.
func (b *browser) do(t *testing.T, request *http.Request) {
	t.Helper()
	for range 5 {
		response, err := b.http.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		b.at, b.status, b.page = request.URL, response.StatusCode, string(body)
		if b.status < 300 || b.status > 399 {
			return
		}
		if b.status == http.StatusTemporaryRedirect {
			t.Errorf("redirect with 307 from %s", request.URL.Path)
		}
		target, err := request.URL.Parse(response.Header.Get("Location"))
		if err != nil {
			t.Fatal(err)
		}
		if target.Host != request.URL.Host {
			b.at, b.page = target, ""
			return
		}
		if request, err = http.NewRequestWithContext(t.Context(), http.MethodGet, target.String(), nil); err != nil {
			t.Fatal(err)
		}
	}
	t.Fatal("too many redirects")
}

func (b *browser) open(t *testing.T, address string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	b.do(t, request)
}

// attribute reads an attribute of a tag.
func attribute(tag, name string) string {
	if m := regexp.MustCompile(`\s` + name + `="([^"]*)"`).FindStringSubmatch(tag); m != nil {
		return html.UnescapeString(m[1])
	}
	return ""
}

// text returns the text of the element with that id, up to its first child.
func (b *browser) text(id string) string {
	if m := regexp.MustCompile(`\bid="` + id + `"[^>]*>([^<]*)<`).FindStringSubmatch(b.page); m != nil {
		return strings.TrimSpace(html.UnescapeString(m[1]))
	}
	return ""
}

// click submits the form around the button with that id.
func (b *browser) click(t *testing.T, id string) {
	t.Helper()
	where := regexp.MustCompile(`<button[^>]*\bid="` + id + `"[^>]*>`).FindStringIndex(b.page)
	if where == nil {
		t.Fatalf("there is no button %s on the page: %d %s %s", id, b.status, b.text("oauth-error"), b.text("oauth-error-description"))
	}
	button := b.page[where[0]:where[1]]
	start := strings.LastIndex(b.page[:where[0]], "<form")
	form, _, _ := strings.Cut(b.page[start:], "</form>")
	values := url.Values{}
	for _, input := range regexp.MustCompile(`<input[^>]*type="hidden"[^>]*>`).FindAllString(form, -1) {
		if name := attribute(input, "name"); name != "" {
			values.Add(name, attribute(input, "value"))
		}
	}
	if name := attribute(button, "name"); name != "" {
		values.Add(name, attribute(button, "value"))
	}
	tag, _, _ := strings.Cut(form, ">")
	action, err := b.at.Parse(attribute(tag, "action"))
	if err != nil || attribute(tag, "method") != "post" {
		t.Fatalf("form %s: %v", tag, err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, action.String(), strings.NewReader(values.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Origin", action.Scheme+"://"+action.Host)
	b.do(t, request)
}

// approve walks from the login page to the end.
func (b *browser) approve(t *testing.T) {
	t.Helper()
	b.click(t, "person-hanako")
	if b.text("person-name") == "" {
		t.Fatalf("no review page: %d %s", b.status, b.text("oauth-error-description"))
	}
	b.click(t, "approve")
}

// failed demands an error page, or a redirect, with one of the codes.
func (b *browser) failed(t *testing.T, codes ...string) {
	t.Helper()
	got := b.at.Query().Get("error")
	if b.page != "" {
		if got = b.text("oauth-error"); b.status < 400 || b.status > 499 || got == "" {
			t.Errorf("no error page: %d at %s", b.status, b.at.Path)
		}
	}
	for _, code := range codes {
		if got == code {
			return
		}
	}
	t.Errorf("error %q, want one of %v", got, codes)
}

// returned checks the authorization response and returns the code.
func (c *wallet) returned(t *testing.T, b *browser) string {
	t.Helper()
	query := c.returnedWith(t, b)
	code := query.Get("code")
	if len(code)*6 < 128 || entropy(code) < 96 {
		t.Fatalf("code %q at %s, page %s %s", code, b.at.Path, b.text("oauth-error"), b.text("oauth-error-description"))
	}
	if query.Has("id_token") || query.Has("access_token") || query.Has("error") {
		t.Errorf("response %v", query)
	}
	return code
}

// returnedWith checks where the browser was sent to, and with which state and
// iss.
func (c *wallet) returnedWith(t *testing.T, b *browser) url.Values {
	t.Helper()
	want, err := url.Parse(c.redirectURI)
	if err != nil {
		t.Fatal(err)
	}
	query := b.at.Query()
	if b.page != "" || b.at.Host != want.Host || b.at.Path != want.Path || b.at.Fragment != "" {
		t.Fatalf("the browser is at %s: %d %s", b.at.Path, b.status, b.text("oauth-error-description"))
	}
	for name, values := range want.Query() {
		if query.Get(name) != values[0] {
			t.Errorf("%s of the redirect_uri is %q", name, query.Get(name))
		}
	}
	if query.Get("state") != c.state || query.Has("state") != (c.state != "") {
		t.Errorf("state %q, want %q", query.Get("state"), c.state)
	}
	if iss := query.Get("iss"); iss != wire.Text(c.w.server, "issuer") {
		t.Errorf("iss %q", iss)
	}
	return query
}

// code has the person agree.
func (c *wallet) code(t *testing.T, edits ...edit) string {
	t.Helper()
	return c.approved(t, c.pushed(t, c.push(t, edits...)))
}

// approved has the person agree to what was pushed.
func (c *wallet) approved(t *testing.T, requestURI string) string {
	t.Helper()
	b := c.w.browser(t)
	b.open(t, c.visit(requestURI))
	b.approve(t)
	return c.returned(t, b)
}

// entropy is what the characters of a secret measure to, in bits.
func entropy(secret string) float64 {
	counts := map[rune]float64{}
	for _, r := range secret {
		counts[r]++
	}
	var perCharacter float64
	for _, n := range counts {
		p := n / float64(len(secret))
		perCharacter -= p * math.Log2(p)
	}
	return perCharacter * float64(len(secret))
}
