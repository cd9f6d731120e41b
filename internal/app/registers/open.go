package registers

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/url"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/internal/fetch"
	"github.com/tegata-id/tegata/issuer/source/register"
)

// The defaults of a register's configuration.
const (
	defaultTimeout = 5 * time.Second
	DefaultMaxAge  = 24 * time.Hour
)

// Options are what a register needs beside its configuration.
type Options struct {
	// Ring has the client certificates.
	Ring *keys.Ring
	// PseudonymKey is the issuer's secret for this register, 32 bytes.
	PseudonymKey []byte
	// Observe and Tracer are optional.
	Observe func(register.Outcome)
	Tracer  trace.Tracer
	Now     func() time.Time
}

// Open returns the client of a register. Nothing is asked yet.
func Open(c *config.HTTPSource, o Options) (*register.Register, error) {
	roots, err := config.LoadCertificates("roots_file", c.Roots)
	if err != nil {
		return nil, err
	}
	host, err := hostOf(c.URL)
	if err != nil {
		return nil, err
	}
	client, err := fetch.New(fetch.Options{
		Purpose: "register", MaxBytes: register.MaxAnswer, Timeout: c.Timeout.Or(defaultTimeout),
		OnlyRoots: roots, AllowedHosts: []string{host}, Tracer: o.Tracer, Now: o.Now,
		ClientCertificate: func() (*tls.Certificate, error) {
			key, err := o.Ring.At(o.Now())
			if err != nil {
				return nil, err
			}
			certificate := key.TLSCertificate()
			return &certificate, nil
		},
	})
	if err != nil {
		return nil, err
	}
	return register.New(register.Config{
		URL: c.URL, Client: client, PseudonymKey: o.PseudonymKey,
		MaxAge: c.MaxAge.Or(DefaultMaxAge), Observe: o.Observe, Now: o.Now,
	})
}

// hostOf returns the host and port of an address.
func hostOf(address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" {
		return "", fmt.Errorf("the address of the register must be an https URL")
	}
	if u.Port() == "" {
		return net.JoinHostPort(u.Hostname(), "443"), nil
	}
	return u.Host, nil
}
