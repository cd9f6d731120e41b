package listen

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/tegata-id/tegata/internal/httpd"
	"github.com/tegata-id/tegata/internal/telemetry"
)

// The limits of a front that sets none itself.
const (
	DefaultMaxHeaderBytes = 64 << 10         // bytes
	DefaultHeaderTimeout  = 5 * time.Second  // reading the header
	DefaultReadTimeout    = 20 * time.Second // reading header and body
	DefaultWriteTimeout   = 60 * time.Second // from the end of the header to the end of the answer
	DefaultIdleTimeout    = 75 * time.Second
	DefaultDrainTimeout   = 25 * time.Second
	DefaultMaxConnections = 20_000
	DefaultMaxPerAddress  = 1_000
	maxConcurrentStreams  = 100 // HTTP/2 requests at once on one connection
)

// Options configure a Front. The zero value of every limit means its
// default.
type Options struct {
	// Name names the front in logs and metrics.
	Name string
	// Logger and Metrics receive what happens. Without them it is dropped.
	Logger  *slog.Logger
	Metrics *telemetry.HTTPMetrics
	// Now is the clock. Required.
	Now func() time.Time
	// Health is told when the front starts to drain. Optional.
	Health *Health

	// MaxHeaderBytes limits the request line and the header fields together.
	MaxHeaderBytes int
	// MaxConnections limits open connections, MaxPerAddress those of one IPv4
	// address or IPv6 /64. Trusted proxies are not limited per address.
	MaxConnections, MaxPerAddress int
	// TrustedProxies are the networks whose X-Forwarded-For is believed.
	TrustedProxies []netip.Prefix
	// AskCertificates asks every client for a certificate and lets those without
	// one in, too. People's browsers would ask them to choose one: it is for
	// programs alone.
	AskCertificates bool

	HeaderTimeout, ReadTimeout, WriteTimeout, IdleTimeout time.Duration
	// DrainDelay is the time between turning unready and refusing new
	// connections, for load balancers to notice.
	DrainDelay time.Duration
	// DrainTimeout bounds the time that requests have to finish.
	DrainTimeout time.Duration
}

// Front listens for the servers of many tenants and hands each request to the
// one that it is for, by origin and path. The servers may be exchanged while it
// serves: a request is answered to its end by the server that it came to.
type Front struct {
	options Options
	unknown *httpd.Server // answers what is for nobody
	sites   atomic.Pointer[sites]
}

// Site is a server with its certificate.
type Site struct {
	Server *httpd.Server
	// Host is the host, and the port unless it is 443, under which the server
	// is known here. Empty means that of its origin.
	Host string
	// Certificate is asked at every handshake, so that renewed ones are picked
	// up. It is nil where a proxy ends TLS.
	Certificate func() (*tls.Certificate, error)
}

// New makes a front without servers.
func New(o Options) (*Front, error) {
	if o.Logger == nil {
		o.Logger = telemetry.DiscardLogger()
	}
	if o.Health == nil {
		o.Health = NewHealth()
	}
	o.MaxHeaderBytes = cmp.Or(o.MaxHeaderBytes, DefaultMaxHeaderBytes)
	o.MaxConnections = cmp.Or(o.MaxConnections, DefaultMaxConnections)
	o.MaxPerAddress = cmp.Or(o.MaxPerAddress, DefaultMaxPerAddress)
	o.HeaderTimeout = cmp.Or(o.HeaderTimeout, DefaultHeaderTimeout)
	o.ReadTimeout = cmp.Or(o.ReadTimeout, DefaultReadTimeout)
	o.WriteTimeout = cmp.Or(o.WriteTimeout, DefaultWriteTimeout)
	o.IdleTimeout = cmp.Or(o.IdleTimeout, DefaultIdleTimeout)
	o.DrainTimeout = cmp.Or(o.DrainTimeout, DefaultDrainTimeout)
	unknown, err := httpd.New(httpd.Options{Name: o.Name, Origin: "https://unknown.invalid", Logger: o.Logger, Metrics: o.Metrics, Now: o.Now})
	if err != nil {
		return nil, err
	}
	f := &Front{options: o, unknown: unknown}
	f.SetSites(nil)
	return f, nil
}

