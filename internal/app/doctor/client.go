package doctor

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
)

// maxBody is the most of an answer that is read, in bytes.
const maxBody = 4 << 20

// client asks. Without a secret it judges no certificates, so that a bad one
// does not hide what else is wrong: doctor.tls judges them.
type client struct {
	http *http.Client
	// strict is for requests with a secret.
	strict *http.Client
}

func newClient(o Options, roots *x509.CertPool) *client {
	return &client{
		http:   newHTTP(o, inspecting(tls.VersionTLS13)),
		strict: newHTTP(o, &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, Time: o.Now}),
	}
}

// inspecting is for connections that show what is there, old versions included.
func inspecting(highest uint16) *tls.Config {
	return &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: highest}
}

func newHTTP(o Options, config *tls.Config) *http.Client {
	return &http.Client{
		Timeout: o.Timeout,
		Transport: &http.Transport{
			TLSClientConfig: config, Proxy: nil, DisableCompression: true, MaxIdleConnsPerHost: 2,
		},
		// A wallet follows none, and none leads away from the origin.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func (c *client) close() {
	c.http.CloseIdleConnections()
	c.strict.CloseIdleConnections()
}

// answer is a response that was read.
type answer struct {
	status int
	header http.Header
	body   []byte
	tls    *tls.ConnectionState
}

func (a *answer) contentType() string {
	mediaType, _, err := mime.ParseMediaType(a.header.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return mediaType
}

func (a *answer) noStore() bool {
	return strings.Contains(strings.ToLower(a.header.Get("Cache-Control")), "no-store")
}

func (c *client) get(ctx context.Context, url, accept string) (*answer, error) {
	header := http.Header{}
	if accept != "" {
		header.Set("Accept", accept)
	}
	return c.do(ctx, http.MethodGet, url, nil, header)
}

func (c *client) post(ctx context.Context, url, contentType string, body []byte, header http.Header) (*answer, error) {
	if header == nil {
		header = http.Header{}
	}
	header.Set("Content-Type", contentType)
	return c.do(ctx, http.MethodPost, url, body, header)
}

func (c *client) do(ctx context.Context, method, url string, body []byte, header http.Header) (*answer, error) {
	if header.Get("Authorization") != "" {
		return exchange(ctx, c.strict, method, url, body, header)
	}
	return exchange(ctx, c.http, method, url, body, header)
}

func exchange(ctx context.Context, client *http.Client, method, url string, body []byte, header http.Header) (*answer, error) {
	if !strings.HasPrefix(url, "https://") {
		return nil, errors.New("the URL is not https")
	}
	request, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("make a request: %w", err)
	}
	request.Header = header
	header.Set("User-Agent", "tegata-doctor")
	response, err := client.Do(request)
	if err != nil {
		return nil, err //nolint:wrapcheck // short takes it apart
	}
	defer func() { _ = response.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(response.Body, maxBody))
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	return &answer{status: response.StatusCode, header: response.Header, body: data, tls: response.TLS}, nil
}
