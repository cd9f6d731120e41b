// Package doctor looks at a running deployment from outside, as a wallet or a
// browser would, and says what is wrong with it and how to put it right. It
// asks over the network, changes nothing that lasts, and stays on the origins
// that it was given.
package doctor

import (
	"context"
	"crypto/x509"
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/internal/app/report"
)

// Target is a deployment. What is empty is not looked at.
type Target struct {
	// Issuers, Verifiers and Providers are identifiers, an origin or an origin
	// and a path, byte for byte as wallets know them.
	Issuers, Verifiers, Providers []string
	// Roots are trusted for TLS beside those of the system.
	Roots []*x509.Certificate
	// APITokens let the doctor start transactions, by verifier.
	APITokens map[string]string
	// VerifierAnchors are those of request objects, IssuerAnchors those of
	// status lists.
	VerifierAnchors, IssuerAnchors []trust.Anchor
	// StatusLists are the URLs of published status lists.
	StatusLists []string
}

// Options say how to look.
type Options struct {
	// Now is the clock that others are compared with. Required.
	Now func() time.Time
	// Expiry is how long before its end a certificate is warned about.
	Expiry time.Duration
	// Timeout bounds each request; 10 s if zero.
	Timeout time.Duration
}

// doctor collects what is found.
type doctor struct {
	*report.Report
	target Target
	opt    Options
	// trusted are the origins whose TLS was found good: secrets go to no other.
	trusted map[string]bool
	client  *client
	roots   *x509.CertPool
}

// rootPool adds the roots to those of the system, if it has any.
func rootPool(roots []*x509.Certificate) *x509.CertPool {
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	for _, root := range roots {
		pool.AddCert(root)
	}
	return pool
}

// Run looks at the deployment and adds what it finds to the report.
func Run(ctx context.Context, target Target, o Options, r *report.Report) {
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	d := &doctor{Report: r, target: target, opt: o, trusted: map[string]bool{}, roots: rootPool(target.Roots)}
	d.client = newClient(o, d.roots)
	defer d.client.close()
	reached := map[string]bool{}
	look := func(ids []string, at func(context.Context, string)) {
		for _, id := range ids {
			if !d.wellFormed(id) {
				continue
			}
			origin := originOf(id)
			if _, seen := reached[origin]; !seen {
				if reached[origin] = d.tls(ctx, origin); reached[origin] {
					d.admin(ctx, origin)
					d.absent(ctx, origin)
				}
			}
			if reached[origin] {
				at(ctx, id)
			}
		}
	}
	look(target.Issuers, d.issuer)
	look(target.Verifiers, d.verifier)
	look(target.Providers, d.provider)
	for _, list := range target.StatusLists {
		d.statusList(ctx, list)
	}
}

// originOf returns scheme, host and port of a URL.
func originOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// wellFormed checks the form of an identifier.
func (d *doctor) wellFormed(id string) bool {
	u, err := url.Parse(id)
	switch {
	case err != nil || u.Host == "":
		d.Fault(id, "give an origin such as https://issuer.example", "this is not a URL")
	case u.Scheme != "https":
		d.Fault(id, "serve it over https, on this machine as well: wallets refuse http", "the scheme is not https")
	case strings.HasSuffix(id, "/") || u.RawQuery != "" || u.Fragment != "" || u.User != nil:
		d.Fault(id, "give origin and path alone, without a slash at the end: identifiers are compared byte for byte", "this is more than an identifier")
	default:
		return true
	}
	return false
}

// admin looks for the routes of the admin listener where everybody is.
func (d *doctor) admin(ctx context.Context, origin string) {
	found := false
	for _, path := range []string{"/metrics", "/readyz", "/debug/pprof/"} {
		answer, err := d.client.get(ctx, origin+path, "")
		if err == nil && answer.status == 200 && strings.HasPrefix(answer.contentType(), "text/") && !strings.Contains(answer.contentType(), "html") ||
			err == nil && answer.status == 200 && path == "/debug/pprof/" {
			found = true
			d.Fault(origin+path, "let the proxy forward nothing to admin_listen, and bind that to an address of its own", "the admin listener answers on the public origin")
		}
	}
	if !found {
		d.OK(origin, "the admin listener is not on this origin")
	}
}

// get fetches a document and demands status 200 and a content type.
func (d *doctor) get(ctx context.Context, where, contentType, fix string) (*answer, bool) {
	a, err := d.client.get(ctx, where, contentType)
	switch {
	case err != nil:
		d.Fault(where, "look at the log of the service and of the proxy", "no answer: %s", short(err))
	case a.status != 200:
		d.Fault(where, fix, "the answer is %d and not 200", a.status)
	case a.contentType() != contentType:
		d.Fault(where, "let the proxy pass the service's Content-Type on", "the content type is %q and not %s: wallets refuse it", a.contentType(), contentType)
	default:
		return a, true
	}
	return nil, false
}

// short returns what went wrong with a request, without its URL.
func short(err error) string {
	var withURL *url.Error
	if errors.As(err, &withURL) {
		err = withURL.Err
	}
	return err.Error()
}
