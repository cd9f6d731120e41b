package httpd

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"go.opentelemetry.io/otel/trace"

	"github.com/tegata-id/tegata/internal/telemetry"
)

// The limits of a server that sets none itself.
const (
	DefaultMaxBody         = 64 << 10         // bytes
	DefaultMaxHeaderBytes  = 64 << 10         // bytes
	DefaultHeaderTimeout   = 5 * time.Second  // reading the header
	DefaultReadTimeout     = 20 * time.Second // reading header and body
	DefaultWriteTimeout    = 60 * time.Second // from the end of the header to the end of the answer
	DefaultIdleTimeout     = 75 * time.Second
	DefaultDrainTimeout    = 25 * time.Second
	DefaultMaxConnections  = 20_000
	DefaultMaxPerAddress   = 1_000
	maxConcurrentStreams   = 100 // HTTP/2 requests at once on one connection
	strictTransportSeconds = 63_072_000
)

// Options configure a Server. The zero value of every limit means its default.
type Options struct {
	// Name names the server in logs and metrics: issuer, verifier, wallet.
	Name string
	// Origin is the external base URL without a path, as browsers and wallets
	// see it: https://issuer.example. Required. Plain http is for tests.
	Origin string
	// Logger and Metrics receive what happens. Without them it is dropped.
	Logger  *slog.Logger
	Metrics *telemetry.HTTPMetrics
	// Tracer makes a span for every request. Optional.
	Tracer trace.Tracer
	// Now is the clock. Required.
	Now func() time.Time
	// Health is told when the server starts to drain. Optional.
	Health *Health

	// MaxBody is the most bytes of a request body unless a route says
	// otherwise with BodyLimit.
	MaxBody int64
	// MaxHeaderBytes limits the request line and the header fields together.
	MaxHeaderBytes int
	// MaxConnections limits open connections, MaxPerAddress those of one IPv4
	// address or IPv6 /64. Trusted proxies are not limited per address.
	MaxConnections, MaxPerAddress int
	// TrustedProxies are the networks whose X-Forwarded-For is believed.
	TrustedProxies []netip.Prefix

	HeaderTimeout, ReadTimeout, WriteTimeout, IdleTimeout time.Duration
	// DrainDelay is the time between turning unready and refusing new
	// connections, for load balancers to notice.
	DrainDelay time.Duration
	// DrainTimeout bounds the time that requests have to finish.
	DrainTimeout time.Duration
}

// Server is an HTTP server with its routes. Mount all routes before Serve.
type Server struct {
	options Options
	origin  *url.URL
	echo    *echo.Echo
	cross   *http.CrossOriginProtection
	routes  routeTable
}

// New makes a server without routes. It fails when Now is missing or Origin is
// not an origin.
func New(options Options) (*Server, error) {
	if options.Now == nil {
		return nil, errors.New("a server needs a clock")
	}
	origin, err := parseOrigin(options.Origin)
	if err != nil {
		return nil, err
	}
	s := &Server{options: withDefaults(options), origin: origin, cross: http.NewCrossOriginProtection()}
	// Behind a proxy the Host header may differ from what the browser saw.
	if err := s.cross.AddTrustedOrigin(options.Origin); err != nil {
		return nil, fmt.Errorf("origin: %w", err)
	}
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.Logger.SetOutput(io.Discard) // its own log format would bypass ours
	e.IPExtractor = s.clientAddress
	e.HTTPErrorHandler = s.handleError
	e.OnAddRouteHandler = func(_ string, route echo.Route, _ echo.HandlerFunc, _ []echo.MiddlewareFunc) {
		s.routes.add(route)
	}
	e.Use(s.observe, s.prepare)
	s.echo = e
	return s, nil
}

// Echo returns the router for the handler files to mount their routes on.
func (s *Server) Echo() *echo.Echo { return s.echo }

// Handler returns the server's routes with everything around them, for tests
// and for other listeners.
func (s *Server) Handler() http.Handler { return s.echo }

// Origin returns the external base URL without a trailing slash.
func (s *Server) Origin() string { return s.options.Origin }

func withDefaults(o Options) Options {
	if o.Name == "" {
		o.Name = "http"
	}
	if o.Logger == nil {
		o.Logger = telemetry.DiscardLogger()
	}
	if o.Tracer == nil {
		o.Tracer = telemetry.NoTracer()
	}
	if o.Health == nil {
		o.Health = NewHealth()
	}
	setDefault(&o.MaxBody, DefaultMaxBody)
	setDefault(&o.MaxHeaderBytes, DefaultMaxHeaderBytes)
	setDefault(&o.MaxConnections, DefaultMaxConnections)
	setDefault(&o.MaxPerAddress, DefaultMaxPerAddress)
	setDefault(&o.HeaderTimeout, DefaultHeaderTimeout)
	setDefault(&o.ReadTimeout, DefaultReadTimeout)
	setDefault(&o.WriteTimeout, DefaultWriteTimeout)
	setDefault(&o.IdleTimeout, DefaultIdleTimeout)
	setDefault(&o.DrainTimeout, DefaultDrainTimeout)
	return o
}

func setDefault[T comparable](value *T, fallback T) {
	var zero T
	if *value == zero {
		*value = fallback
	}
}

func parseOrigin(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, errors.New("origin is not a URL")
	}
	if u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil ||
		raw != u.Scheme+"://"+u.Host || strings.ToLower(u.Host) != u.Host {
		return nil, fmt.Errorf("origin %q is not of the form https://host or https://host:port in lower case", raw)
	}
	return u, nil
}

// Route is a mounted route.
type Route struct {
	Method string
	// Path is the pattern with parameters written as :name and a trailing *.
	Path string
}

// Routes returns the mounted routes sorted by path and method. Routes that only
// answer preflight requests or unknown paths are left out.
func (s *Server) Routes() []Route {
	routes := slices.Clone(s.routes.list)
	slices.SortFunc(routes, func(a, b Route) int {
		if c := strings.Compare(a.Path, b.Path); c != 0 {
			return c
		}
		return strings.Compare(a.Method, b.Method)
	})
	return routes
}

// routeTable remembers the patterns, since the router reports parts of patterns
// for paths it does not know.
type routeTable struct {
	list     []Route
	patterns map[string]bool
}

func (t *routeTable) add(route echo.Route) {
	if route.Method == echo.RouteNotFound {
		return
	}
	if t.patterns == nil {
		t.patterns = map[string]bool{}
	}
	t.patterns[route.Path] = true
	if route.Method != http.MethodOptions && !slices.Contains(t.list, Route{route.Method, route.Path}) {
		t.list = append(t.list, Route{Method: route.Method, Path: route.Path})
	}
}

// has reports whether the route is mounted.
func (t *routeTable) has(method, path string) bool {
	return t.patterns[path] && slices.Contains(t.list, Route{Method: method, Path: path})
}

// pattern returns the route pattern of a routed request for logs and metrics.
func (t *routeTable) pattern(c echo.Context) string {
	if t.patterns[c.Path()] {
		return c.Path()
	}
	return "unmatched"
}
