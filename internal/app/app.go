// Package app wires a process from its configuration: it is the one place
// where the roles meet the stores, the keys and the clock. The subcommands of
// cmd/tegata are thin covers of this package.
package app

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"golang.org/x/sync/errgroup"

	"github.com/tegata-id/tegata/credentials/trust/jpki/jpkitest"
	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/internal/database"
	"github.com/tegata-id/tegata/internal/fetch"
	"github.com/tegata-id/tegata/internal/httpd"
	"github.com/tegata-id/tegata/internal/httpd/listen"
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

// App is a process: its tenants, listeners and stores.
type App struct {
	cfg      *config.Config
	opt      Options
	registry *prometheus.Registry
	metrics  *telemetry.HTTPMetrics
	observed *roleMetrics
	expiry   *certificates
	tracing  *telemetry.Tracing
	health   *listen.Health
	db       *database.DB
	backend  session.Backend
	keys     session.Keys
	roots    []*x509.Certificate
	keyring  config.Keyring
	shared   shared
	limiter  *httpd.RateLimiter // nil if it is off

	fronts map[string]*front // by listen address
	admin  net.Listener
	jobs   []func(context.Context)

	// mu guards what a reload changes.
	mu      sync.Mutex
	tenants map[string]*tenant // by name
	// running is the life of the process; nil before Run.
	running context.Context
	work    sync.WaitGroup
}

// New builds a process and opens its stores and listeners. Every key is proven:
// it signs, the signature verifies, and the certificate is for it and valid.
// Close releases everything if Run is not called.
func New(ctx context.Context, cfg *config.Config, opt Options) (app *App, err error) {
	a := &App{
		cfg: cfg, opt: opt, registry: telemetry.NewRegistry(), health: listen.NewHealth(),
		fronts: map[string]*front{}, tenants: map[string]*tenant{},
	}
	if limit := cfg.RateLimit; !limit.Off {
		a.limiter = httpd.NewRateLimiter(limit.PerSecond, limit.Burst, opt.Now)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.Close())
		}
	}()
	a.metrics = telemetry.NewHTTPMetrics(a.registry)
	a.observed = newRoleMetrics(a.registry, opt.Now)
	a.watchCertificates()
	if cfg.Outbound.Roots != "" {
		if a.roots, err = config.LoadCertificates("outbound.roots_file", cfg.Outbound.Roots); err != nil {
			return nil, err
		}
	}
	if err := a.openTracing(ctx); err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	if err := a.openStores(ctx); err != nil {
		return nil, err
	}
	tenants, err := a.buildTenants(ctx, cfg.Tenants())
	if err != nil {
		return nil, err
	}
	if err := a.openFronts(tenants); err != nil {
		return nil, err
	}
	a.install(tenants)
	if cfg.Admin != "" {
		if a.admin, err = net.Listen("tcp", cfg.Admin); err != nil {
			return nil, fmt.Errorf("admin_listen: %w", err)
		}
	}
	return a, nil
}

// sessions returns the session store of one tenant of a role.
func (a *App) sessions(role, tenant string) *session.Store {
	return a.fenced(session.New(a.backend, a.keys, role+"/"+tenant, a.opt.Now), role, tenant)
}

// client returns a client for one purpose that reads at most maxBytes. hosts
// were set by the operator; the addresses of all other requests came from
// messages.
func (a *App) client(purpose string, maxBytes int64, hosts ...string) (*fetch.Client, error) {
	return a.newClient(fetch.Options{Purpose: purpose, MaxBytes: maxBytes, AllowedHosts: hosts})
}

// newClient adds to the options what is the same for every client.
func (a *App) newClient(o fetch.Options) (*fetch.Client, error) {
	o.ExtraRoots, o.AllowLoopback = a.roots, a.cfg.Outbound.AllowLoopback
	o.Now, o.Tracer = a.opt.Now, a.tracing.Tracer()
	return fetch.New(o)
}

