package config

import (
	"net/url"
	"strings"

	"github.com/tegata-id/tegata/credentials/trust"
)

// MutualTLS lets relying parties authenticate to the API by client certificate.
// Either this process asks for certificates, at an address of its own, or trusted
// proxies do and hand them on.
type MutualTLS struct {
	// Listen is host:port of a listener beside the verifier's. People's browsers
	// never come there, and so are never asked for a certificate. Origin is what
	// relying parties call it; the verifier's server certificate must name it.
	Listen string `yaml:"listen,omitempty"`
	Origin string `yaml:"origin,omitempty"`
	// ByProxy believes what the proxies in trusted_proxies say in the header
	// Client-Cert (RFC 9440). They must drop what clients put there.
	ByProxy bool `yaml:"by_proxy,omitempty"`
	// CA is a PEM file with the authorities that certify relying parties by
	// name. It may be left out if all are known by the hashes of certificates.
	CA string `yaml:"ca_file,omitempty"`
}

// ClientAnchors returns the authorities that certify relying parties.
func (v *Verifier) ClientAnchors() ([]trust.Anchor, error) {
	if v.MutualTLS == nil || v.MutualTLS.CA == "" {
		return nil, nil
	}
	return LoadAnchors("mutual_tls.ca_file", []Anchor{{File: v.MutualTLS.CA}})
}

// ByProxy reports whether proxies hand the certificates of clients on.
func (v *Verifier) ByProxy() bool { return v.MutualTLS != nil && v.MutualTLS.ByProxy }

// MutualTLS returns host:port of the listener that asks clients for certificates,
// and what the tenant is called there, or "".
func (t *Tenant) MutualTLS() (listen, host string) {
	if t.Verifier == nil || t.Verifier.MutualTLS == nil || t.Verifier.MutualTLS.Listen == "" {
		return "", ""
	}
	u, err := url.Parse(t.Verifier.MutualTLS.Origin)
	if err != nil {
		return "", "" // found by check
	}
	return t.Verifier.MutualTLS.Listen, u.Host
}

func (m *MutualTLS) check(v *Verifier, mode Mode, f faults) {
	switch {
	case (m.Listen == "") == !m.ByProxy:
		f.add("mutual_tls", "either listen and origin, or by_proxy is needed")
	case m.ByProxy && m.Origin != "":
		f.add("mutual_tls.origin", "not with by_proxy")
	case m.ByProxy:
	case v.TLS == nil:
		f.add("mutual_tls.listen", "needs tls; where a proxy ends TLS, use by_proxy")
	default:
		checkOrigin("mutual_tls.origin", m.Origin, mode, f)
	}
}

// checkMutualTLS finds listeners for client certificates that are in the way of
// others, and proxies that are missing.
func (c *Config) checkMutualTLS(list *[]error) {
	listens, origins, own := map[string]bool{c.Admin: c.Admin != ""}, map[string]bool{}, map[string]string{}
	for _, t := range c.Tenants() {
		listens[t.Listen], origins[strings.ToLower(t.Origin)] = true, true
	}
	for _, t := range c.Tenants() {
		if t.Verifier == nil || t.Verifier.MutualTLS == nil {
			continue
		}
		m, f := t.Verifier.MutualTLS, faults{file: t.File, prefix: t.Name() + ".", list: list}
		if m.ByProxy && len(c.TrustedProxies) == 0 {
			f.add("mutual_tls.by_proxy", "needs trusted_proxies: anybody else could say whose certificate it is")
		}
		if m.Listen == "" {
			continue
		}
		if listens[m.Listen] {
			f.add("mutual_tls.listen", "%s is also an address of people's browsers or of the administration", m.Listen)
		}
		name := strings.ToLower(m.Origin)
		if origins[name] {
			f.add("mutual_tls.origin", "%s is also that of pages; name another host or port", m.Origin)
		}
		if other, ok := own[name+t.Path]; ok {
			f.add("mutual_tls.origin", "can't be told from that of %s", other)
		}
		own[name+t.Path] = t.Name()
	}
}
