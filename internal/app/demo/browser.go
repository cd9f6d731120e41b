package demo

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/tegata-id/tegata/credentials/trust/jpki/jpkitest"
)

// browser plays the citizen: it opens the issuer's pages, has the card sign
// the challenge that they show, reviews and approves. It finds its way by the
// ids of the elements, as any program could.
type browser struct {
	client *http.Client
	card   *jpkitest.Card
	report *report
	// reviewed is what the review page said of the person.
	reviewed []string
}

// maxPage bounds what is read of a page, in bytes.
const maxPage = 1 << 20

func newBrowser(transport *http.Transport, card *jpkitest.Card, r *report) (*browser, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	client := &http.Client{
		Transport: transport, Jar: jar, Timeout: 30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return &browser{client: client, card: card, report: r}, nil
}

// Authorize implements holder.UserAgent.
func (b *browser) Authorize(ctx context.Context, authorizationURL, redirectURI string) (string, error) {
	_, page, err := b.open(ctx, authorizationURL)
	if err != nil {
		return "", err
	}
	asked, challenge, err := b.asked(ctx, page)
	if err != nil {
		return "", err
	}
	b.report.step("issuer", "citizen", "login page; the signer app fetches a challenge that names issuer, wallet, keys and expiry", 0)

	start := time.Now()
	signature, err := b.card.Sign(jpkitest.SignPIN, challenge)
	if err != nil {
		return "", fmt.Errorf("the card does not sign: %w", err)
	}
	b.report.step("citizen", "card", "signs the challenge with the JPKI signature certificate (RSA-2048)", time.Since(start))

	start = time.Now()
	var left struct {
		ReturnURI string `json:"return_uri"`
	}
	if err := b.exchange(ctx, http.MethodPost, asked, map[string]string{
		"certificate": base64.StdEncoding.EncodeToString(b.card.SignatureCertificate().Raw),
		"signature":   base64.StdEncoding.EncodeToString(signature),
	}, &left); err != nil {
		return "", err
	}
	at, page, err := b.open(ctx, left.ReturnURI)
	if err != nil {
		return "", err
	}
	b.report.step("citizen", "issuer", "signature and certificate; chain, profile, policy and CRL hold", time.Since(start))
	for _, id := range []string{"person-name", "person-address", "person-birthdate"} {
		b.reviewed = append(b.reviewed, text(page, id))
	}

	start = time.Now()
	callback, _, err := b.submit(ctx, at, page, "review-form", url.Values{"decision": {"approve"}})
	if err != nil {
		return "", err
	}
	if !strings.HasPrefix(callback, redirectURI) {
		return "", errors.New("the decision does not lead back to the wallet")
	}
	b.report.step("citizen", "issuer", "reviews what will be issued and agrees; back to the wallet with a code", time.Since(start))
	return callback, nil
}

// asked does what the signer app does with the link of the login page: it
// returns the address that the link names, and the challenge there.
func (b *browser) asked(ctx context.Context, page string) (address string, challenge []byte, err error) {
	link, err := url.Parse(attribute(page, "open-signer", "href"))
	if err != nil {
		return "", nil, err
	}
	address = link.Query().Get("request_uri")
	var asked struct {
		Challenge []byte `json:"challenge"`
	}
	if err := b.exchange(ctx, http.MethodGet, address, nil, &asked); err != nil {
		return "", nil, err
	}
	if len(asked.Challenge) == 0 {
		return "", nil, errors.New("the login page leads to no challenge")
	}
	return address, asked.Challenge, nil
}

// exchange sends and gets JSON, as an app does.
func (b *browser) exchange(ctx context.Context, method, address string, body, answer any) error {
	content, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(content))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := b.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the issuer answers the signer app with %s", response.Status)
	}
	return json.NewDecoder(io.LimitReader(response.Body, maxPage)).Decode(answer)
}

// open gets a page and follows redirects within its origin.
func (b *browser) open(ctx context.Context, target string) (at, page string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return "", "", err
	}
	return b.follow(ctx, request)
}

// submit posts a form of the page at the given address.
func (b *browser) submit(ctx context.Context, at, page, form string, values url.Values) (string, string, error) {
	base, err := url.Parse(at)
	if err != nil {
		return "", "", err
	}
	action, err := base.Parse(attribute(page, form, "action"))
	if err != nil {
		return "", "", err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, action.String(), strings.NewReader(values.Encode()))
	if err != nil {
		return "", "", err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Origin", base.Scheme+"://"+base.Host)
	return b.follow(ctx, request)
}

// follow sends a request and follows redirects as long as they stay on the
// origin. A redirect that leaves it is returned as the address, without a page.
func (b *browser) follow(ctx context.Context, request *http.Request) (at, page string, err error) {
	origin := request.URL.Host
	for range 5 {
		response, err := b.client.Do(request)
		if err != nil {
			return "", "", err
		}
		body, err := io.ReadAll(io.LimitReader(response.Body, maxPage))
		response.Body.Close()
		if err != nil {
			return "", "", err
		}
		if response.StatusCode < 300 || response.StatusCode > 399 {
			if response.StatusCode != http.StatusOK {
				return "", "", fmt.Errorf("the issuer's page says %s: %s", text(string(body), "oauth-error"), text(string(body), "oauth-error-description"))
			}
			return request.URL.String(), string(body), nil
		}
		target, err := request.URL.Parse(response.Header.Get("Location"))
		if err != nil {
			return "", "", err
		}
		if target.Host != origin {
			return target.String(), "", nil
		}
		if request, err = http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil); err != nil {
			return "", "", err
		}
	}
	return "", "", errors.New("too many redirects")
}

// attribute returns an attribute of the element with the given id.
func attribute(page, id, name string) string {
	element := regexp.MustCompile(`<[^>]*\bid="` + id + `"[^>]*>`).FindString(page)
	match := regexp.MustCompile(`\b` + name + `="([^"]*)"`).FindStringSubmatch(element)
	if match == nil {
		return ""
	}
	return html.UnescapeString(match[1])
}

// text returns the text of the element with the given id, up to its first
// child.
func text(page, id string) string {
	match := regexp.MustCompile(`\bid="` + id + `"[^>]*>([^<]*)<`).FindStringSubmatch(page)
	if match == nil {
		return ""
	}
	return strings.TrimSpace(html.UnescapeString(match[1]))
}
