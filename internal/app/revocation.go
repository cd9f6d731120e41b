package app

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"

	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/jpki"
	"github.com/tegata-id/tegata/credentials/trust/ocsp"
	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/internal/fetch"
	"github.com/tegata-id/tegata/issuer"
)

// revocationStatus looks certificates of JPKI up with all that the
// configuration names: an OCSP responder first, then a platform operator, then
// revocation lists.
type revocationStatus struct {
	trust.StatusChecker
	// lists is nil without revocation lists.
	lists *trust.CRLChecker
}

// crls returns the revocation lists for those who go through all of them, or
// nil.
func (r *revocationStatus) crls() issuer.CRLs {
	if r.lists == nil {
		return nil // not a nil checker, which is no nil interface
	}
	return r.lists
}

func (a *App) revocationStatus(t *tenant, c *config.JPKI, anchors []trust.Anchor) (*revocationStatus, error) {
	status := &revocationStatus{}
	var checkers []trust.StatusChecker
	if c.Throwaway || c.CRLURL != "" || c.CRLFolder != "" {
		var err error
		if status.lists, err = a.crlChecker(t, c, anchors); err != nil {
			return nil, err
		}
	}
	if c.OCSPURL != "" {
		checker, err := a.ocspChecker(t, c, status.lists, anchors)
		if err != nil {
			return nil, fmt.Errorf("ocsp_url: %w", err)
		}
		checkers = append(checkers, checker)
	}
	if c.OperatorURL != "" {
		checker, err := a.operatorChecker(c)
		if err != nil {
			return nil, fmt.Errorf("operator_url: %w", err)
		}
		checkers = append(checkers, checker)
	}
	if status.lists != nil {
		checkers = append(checkers, status.lists)
	}
	status.StatusChecker = trust.Fallback(checkers...)
	return status, nil
}

// unavailable is the stance on sources that are out of reach.
func unavailable(c *config.JPKI) trust.Unavailable {
	if c.OnUnavailable == config.HardFail {
		return trust.HardFail
	}
	return trust.UseFresh
}

// crlChecker looks certificates up in revocation lists. Tenants that get the
// same lists share it.
func (a *App) crlChecker(t *tenant, c *config.JPKI, anchors []trust.Anchor) (*trust.CRLChecker, error) {
	refresh := c.CRLRefresh.Or(defaultCRLRefresh)
	return share(&a.shared, t, listsName(c, anchors), func() (*trust.CRLChecker, error) {
		var source trust.CRLSource
		switch {
		case c.Throwaway:
			testJPKI, err := a.throwaway(t)
			if err != nil {
				return nil, err
			}
			source = testJPKI.CRLSource()
		case c.CRLFolder != "":
			source = trust.CRLFiles(os.DirFS(c.CRLFolder))
		default:
			var err error
			if source, err = a.crlSource(c.CRLURL); err != nil {
				return nil, err
			}
		}
		checker := trust.NewCRLChecker(source, a.opt.Now)
		checker.RefreshAfter, checker.Unavailable = refresh, unavailable(c)
		return checker, nil
	})
}

// listsName tells checkers of revocation lists apart.
func listsName(c *config.JPKI, anchors []trust.Anchor) string {
	return fmt.Sprintf("revocation lists from %q or %q every %s, stance %d, under %s",
		c.CRLURL, c.CRLFolder, c.CRLRefresh.Or(defaultCRLRefresh), unavailable(c), anchorsName(anchors))
}

// crlSource gets revocation lists from where the operator says. The partitions
// of JPKI are directory names and have no address of their own.
func (a *App) crlSource(base string) (trust.CRLSource, error) {
	host, _, err := hostOf(base)
	if err != nil {
		return nil, fmt.Errorf("crl_url: %w", err)
	}
	client, err := a.client("revocation lists", trust.MaxCRLSize, host)
	if err != nil {
		return nil, err
	}
	return trust.CRLMirror(base, func(ctx context.Context, address string) ([]byte, error) {
		response, err := client.Get(ctx, address, "application/pkix-crl")
		if err != nil {
			// The address has the partition in it, which tells a municipality.
			return nil, withoutAddress("revocation list", err)
		}
		return response.Body, nil
	}), nil
}