// sites finds servers. It never changes.
type sites struct {
	// origins has the servers of each host and port by path.
	origins map[string]map[string]*httpd.Server
	// only is the host and port that all servers share, or "".
	only string
	// certificates are by host name; the first one is for clients that name
	// none.
	certificates map[string]func() (*tls.Certificate, error)
	first        func() (*tls.Certificate, error)
}

// SetSites exchanges the servers. Requests that are being answered are not
// touched.
func (f *Front) SetSites(list []Site) {
	s := &sites{origins: map[string]map[string]*httpd.Server{}, certificates: map[string]func() (*tls.Certificate, error){}}
	for _, site := range list {
		origin, _ := url.Parse(site.Server.Origin()) // which its server has read before
		host := hostKey(origin, cmp.Or(site.Host, origin.Host))
		if s.origins[host] == nil {
			s.origins[host] = map[string]*httpd.Server{}
		}
		s.origins[host][site.Server.Path()] = site.Server
		s.only = host
		if site.Certificate == nil {
			continue
		}
		s.certificates[(&url.URL{Host: cmp.Or(site.Host, origin.Host)}).Hostname()] = site.Certificate
		if s.first == nil {
			s.first = site.Certificate
		}
	}
	if len(s.origins) != 1 {
		s.only = ""
	}
	f.sites.Store(s)
}

// hostKey leaves out the port that goes without saying.
func hostKey(origin *url.URL, host string) string {
	port := ":443"
	if origin != nil && origin.Scheme == "http" {
		port = ":80"
	}
	return strings.TrimSuffix(strings.ToLower(host), port)
}

// wellKnown is what paths begin with whose tenant comes after a name.
const wellKnown = "/.well-known/"

// find returns the server that a request is for, or nil. Where all servers share
// an origin, the host does not matter: a proxy may have its own name for it.
func (s *sites) find(r *http.Request) *httpd.Server {
	host := cmp.Or(s.only, hostKey(nil, r.Host))
	servers := s.origins[host]
	path := echo.GetPath(r)
	if rest, ok := strings.CutPrefix(path, wellKnown); ok {
		_, rest, found := strings.Cut(rest, "/")
		if path = ""; found {
			path = "/" + rest
		}
	}
	if server, ok := servers[""]; ok {
		return server
	}
	// No tenant's path begins with another's, so that the first is the only.
	for i := 1; i < len(path); i++ {
		if path[i] != '/' {
			continue
		}
		if server, ok := servers[path[:i]]; ok {
			return server
		}
	}
	return servers[path]
}

// ServeHTTP implements http.Handler.
func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	server := f.sites.Load().find(r)
	if server == nil {
		server = f.unknown
	}
	server.Handler().ServeHTTP(w, r)
}

// certificate is asked at every handshake.
func (f *Front) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	s := f.sites.Load()
	if certificate, ok := s.certificates[strings.ToLower(strings.TrimSuffix(hello.ServerName, "."))]; ok {
		return certificate()
	}
	if s.first == nil {
		return nil, errors.New("no server has a certificate")
	}
	return s.first()
}

// Serve answers requests on the listener until ctx ends, then drains: the
// health turns unready, DrainDelay passes, the listener closes, and requests in
// flight get DrainTimeout to finish. It returns nil after a clean drain and an
// error if requests had to be cut off or the listener failed. Without TLS it
// serves plain HTTP, for a proxy on the same machine. Serve is called once.
func (f *Front) Serve(ctx context.Context, listener net.Listener, withTLS bool) error {
	o := f.options
	server := &http.Server{
		Handler:           f,
		ReadHeaderTimeout: o.HeaderTimeout,
		ReadTimeout:       o.ReadTimeout,
		WriteTimeout:      o.WriteTimeout,
		IdleTimeout:       o.IdleTimeout,
		MaxHeaderBytes:    o.MaxHeaderBytes,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: maxConcurrentStreams},
		// Handshakes that fail and the like: of interest when looking for
		// something, noise from scanners otherwise, and they hold addresses.
		ErrorLog: slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug),
	}
	limited := f.limitConnections(listener)
	if !withTLS {
		return serve(ctx, server, o, func() error { return server.Serve(limited) })
	}
	server.TLSConfig = TLSConfig(f.certificate)
	if o.AskCertificates {
		// They are judged request by request, by who knows the clients.
		server.TLSConfig.ClientAuth = tls.RequestClientCert
	}
	return serve(ctx, server, o, func() error { return server.ServeTLS(limited, "", "") })
}
