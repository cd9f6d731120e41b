package e2e_test

import (
	"encoding/base64"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/tegata-id/tegata/credentials/trust/jpki/jpkitest"
)

// browser has a cookie jar of its own and follows redirects as long as they
// stay on the origin.
type browser struct {
	client *http.Client
}

// page is where a browser ended up. After a redirect to another origin it has
// only the address.
type page struct {
	url    *url.URL
	status int
	header http.Header
	body   string
}

func (d *deployment) newBrowser(t *testing.T) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := *d.http
	client.Jar = jar
	return &browser{client: &client}
}

// cookie returns the one cookie that the browser has for the address, or "".
func (b *browser) cookie(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	cookies := b.client.Jar.Cookies(u)
	if len(cookies) == 0 {
		return ""
	}
	return cookies[0].Name + "=" + cookies[0].Value
}

func (b *browser) open(t *testing.T, address string) *page {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	return b.follow(t, request)
}

// post sends a form to the address, as a page of the same origin does.
func (b *browser) post(t *testing.T, address string, values url.Values) *page {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(values.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Origin", request.URL.Scheme+"://"+request.URL.Host)
	return b.follow(t, request)
}

// submit sends the form with the given id of a page.
func (b *browser) submit(t *testing.T, p *page, form string, values url.Values) *page {
	t.Helper()
	action, err := p.url.Parse(p.attribute(form, "action"))
	if err != nil {
		t.Fatal(err)
	}
	return b.post(t, action.String(), values)
}

func (b *browser) follow(t *testing.T, request *http.Request) *page {
	t.Helper()
	origin := request.URL.Host
	for range 5 {
		response, err := b.client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if response.StatusCode < 300 || response.StatusCode > 399 {
			return &page{request.URL, response.StatusCode, response.Header, string(body)}
		}
		target, err := request.URL.Parse(response.Header.Get("Location"))
		if err != nil {
			t.Fatal(err)
		}
		if target.Host != origin {
			return &page{url: target, status: response.StatusCode, header: response.Header}
		}
		if request, err = http.NewRequestWithContext(t.Context(), http.MethodGet, target.String(), nil); err != nil {
			t.Fatal(err)
		}
	}
	t.Fatal("too many redirects")
	return nil
}

// attribute returns an attribute of the element with the given id.
func (p *page) attribute(id, name string) string {
	element := regexp.MustCompile(`<[^>]*\bid="` + id + `"[^>]*>`).FindString(p.body)
	match := regexp.MustCompile(`\b` + name + `="([^"]*)"`).FindStringSubmatch(element)
	if match == nil {
		return ""
	}
	return html.UnescapeString(match[1])
}

// text returns the text of the element with the given id, up to its first
// child.
func (p *page) text(id string) string {
	match := regexp.MustCompile(`\bid="` + id + `"[^>]*>([^<]*)<`).FindStringSubmatch(p.body)
	if match == nil {
		return ""
	}
	return strings.TrimSpace(html.UnescapeString(match[1]))
}

// sign returns what the person sends in answer to the login page.
func sign(t *testing.T, p *page, card *jpkitest.Card) url.Values {
	t.Helper()
	challenge, err := base64.StdEncoding.DecodeString(p.attribute("challenge", "value"))
	if err != nil || len(challenge) == 0 {
		t.Fatalf("no challenge on the page: %d %s", p.status, p.body)
	}
	signature, err := card.Sign(jpkitest.SignPIN, challenge)
	if err != nil {
		t.Fatal(err)
	}
	return url.Values{
		"certificate": {base64.StdEncoding.EncodeToString(card.SignatureCertificate().Raw)},
		"signature":   {base64.StdEncoding.EncodeToString(signature)},
	}
}

var approve, cancel = url.Values{"decision": {"approve"}}, url.Values{"decision": {"cancel"}}

// login walks from the authorization URL to the review page.
func (b *browser) login(t *testing.T, address string, card *jpkitest.Card) *page {
	t.Helper()
	p := b.open(t, address)
	if p = b.submit(t, p, "sign-form", sign(t, p, card)); p.text("person-name") != card.Person.Name {
		t.Fatalf("no review page after signing: %d %s", p.status, p.text("oauth-error-description"))
	}
	return p
}

// authorize walks to the end and returns the callback.
func (b *browser) authorize(t *testing.T, address string, card *jpkitest.Card) *url.URL {
	t.Helper()
	return b.submit(t, b.login(t, address, card), "review-form", approve).url
}