// ocspChecker asks the OCSP responder. Tenants that ask the same share it and
// its answers. The responder's own certificate is looked up in the lists, if
// there are any.
func (a *App) ocspChecker(t *tenant, c *config.JPKI, lists *trust.CRLChecker, anchors []trust.Anchor) (*trust.OCSPChecker, error) {
	refresh := c.StatusRefresh.Or(defaultStatusRefresh)
	name := fmt.Sprintf("OCSP responder %s, nonce %s, hash %s, every %s, stance %d, %s", c.OCSPURL, c.OCSPNonce, c.OCSPHash, refresh, unavailable(c), listsName(c, anchors))
	return share(&a.shared, t, name, func() (*trust.OCSPChecker, error) {
		host, plain, err := hostOf(c.OCSPURL)
		if err != nil {
			return nil, err
		}
		options := fetch.Options{Purpose: "OCSP responder", MaxBytes: ocsp.MaxSize, AllowedHosts: []string{host}}
		if plain {
			options.AllowPlain = options.AllowedHosts
		}
		client, err := a.newClient(options)
		if err != nil {
			return nil, err
		}
		o := trust.OCSPOptions{
			Now: a.opt.Now, Nonce: trust.NonceRequired, ClockSkew: statusClockSkew,
			Cache: trust.CacheOptions{Unavailable: unavailable(c), RefreshAfter: refresh},
			Source: trust.OCSPSourceFunc(func(ctx context.Context, _ *x509.Certificate, request []byte) ([]byte, error) {
				response, err := client.Post(ctx, c.OCSPURL, "application/ocsp-request", request, http.Header{"Accept": {"application/ocsp-response"}})
				if err != nil {
					return nil, withoutAddress("OCSP response", err)
				}
				return response.Body, nil
			}),
		}
		if lists != nil {
			o.Responders = lists
		}
		switch c.OCSPNonce {
		case config.NonceOptional:
			o.Nonce = trust.NonceOptional
		case config.NonceNone:
			o.Nonce = trust.NonceNone
		}
		if c.OCSPHash == config.HashSHA1 {
			o.Hash = crypto.SHA1
		}
		return trust.NewOCSPChecker(o)
	})
}

// operatorChecker asks a platform operator.
func (a *App) operatorChecker(c *config.JPKI) (*trust.OperatorChecker, error) {
	token, err := config.LoadSecret("operator_token_file", c.OperatorToken)
	if err != nil {
		return nil, err
	}
	host, _, err := hostOf(c.OperatorURL)
	if err != nil {
		return nil, err
	}
	client, err := a.client("platform operator", jpki.MaxOperatorAnswer, host)
	if err != nil {
		return nil, err
	}
	return trust.NewOperatorChecker(trust.OperatorOptions{
		Now: a.opt.Now, ClockSkew: statusClockSkew,
		Cache: trust.CacheOptions{Unavailable: unavailable(c), RefreshAfter: c.StatusRefresh.Or(defaultStatusRefresh)},
		Source: jpki.OperatorOverJSON(func(ctx context.Context, question []byte) ([]byte, error) {
			response, err := client.Post(ctx, c.OperatorURL, "application/json", question, http.Header{
				"Accept": {"application/json"}, "Authorization": {"Bearer " + string(token)},
			})
			if err != nil {
				return nil, withoutAddress("platform operator", err)
			}
			return response.Body, nil
		}),
	})
}

// hostOf returns the host and port of an address and whether it is of http.
func hostOf(address string) (hostPort string, plain bool, err error) {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" {
		return "", false, errors.New("not the URL of a host")
	}
	port := u.Port()
	plain = u.Scheme == "http"
	switch {
	case port == "" && plain:
		port = "80"
	case port == "":
		port = "443"
	}
	return net.JoinHostPort(u.Hostname(), port), plain, nil
}

// withoutAddress says what went wrong with a request, without where to.
func withoutAddress(what string, err error) error {
	var status *fetch.StatusError
	if errors.As(err, &status) {
		return fmt.Errorf("%s: status %d", what, status.Response.Status)
	}
	return fmt.Errorf("%s could not be fetched", what)
}
