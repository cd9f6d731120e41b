package statusadmin

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"time"

	"github.com/tegata-id/tegata/credentials/status"
)

// client fetches what the operator's own service publishes.
type client struct {
	http      *http.Client
	transport *http.Transport
}

func newClient(roots []*x509.Certificate) *client {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if pool, err := x509.SystemCertPool(); err == nil && len(roots) > 0 {
		for _, root := range roots {
			pool.AddCert(root)
		}
		config.RootCAs = pool
	}
	transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true, Proxy: http.ProxyFromEnvironment}
	return &client{transport: transport, http: &http.Client{
		Transport: transport, Timeout: 20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (c *client) close() { c.transport.CloseIdleConnections() }

// answer is what was served. unchanged says that it is what the client has.
type answer struct {
	body      []byte
	tag       string
	unchanged bool
}

// maxBody has room for the largest list in base64.
const maxBody = 2 * status.MaxCompressedSize

// get fetches a document of a media type. With tag it says that it has it.
func (c *client) get(ctx context.Context, target, mediaType, tag string) (*answer, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", mediaType)
	request.Header.Set("Cache-Control", "no-cache")
	if tag != "" {
		request.Header.Set("If-None-Match", tag)
	}
	response, err := c.http.Do(request)
	if err != nil {
		var failed *url.Error
		if errors.As(err, &failed) {
			err = failed.Err // without the address, which is said already
		}
		return nil, fmt.Errorf("it can't be fetched: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	a := &answer{tag: response.Header.Get("ETag")}
	if tag != "" && response.StatusCode == http.StatusNotModified {
		a.unchanged = true
		return a, nil
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the answer is %d", response.StatusCode)
	}
	if got, _, err := mime.ParseMediaType(response.Header.Get("Content-Type")); err != nil || got != mediaType {
		return nil, fmt.Errorf("it is not served as %s", mediaType)
	}
	a.body, err = io.ReadAll(io.LimitReader(response.Body, maxBody+1))
	if err == nil && len(a.body) > maxBody {
		err = fmt.Errorf("it has more than %d bytes", maxBody)
	}
	return a, err
}
