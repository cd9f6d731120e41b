package fetch

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
	"net/url"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/tegata-id/tegata/internal/telemetry"
)

// The limits of a client that sets none itself.
const (
	DefaultMaxBytes    = 1 << 20 // bytes
	DefaultTimeout     = 10 * time.Second
	DefaultConcurrency = 16
	maxHeaderBytes     = 32 << 10
	maxURLLength       = 8 << 10
)

// Options configure a Client. The zero value of every limit means its default.
type Options struct {
	// Purpose says in errors what the client is for: "status lists".
	Purpose string
	// ExtraRoots are trusted beside the roots of the system.
	ExtraRoots []*x509.Certificate
	// OnlyRoots, if there are any, are trusted in place of all others.
	OnlyRoots []*x509.Certificate
	// ClientCertificate returns what is shown to servers that ask who the
	// client is. Optional.
	ClientCertificate func() (*tls.Certificate, error)
	// AllowLoopback lists host:port pairs that may resolve to a loopback
	// address, for tests and local demonstrations. Production refuses it
	// when it reads the configuration.
	AllowLoopback []string
	// AllowedHosts lists host:port pairs that the operator set and that may
	// be anywhere, private networks and other ports than 443 included.
	AllowedHosts []string
	// AllowPlain lists host:port pairs that the operator set and that may be
	// asked by http, because what comes from there is signed and is verified:
	// OCSP responders and revocation lists. They may be anywhere.
	AllowPlain []string
	// MaxBytes limits the body.
	MaxBytes int64
	// Timeout bounds everything from waiting for a free place to the last
	// byte of the body.
	Timeout time.Duration
	// Concurrency is how many requests run at once; others wait.
	Concurrency int
	// Tracer makes a span for every request, without its URL. Optional. No
	// trace context is sent along.
	Tracer trace.Tracer
	// Now is the clock for the validity of certificates. Required.
	Now func() time.Time
}

// Client makes requests for one purpose. It is safe for concurrent use.
type Client struct {
	options Options
	guard   *guard
	http    *http.Client
	places  chan struct{}
}

// Response is an answer that was read to its end.
type Response struct {
	Status int
	// ContentType is the media type in lower case, without parameters.
	ContentType string
	Header      http.Header
	Body        []byte
}

// New makes a client. It fails on options that contradict the limits above.
func New(options Options) (*Client, error) {
	if options.Now == nil {
		return nil, errors.New("a client needs a clock")
	}
	if options.MaxBytes <= 0 {
		options.MaxBytes = DefaultMaxBytes
	}
	if options.Timeout <= 0 {
		options.Timeout = DefaultTimeout
	}
	if options.Concurrency <= 0 {
		options.Concurrency = DefaultConcurrency
	}
	if options.Tracer == nil {
		options.Tracer = telemetry.NoTracer()
	}
	g, err := newGuard(options)
	if err != nil {
		return nil, err
	}
	c := &Client{options: options, guard: g, places: make(chan struct{}, options.Concurrency)}
	c.http = &http.Client{
		Transport: &http.Transport{
			Proxy:                  nil, // not from the environment
			DialContext:            g.dial,
			TLSClientConfig:        tlsConfig(options),
			TLSHandshakeTimeout:    options.Timeout,
			DisableCompression:     true, // what is limited is what arrives
			ForceAttemptHTTP2:      true,
			MaxResponseHeaderBytes: maxHeaderBytes,
			MaxIdleConnsPerHost:    2,
			MaxConnsPerHost:        options.Concurrency,
			IdleConnTimeout:        30 * time.Second,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return ErrRedirect },
	}
	return c, nil
}

func tlsConfig(o Options) *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12, Time: o.Now}
	if len(o.OnlyRoots) > 0 {
		c.RootCAs = x509.NewCertPool()
		for _, root := range o.OnlyRoots {
			c.RootCAs.AddCert(root)
		}
	} else {
		c.RootCAs = roots(o.ExtraRoots)
	}
	if o.ClientCertificate != nil {
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return o.ClientCertificate() }
	}
	return c
}