// Run serves until ctx ends, drains, and closes the stores. It returns nil
// after a clean end.
func (a *App) Run(ctx context.Context) error {
	group, running := errgroup.WithContext(ctx)
	for _, f := range a.fronts {
		a.opt.Log.LogAttrs(ctx, slog.LevelInfo, "listening", slog.String("address", f.listener.Addr().String()))
		group.Go(func() error { return f.serve(running) })
	}
	if a.admin != nil {
		handler := listen.Admin(a.registry, a.health)
		group.Go(func() error { return listen.ServeAdmin(running, a.admin, handler, a.opt.Log) })
	}
	for _, job := range a.jobs {
		group.Go(func() error { job(running); return nil })
	}
	a.mu.Lock()
	a.running = running
	for _, t := range a.tenants {
		a.start(t)
	}
	a.mu.Unlock()
	err := group.Wait()
	a.work.Wait()
	a.closeTracing()
	return errors.Join(err, a.closeStores(), a.keyring.Close())
}

// Close releases stores and listeners of a process that does not run.
func (a *App) Close() error {
	var failures []error
	for _, f := range a.fronts {
		failures = append(failures, f.listener.Close())
	}
	if a.admin != nil {
		failures = append(failures, a.admin.Close())
	}
	a.closeTracing()
	return errors.Join(append(failures, a.closeStores(), a.keyring.Close())...)
}

// AdminAddress returns host:port of the admin listener, or "" without one.
func (a *App) AdminAddress() string {
	if a.admin == nil {
		return ""
	}
	return a.admin.Addr().String()
}

// Routes returns the routes of a tenant by the name of its section, such as
// issuer or city-tegata/issuer.
func (a *App) Routes(name string) []httpd.Route {
	a.mu.Lock()
	defer a.mu.Unlock()
	if t, ok := a.tenants[name]; ok {
		return t.server.Routes()
	}
	return nil
}

// lastSpans is how long the end of a process waits for its last spans to be
// delivered.
const lastSpans = 3 * time.Second

func (a *App) openTracing(ctx context.Context) (err error) {
	o := telemetry.TraceOptions{Roots: a.roots, Log: a.opt.Log, Exporter: a.opt.Spans, SampleRatio: 1}
	if c := a.cfg.Telemetry; c != nil {
		o.Endpoint, o.SampleRatio = c.OTLPEndpoint, c.SampleRatio
	} else if o.Exporter == nil {
		return nil
	}
	a.tracing, err = telemetry.NewTracing(ctx, o)
	return err
}

// closeTracing delivers the last spans. A receiver that is away is no reason to
// call the end of a process unclean; the log has it.
func (a *App) closeTracing() {
	ctx, cancel := context.WithTimeout(context.Background(), lastSpans)
	defer cancel()
	if err := a.tracing.Shutdown(ctx); err != nil {
		a.opt.Log.Warn("the last spans were not delivered", "cause", err.Error())
	}
	a.tracing = nil
}

// Serve runs the process that a configuration file describes, until ctx ends
// and everything in flight has been answered. Whenever reload receives, the file
// is read again and the tenants in it are put in the place of those that serve.
func Serve(ctx context.Context, path string, logs io.Writer, reload <-chan os.Signal) error {
	cfg, err := config.Load(path)
	if err != nil {
		return err
	}
	log, err := cfg.Log.Logger(logs)
	if err != nil {
		return err
	}
	a, err := New(ctx, cfg, Options{Log: log, Now: time.Now})
	if err != nil {
		return err
	}
	group, running := errgroup.WithContext(ctx)
	ended, end := context.WithCancel(running)
	group.Go(func() error {
		defer end()
		return a.Run(running)
	})
	group.Go(func() error {
		for {
			select {
			case <-ended.Done():
				return nil
			case <-reload:
				a.reloadFile(ended, path)
			}
		}
	})
	return group.Wait()
}
