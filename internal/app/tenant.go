package app

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"time"

	"go.yaml.in/yaml/v3"
	"golang.org/x/sync/errgroup"

	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/internal/httpd"
)

// tenant is an issuer, a verifier or a wallet provider that serves.
type tenant struct {
	config.Tenant
	// fingerprint tells whether the section or a file that it names has
	// changed.
	fingerprint [sha256.Size]byte
	server      *httpd.Server
	certificate func() (*tls.Certificate, error)
	// signers are the certificates to be watched.
	signers []watchedCertificate
	// revocation is the checker of an issuer's evidence.
	revocation *trust.CRLChecker
	jobs       []func(context.Context)
	// shares are the names of what the tenant has in common with others.
	shares []string
	// stop ends the jobs.
	stop context.CancelFunc
}

// buildTenants makes what the sections describe, except for those that serve
// already and have not changed. All faults are reported together.
func (a *App) buildTenants(ctx context.Context, sections []config.Tenant) (map[string]*tenant, error) {
	var (
		list     = make([]*tenant, len(sections))
		failures = make([]error, len(sections))
		group    errgroup.Group
	)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for n, section := range sections {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			if list[n], failures[n] = a.buildTenant(section); failures[n] != nil {
				failures[n] = fmt.Errorf("%s: %w", section.Name(), failures[n])
			}
			return nil
		})
	}
	if err := errors.Join(append(failures, group.Wait())...); err != nil {
		return nil, err
	}
	tenants := map[string]*tenant{}
	for _, t := range list {
		tenants[t.Name()] = t
	}
	return tenants, nil
}

func (a *App) buildTenant(section config.Tenant) (*tenant, error) {
	fingerprint, err := fingerprintOf(section)
	if err != nil {
		return nil, err
	}
	if old, ok := a.tenants[section.Name()]; ok && old.fingerprint == fingerprint {
		return old, nil
	}
	t := &tenant{Tenant: section, fingerprint: fingerprint}
	proxies, err := a.cfg.Proxies()
	if err != nil {
		return nil, err
	}
	limiter := a.limiter
	if t.TLS == nil && len(proxies) == 0 {
		limiter = nil // everybody has the address of a proxy that nobody has named
	}
	if t.server, err = httpd.New(httpd.Options{
		Name: t.Role, Tenant: t.Endpoint.Tenant, Origin: t.Origin, Path: t.Path, TrustedProxies: proxies, Limiter: limiter,
		ClientCertHeader: section.Verifier != nil && section.Verifier.ByProxy(),
		Logger:           a.opt.Log, Metrics: a.metrics, Tracer: a.tracing.Tracer(), Now: a.opt.Now,
	}); err != nil {
		return nil, err
	}
	if t.TLS != nil {
		if err := a.serverCertificate(t); err != nil {
			return nil, err
		}
	}
	switch {
	case t.Issuer != nil:
		err = a.buildIssuer(t)
	case t.Verifier != nil:
		err = a.buildVerifier(t)
	default:
		err = a.buildProvider(t)
	}
	return t, err
}

// fingerprintOf digests the section and every file that it names.
func fingerprintOf(section config.Tenant) (sum [sha256.Size]byte, err error) {
	h := sha256.New()
	if err := yaml.NewEncoder(h).Encode(config.Roles{Issuer: section.Issuer, Verifier: section.Verifier, Provider: section.Provider}); err != nil {
		return sum, err
	}
	for _, file := range section.Files() {
		content, err := digest(file)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return sum, err
		}
		h.Write(content) // a file that is missing is reported by who needs it
	}
	h.Sum(sum[:0])
	return sum, nil
}

func digest(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return nil, err
	}
	return h.Sum(nil), nil
}

// spread is how long the jobs of many tenants take to begin: they would all ask
// the database at once. Each tenant adds this much.
const spread = 2 * time.Millisecond

// start begins the jobs of a tenant. The caller holds mu.
func (a *App) start(t *tenant) {
	if a.running == nil || t.stop != nil {
		return
	}
	ctx, stop := context.WithCancel(a.running)
	t.stop = stop
	delay := time.Duration(rand.Int64N(int64(len(a.tenants)) * int64(spread)))
	for _, job := range t.jobs {
		a.work.Go(func() {
			select {
			case <-ctx.Done():
			case <-time.After(delay):
				job(ctx)
			}
		})
	}
}
