package httpd

import (
	"cmp"
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

// DefaultMaxBody is the limit of a server that sets none itself, in bytes.
const DefaultMaxBody = 64 << 10

// strictTransportSeconds is two years.
const strictTransportSeconds = 63_072_000

// Options configure a Server. The zero value of every limit means its default.
type Options struct {
	// Name names the server in logs and metrics: issuer, verifier, wallet.
	Name string
	// Tenant is whose server it is; every log line has it. Optional.
	Tenant string
	// Origin is the external base URL without a path, as browsers and wallets
	// see it: https://issuer.example. Required. Plain http is for tests.
	Origin string
	// Path is what the paths of all routes begin with, behind /.well-known and
	// a name for those that lie there (RFC 8615, RFC 8414 section 3.1). It is
	// left out of the route patterns in logs and metrics.
	Path string
	// Logger and Metrics receive what happens. Without them it is dropped.
	Logger  *slog.Logger
	Metrics *telemetry.HTTPMetrics
	// Tracer makes a span for every request. Optional.
	Tracer trace.Tracer
	// Now is the clock. Required.
	Now func() time.Time
	// TrustedProxies are the networks whose X-Forwarded-For is believed.
	TrustedProxies []netip.Prefix
	// ClientCertHeader has [Server.ClientCertificates] believe what trusted
	// proxies say of the certificates of clients. They must drop what clients
	// say of them.
	ClientCertHeader bool
	// Limiter is what [Server.LimitRate] asks; several servers may share it.
	// Optional.
	Limiter *RateLimiter
	// MaxBody is the most bytes of a request body unless a route says
	// otherwise with BodyLimit.
	MaxBody int64
}

// Server has the routes of one tenant. Package listen listens for it. Mount all routes
// before it gets requests.
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
	s.routes.prefix = options.Path
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

// Origin returns the external base URL without a path.
func (s *Server) Origin() string { return s.options.Origin }

// Path returns what the paths of all routes begin with, or "".
func (s *Server) Path() string { return s.options.Path }

func withDefaults(o Options) Options {
	o.Name = cmp.Or(o.Name, "http")
	if o.Logger == nil {
		o.Logger = telemetry.DiscardLogger()
	}
	if o.Tracer == nil {
		o.Tracer = telemetry.NoTracer()
	}
	o.MaxBody = cmp.Or(o.MaxBody, DefaultMaxBody)
	return o
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
	// Path is the pattern with parameters written as :name and a trailing *,
	// without the path of the server.
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

// wellKnown is what paths begin with whose tenant comes after a name.
const wellKnown = "/.well-known/"

// routeTable remembers the patterns, since the router reports parts of patterns
// for paths it does not know.
type routeTable struct {
	// prefix is the path of the server.
	prefix string
	list   []Route
	// patterns has what is told of each pattern of the router.
	patterns map[string]string
}

func (t *routeTable) add(route echo.Route) {
	if route.Method == echo.RouteNotFound {
		return
	}
	if t.patterns == nil {
		t.patterns = map[string]string{}
	}
	told := t.tell(route.Path)
	t.patterns[route.Path] = told
	if route.Method != http.MethodOptions && !slices.Contains(t.list, Route{route.Method, told}) {
		t.list = append(t.list, Route{Method: route.Method, Path: told})
	}
}

// tell leaves the path of the server out of a pattern: otherwise there would be
// as many patterns as tenants.
func (t *routeTable) tell(pattern string) string {
	if t.prefix == "" {
		return pattern
	}
	if strings.HasPrefix(pattern, wellKnown) {
		return strings.TrimSuffix(pattern, t.prefix)
	}
	return strings.TrimPrefix(pattern, t.prefix)
}

// has reports whether the route is mounted.
func (t *routeTable) has(method, pattern string) bool {
	told, ok := t.patterns[pattern]
	return ok && slices.Contains(t.list, Route{Method: method, Path: told})
}

// pattern returns the route pattern of a routed request for logs and metrics.
func (t *routeTable) pattern(c echo.Context) string {
	if told, ok := t.patterns[c.Path()]; ok {
		return told
	}
	return "unmatched"
}
