package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/internal/httpd/listen"
)

// front is a listener with what answers on it.
type front struct {
	*listen.Front
	listener net.Listener
	tls      bool
	// asks says that clients are asked for certificates.
	asks bool
}

func (f *front) serve(ctx context.Context) error { return f.Serve(ctx, f.listener, f.tls) }

// openFronts opens every listener that the tenants name.
func (a *App) openFronts(tenants map[string]*tenant) error {
	for _, t := range tenants {
		if err := a.openFront(t.Name()+".listen", t.Listen, t.TLS != nil, false); err != nil {
			return err
		}
		if address, _ := t.MutualTLS(); address != "" {
			if err := a.openFront(t.Name()+".mutual_tls.listen", address, true, true); err != nil {
				return err
			}
		}
	}
	return nil
}

func (a *App) openFront(key, address string, withTLS, asks bool) error {
	if a.fronts[address] != nil {
		return nil
	}
	proxies, err := a.cfg.Proxies()
	if err != nil {
		return err
	}
	handler, err := listen.New(listen.Options{
		Name: "front", TrustedProxies: proxies, AskCertificates: asks, Logger: a.opt.Log, Metrics: a.metrics, Now: a.opt.Now, Health: a.health,
		DrainTimeout: a.cfg.Drain.Or(listen.DefaultDrainTimeout),
	})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	a.fronts[address] = &front{Front: handler, listener: listener, tls: withTLS, asks: asks}
	return nil
}

// checkFronts reports what only a restart can change.
func (a *App) checkFronts(sections []config.Tenant) error {
	var failures []error
	for _, t := range sections {
		f := a.fronts[t.Listen]
		switch {
		case f == nil || f.asks:
			failures = append(failures, fmt.Errorf("%s.listen: a new address takes a restart", t.Name()))
		case f.tls != (t.TLS != nil):
			failures = append(failures, fmt.Errorf("%s.tls: to begin or end TLS on an address takes a restart", t.Name()))
		}
		address, _ := t.MutualTLS()
		if f := a.fronts[address]; address != "" && (f == nil || !f.asks) {
			failures = append(failures, fmt.Errorf("%s.mutual_tls.listen: a new address takes a restart", t.Name()))
		}
	}
	return errors.Join(failures...)
}

// install hands the tenants to the listeners, and watches what is theirs.
func (a *App) install(tenants map[string]*tenant) {
	var (
		sites   = map[string][]listen.Site{}
		signers []watchedCertificate
		ordered []*tenant
	)
	for _, t := range tenants {
		ordered = append(ordered, t)
	}
	slices.SortFunc(ordered, func(x, y *tenant) int { return strings.Compare(x.Name(), y.Name()) })
	a.observed.lists.reset()
	for _, t := range ordered {
		address := t.Listen
		sites[address] = append(sites[address], listen.Site{Server: t.server, Certificate: t.certificate})
		if address, host := t.MutualTLS(); address != "" {
			sites[address] = append(sites[address], listen.Site{Server: t.server, Host: host, Certificate: t.certificate})
		}
		signers = append(signers, t.signers...)
		if t.revocation != nil {
			a.observed.lists.watch(t.Endpoint.Tenant, t.revocation)
		}
	}
	for address, f := range a.fronts {
		f.SetSites(sites[address])
	}
	a.expiry.replace(signers)
	a.observed.countTenants(tenants)
	a.tenants = tenants
	a.shared.keep(tenants)
}

// serverCertificate loads the certificates of a tenant's origin. Tenants of one
// origin share them.
func (a *App) serverCertificate(t *tenant) error {
	ring, err := a.keyring.LoadRing(config.UseTLS, *t.TLS, a.opt.Now())
	if err != nil {
		return err
	}
	t.signers = append(t.signers, watchRing(t.Role, t.Endpoint.Tenant, config.UseTLS, ring))
	certificates := map[string]*tls.Certificate{}
	for _, entry := range ring.All() {
		certificate := entry.Key.TLSCertificate()
		certificates[string(entry.Key.Leaf().Raw)] = &certificate
	}
	t.certificate = func() (*tls.Certificate, error) {
		key, err := ring.At(a.opt.Now())
		if err != nil {
			return nil, err
		}
		return certificates[string(key.Leaf().Raw)], nil
	}
	return nil
}
