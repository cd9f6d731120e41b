package httpd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// TLSConfig returns a configuration with certificates from certificate, which is
// asked at every handshake so that renewed ones are picked up: TLS 1.3, or 1.2
// with forward secrecy and authenticated encryption.
func TLSConfig(certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)) *tls.Config {
	return hardened(&tls.Config{GetCertificate: certificate})
}

// hardened returns a copy of config with our versions and cipher suites.
func hardened(config *tls.Config) *tls.Config {
	config = config.Clone()
	config.MinVersion = tls.VersionTLS12
	config.CipherSuites = []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
		tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	}
	return config
}

// Serve answers requests on the listener until ctx ends, then drains: the
// health turns unready, DrainDelay passes, the listener closes, and requests in
// flight get DrainTimeout to finish. It returns nil after a clean drain and an
// error if requests had to be cut off or the listener failed. A nil config
// serves plain HTTP, for a proxy on the same machine. Serve is called once.
func (s *Server) Serve(ctx context.Context, listener net.Listener, config *tls.Config) error {
	o := s.options
	server := &http.Server{
		Handler:           s.echo,
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
	limited := s.limitConnections(listener)
	if config == nil {
		return serve(ctx, server, o, func() error { return server.Serve(limited) })
	}
	server.TLSConfig = hardened(config)
	return serve(ctx, server, o, func() error { return server.ServeTLS(limited, "", "") })
}

// ServeAdmin serves the handler of Admin in plain HTTP until ctx ends. The
// listener must not be reachable from outside.
func ServeAdmin(ctx context.Context, listener net.Listener, handler http.Handler, logger *slog.Logger) error {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: DefaultHeaderTimeout,
		IdleTimeout:       DefaultIdleTimeout,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
	}
	options := Options{Name: "admin", Health: NewHealth(), DrainTimeout: time.Second}
	return serve(ctx, server, options, func() error { return server.Serve(listener) })
}

func serve(ctx context.Context, server *http.Server, o Options, run func() error) error {
	failed := make(chan error, 1)
	go func() { failed <- run() }()
	select {
	case err := <-failed:
		return fmt.Errorf("%s server: %w", o.Name, err)
	case <-ctx.Done():
	}
	o.Health.Drain()
	if o.DrainDelay > 0 {
		select {
		case err := <-failed:
			return fmt.Errorf("%s server while draining: %w", o.Name, err)
		case <-time.After(o.DrainDelay):
		}
	}
	// ctx has ended, so the time to finish needs a context of its own.
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), o.DrainTimeout)
	defer cancel()
	if err := server.Shutdown(drain); err != nil {
		closeErr := server.Close()
		return fmt.Errorf("%s server: requests were cut off: %w", o.Name, errors.Join(err, closeErr))
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("%s server: %w", o.Name, err)
	}
	return nil
}