// roots adds the extra certificates to the roots of the system, which a minimal
// container may not have.
func roots(extra []*x509.Certificate) *x509.CertPool {
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	for _, certificate := range extra {
		pool.AddCert(certificate)
	}
	return pool
}

// CloseIdleConnections closes connections that are kept for later requests.
func (c *Client) CloseIdleConnections() { c.http.CloseIdleConnections() }

// Get fetches a URL. With media types in accept, in lower case, an answer of
// another type is refused. A status outside the 200s is a *StatusError.
func (c *Client) Get(ctx context.Context, rawURL string, accept ...string) (*Response, error) {
	return c.GetWith(ctx, rawURL, nil, accept...)
}

// GetWith is Get with headers of the caller's, such as Authorization.
func (c *Client) GetWith(ctx context.Context, rawURL string, headers http.Header, accept ...string) (*Response, error) {
	header := http.Header{}
	for name, values := range headers {
		header[http.CanonicalHeaderKey(name)] = values
	}
	if len(accept) > 0 {
		header.Set("Accept", strings.Join(accept, ", "))
	}
	return c.do(ctx, http.MethodGet, rawURL, nil, header, accept)
}

// Post sends a body and returns the answer of whatever type. The headers are added to
// the request and may be nil. A status outside the 200s is a *StatusError, whose
// response holds the body that explains it.
func (c *Client) Post(ctx context.Context, rawURL, contentType string, body []byte, headers http.Header) (*Response, error) {
	header := http.Header{}
	for name, values := range headers {
		header[http.CanonicalHeaderKey(name)] = values
	}
	header.Set("Content-Type", contentType)
	return c.do(ctx, http.MethodPost, rawURL, body, header, nil)
}

func (c *Client) do(ctx context.Context, method, rawURL string, body []byte, header http.Header, accept []string) (*Response, error) {
	ctx, end := c.span(ctx, method)
	response, err := c.exchange(ctx, method, rawURL, body, header)
	end(rawURL, response, err)
	if err != nil {
		return nil, c.wrap(err)
	}
	if response.Status < 200 || response.Status > 299 {
		return nil, c.wrap(&StatusError{Response: response})
	}
	if len(accept) > 0 && !slices.Contains(accept, response.ContentType) {
		return nil, c.wrap(ErrContentType)
	}
	return response, nil
}

func (c *Client) exchange(ctx context.Context, method, rawURL string, body []byte, header http.Header) (*Response, error) {
	if len(rawURL) > maxURLLength {
		return nil, blocked("the URL is too long")
	}
	u, err := c.guard.parse(rawURL)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	select {
	case c.places <- struct{}{}:
		defer func() { <-c.places }()
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for other requests: %w", ctx.Err())
	}
	u.Fragment, u.RawFragment = "", ""
	request, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, blocked("no request can be made of it")
	}
	request.Header = header
	if header.Get("User-Agent") == "" {
		header.Set("User-Agent", "tegata")
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, err //nolint:wrapcheck // wrap takes it apart
	}
	defer func() { _ = response.Body.Close() }()
	return c.read(response)
}

func (c *Client) read(response *http.Response) (*Response, error) {
	if encoding := response.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return nil, fmt.Errorf("%w: a content encoding", ErrContentType)
	}
	if response.ContentLength > c.options.MaxBytes {
		return nil, ErrTooLarge
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, c.options.MaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	if int64(len(body)) > c.options.MaxBytes {
		return nil, ErrTooLarge
	}
	mediaType, _, err := mime.ParseMediaType(response.Header.Get("Content-Type"))
	if err != nil {
		mediaType = "" // as good as none
	}
	return &Response{Status: response.StatusCode, ContentType: mediaType, Header: response.Header, Body: body}, nil
}

// wrap names the purpose, and takes the URL out of the error: it may hold what
// only its recipient should know.
func (c *Client) wrap(err error) error {
	var withURL *url.Error
	if errors.As(err, &withURL) {
		err = withURL.Err
	}
	return fmt.Errorf("fetch %s: %w", c.options.Purpose, err)
}
