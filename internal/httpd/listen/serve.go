package listen

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
	return &tls.Config{
		GetCertificate: certificate,
		MinVersion:     tls.VersionTLS12,
		CipherSuites: []uint16{
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
			tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		},
	}
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
