package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"golang.org/x/sync/errgroup"

	"github.com/tegata-id/tegata/credentials/trust/jpki/jpkitest"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
	"github.com/tegata-id/tegata/internal/database"
	"github.com/tegata-id/tegata/internal/fetch"
	"github.com/tegata-id/tegata/internal/httpd"
	"github.com/tegata-id/tegata/internal/session"
	"github.com/tegata-id/tegata/internal/telemetry"
)

// Options are what a configuration file can't say.
type Options struct {
	Log *slog.Logger
	Now func() time.Time
	// TestJPKI, in mode test, lends its cards to the login page of the issuer.
	TestJPKI *jpkitest.JPKI
	// Spans, if set, receives the spans of every request, in place of the
	// receiver in the configuration.
	Spans sdktrace.SpanExporter
}

// App is a process: its roles, listeners and stores.
type App struct {
	cfg      *Config
	opt      Options
	registry *prometheus.Registry
	metrics  *telemetry.HTTPMetrics
	observed *roleMetrics
	expiry   *certificates
	tracing  *telemetry.Tracing
	health   *httpd.Health
	db       *database.DB
	backend  session.Backend
	keys     session.Keys
	roots    []*x509.Certificate
	keyring  keyring

	roles []*role
	admin net.Listener
	jobs  []func(context.Context)
}

// role is a role's server on its listener.
type role struct {
	name     string
	server   *httpd.Server
	listener net.Listener
	tls      *tls.Config
}

// New builds a process and opens its stores and listeners. Every key is proven:
// it signs, the signature verifies, and the certificate is for it and valid.
// Close releases everything if Run is not called.
func New(ctx context.Context, cfg *Config, opt Options) (app *App, err error) {
	a := &App{cfg: cfg, opt: opt, registry: telemetry.NewRegistry(), health: httpd.NewHealth()}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.Close())
		}
	}()
	a.metrics = telemetry.NewHTTPMetrics(a.registry)
	a.observed = newRoleMetrics(a.registry, opt.Now)
	a.watchCertificates()
	if cfg.Outbound.Roots != "" {
		if a.roots, err = loadCertificates("outbound.roots_file", cfg.Outbound.Roots); err != nil {
			return nil, err
		}
	}
	if err := a.openTracing(ctx); err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	if err := a.openStores(ctx); err != nil {
		return nil, err
	}
	if cfg.Provider != nil {
		if err := a.addProvider(cfg.Provider); err != nil {
			return nil, fmt.Errorf("wallet_provider: %w", err)
		}
	}
	if cfg.Issuer != nil {
		if err := a.addIssuer(cfg.Issuer); err != nil {
			return nil, fmt.Errorf("issuer: %w", err)
		}
	}
	if cfg.Verifier != nil {
		if err := a.addVerifier(cfg.Verifier); err != nil {
			return nil, fmt.Errorf("verifier: %w", err)
		}
	}
	if cfg.Admin != "" {
		if a.admin, err = net.Listen("tcp", cfg.Admin); err != nil {
			return nil, fmt.Errorf("admin_listen: %w", err)
		}
	}
	return a, nil
}

// addServer makes the server of a role and opens its listener.
func (a *App) addServer(name string, c ListenConfig) (*httpd.Server, error) {
	server, err := httpd.New(httpd.Options{
		Name: name, Origin: c.Origin, Logger: a.opt.Log, Metrics: a.metrics, Tracer: a.tracing.Tracer(), Now: a.opt.Now,
		Health: a.health, DrainTimeout: a.cfg.Drain.or(httpd.DefaultDrainTimeout),
	})
	if err != nil {
		return nil, err
	}
	r := &role{name: name, server: server}
	if c.TLS != nil {
		key, err := a.keyring.load(useTLS, *c.TLS, a.opt.Now())
		if err != nil {
			return nil, err
		}
		a.expiry.watch(name, c.Tenant, useTLS, key.Chain)
		certificate := trusttest.TLSCertificate(key)
		r.tls = httpd.TLSConfig(func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &certificate, nil })
	}
	if r.listener, err = net.Listen("tcp", c.Listen); err != nil {
		return nil, err
	}
	a.roles = append(a.roles, r)
	return server, nil
}

// sessions returns the session store of one tenant of a role.
func (a *App) sessions(role, tenant string) *session.Store {
	return a.fenced(session.New(a.backend, a.keys, role+"/"+tenant, a.opt.Now), role, tenant)
}

// client returns a client for one purpose that reads at most maxBytes. hosts
// were set by the operator; the addresses of all other requests came from
// messages.
func (a *App) client(purpose string, maxBytes int64, hosts ...string) (*fetch.Client, error) {
	return fetch.New(fetch.Options{
		Purpose: purpose, MaxBytes: maxBytes, ExtraRoots: a.roots,
		AllowLoopback: a.cfg.Outbound.AllowLoopback, AllowedHosts: hosts, Now: a.opt.Now,
		Tracer: a.tracing.Tracer(),
	})
}

// Run serves until ctx ends, drains, and closes the stores. It returns nil
// after a clean end.
func (a *App) Run(ctx context.Context) error {
	group, running := errgroup.WithContext(ctx)
	for _, r := range a.roles {
		a.opt.Log.LogAttrs(ctx, slog.LevelInfo, "listening",
			slog.String("role", r.name), slog.String("origin", r.server.Origin()), slog.String("address", r.listener.Addr().String()))
		group.Go(func() error { return r.server.Serve(running, r.listener, r.tls) })
	}
	if a.admin != nil {
		handler := httpd.Admin(a.registry, a.health)
		group.Go(func() error { return httpd.ServeAdmin(running, a.admin, handler, a.opt.Log) })
	}
	for _, job := range a.jobs {
		group.Go(func() error { job(running); return nil })
	}
	err := group.Wait()
	a.closeTracing()
	return errors.Join(err, a.closeStores(), a.keyring.close())
}

// Close releases stores and listeners of a process that does not run.
func (a *App) Close() error {
	var failures []error
	for _, r := range a.roles {
		failures = append(failures, r.listener.Close())
	}
	if a.admin != nil {
		failures = append(failures, a.admin.Close())
	}
	a.closeTracing()
	return errors.Join(append(failures, a.closeStores(), a.keyring.close())...)
}

// AdminAddress returns host:port of the admin listener, or "" without one.
func (a *App) AdminAddress() string {
	if a.admin == nil {
		return ""
	}
	return a.admin.Addr().String()
}

// Routes returns the routes of a role: issuer, verifier or wallet_provider.
func (a *App) Routes(name string) []httpd.Route {
	for _, r := range a.roles {
		if r.name == name {
			return r.server.Routes()
		}
	}
	return nil
}
