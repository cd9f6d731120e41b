package doctor

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/url"
	"time"
)

// The clocks of wallets and services may be this far apart. Proofs carry times
// that are accepted for a minute or so.
const (
	skewWarning = 5 * time.Second
	skewFault   = 30 * time.Second
)

// tls looks at how the origin is reached. It returns false if it can't be.
func (d *doctor) tls(ctx context.Context, origin string) bool {
	u, err := url.Parse(origin)
	if err != nil {
		return false
	}
	before := d.opt.Now()
	a, err := d.client.get(ctx, origin+"/", "")
	if err != nil {
		d.unreachable(origin, err)
		return false
	}
	d.clock(origin, a, before, d.opt.Now())
	good := d.versions(ctx, origin, a.tls)
	good = d.chain(origin, u.Hostname(), a.tls.PeerCertificates) && good
	d.trusted[origin] = good
	return true
}

func (d *doctor) unreachable(origin string, err error) {
	var dns *net.DNSError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &dns):
		d.Fault(origin, "add the name to the DNS", "the name does not resolve")
	case errors.As(err, &record) || errors.Is(err, http.ErrSchemeMismatch):
		d.Fault(origin, "configure tls for the role, or let the proxy end TLS on this port", "what answers does not speak TLS")
	default:
		d.Fault(origin, "start the service, and compare listen, the proxy and the firewall with the origin", "cannot be reached: %s", short(err))
	}
}

// versions demands TLS 1.2 or newer and nothing older beside it.
func (d *doctor) versions(ctx context.Context, origin string, state *tls.ConnectionState) bool {
	const fix = "switch everything below TLS 1.2 off at the service or the proxy"
	if state.Version < tls.VersionTLS12 {
		d.Fault(origin, fix, "TLS: only %s is spoken", tls.VersionName(state.Version))
		return false
	}
	old := newHTTP(d.opt, inspecting(tls.VersionTLS11))
	defer old.CloseIdleConnections()
	if a, err := exchange(ctx, old, http.MethodGet, origin+"/", nil, http.Header{}); err == nil {
		d.Fault(origin, fix, "TLS: %s is accepted", tls.VersionName(a.tls.Version))
		return false
	}
	d.OK(origin, "%s, nothing below TLS 1.2", tls.VersionName(state.Version))
	return true
}

// chain judges the certificates of the server, each fault by itself.
func (d *doctor) chain(origin, host string, certificates []*x509.Certificate) bool {
	leaf, now := certificates[0], d.opt.Now()
	faults := d.Count("fault")
	if err := leaf.VerifyHostname(host); err != nil {
		d.Fault(origin, "have the CA issue a certificate with "+host+" as subject alternative name", "TLS: the certificate is not for %s", host)
	}
	at := now
	for i, c := range certificates {
		switch {
		case now.After(c.NotAfter):
			at = c.NotAfter
			d.Fault(origin, "renew the certificate and load it", "TLS: certificate %d of the chain expired at %s", i, c.NotAfter.UTC().Format(time.RFC3339))
		case now.Before(c.NotBefore):
			at = c.NotBefore
			d.Fault(origin, "wait, or set the clock of this machine", "TLS: certificate %d of the chain is not valid before %s", i, c.NotBefore.UTC().Format(time.RFC3339))
		case c.NotAfter.Sub(now) < d.opt.Expiry:
			d.Warn(origin, "renew the certificate and load it", "TLS: certificate %d of the chain expires soon, at %s", i, c.NotAfter.UTC().Format(time.RFC3339))
		}
	}
	d.path(origin, certificates, at)
	if d.Count("fault") > faults {
		return false
	}
	d.OK(origin, "TLS: the certificate is for %s, trusted, and valid until %s", host, leaf.NotAfter.UTC().Format(time.DateOnly))
	return true
}

// path demands a path to a root at a time at which the certificates are valid.
func (d *doctor) path(origin string, certificates []*x509.Certificate, at time.Time) {
	intermediates := x509.NewCertPool()
	for _, c := range certificates[1:] {
		intermediates.AddCert(c)
	}
	leaf := certificates[0]
	_, err := leaf.Verify(x509.VerifyOptions{
		Roots: d.roots, Intermediates: intermediates, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	switch {
	case err == nil:
	case selfSigned(leaf):
		d.Fault(origin, "have a CA that wallets trust issue the certificate, or, in development, give it with --roots and trust it in the wallet",
			"TLS: the certificate is self-signed")
	case errors.As(err, &x509.UnknownAuthorityError{}):
		d.Fault(origin, "serve all intermediate certificates; if the CA is your own, name its root in outbound.roots_file or with --roots",
			"TLS: no path from the %d certificates served leads to a trusted root", len(certificates))
	default:
		d.Fault(origin, "have a CA that wallets trust issue a server certificate", "TLS: the chain is not acceptable: %s", err)
	}
}

// clock compares the Date header with our clock.
func (d *doctor) clock(origin string, a *answer, before, after time.Time) {
	date, err := http.ParseTime(a.header.Get("Date"))
	if err != nil {
		d.Warn(origin, "let the proxy pass the Date header on", "there is no Date header, so the clock could not be compared")
		return
	}
	// Dates are cut to seconds, and taken somewhere during the request.
	skew := time.Duration(0)
	switch {
	case date.Before(before.Add(-time.Second)):
		skew = before.Sub(date)
	case date.After(after):
		skew = date.Sub(after)
	}
	skew = skew.Round(time.Second)
	const fix = "synchronise the clocks of the server and of this machine (NTP)"
	switch {
	case skew >= skewFault:
		d.Fault(origin, fix, "the clock is %s away from that of this machine: proofs and tokens will be refused", skew)
	case skew >= skewWarning:
		d.Warn(origin, fix, "the clock is %s away from that of this machine", skew)
	default:
		d.OK(origin, "the clock agrees with that of this machine")
	}
}

func selfSigned(c *x509.Certificate) bool {
	return bytes.Equal(c.RawIssuer, c.RawSubject) && c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil
}
