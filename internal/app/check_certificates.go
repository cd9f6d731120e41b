package app

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/internal/app/report"
)

// signerProfile returns the profile that relying parties hold the certificate
// of a key to, by the key's place in the configuration.
func signerProfile(where string) (trust.Profile, bool) {
	for suffix, profile := range map[string]trust.Profile{
		".keys.sd_jwt": trust.ProfileSDJWTIssuer, ".keys.mdoc": trust.ProfileMdocSigner,
		".keys.status": trust.ProfileStatusSigner, ".keys.request": trust.ProfileVerifierAccess,
		".keys.attestation": trust.ProfileWalletProvider,
	} {
		if strings.HasSuffix(where, suffix) {
			return profile, true
		}
	}
	return trust.Profile{}, false
}

// checkAnchors reads every list of trust anchors.
func (k *checker) checkAnchors() {
	list := func(where string, profile trust.Profile, configs []AnchorConfig) []trust.Anchor {
		var all []trust.Anchor
		if len(configs) == 0 {
			_, err := loadAnchors(where, nil)
			k.failed(where, err, k.file)
		}
		for i, c := range configs {
			at := fmt.Sprintf("%s[%d]", where, i)
			anchors, err := loadAnchors(at, []AnchorConfig{c})
			if err != nil {
				k.failed(at, err, c.File)
			}
			for _, a := range anchors {
				k.anchor(at, c.File, a.Certificate)
			}
			all = append(all, anchors...)
		}
		if len(all) > 0 {
			policy := trust.Policy{Anchors: all, Profile: profile, Revocation: trust.NotChecked("only the list is looked at"), Now: k.opt.Now}
			if err := policy.Validate(); err != nil {
				k.add(where, k.file, "list each anchor once", err.Error())
			}
		}
		return all
	}
	if roots := k.cfg.Outbound.Roots; roots != "" {
		if certificates, err := loadCertificates("outbound.roots_file", roots); err != nil {
			k.failed("outbound.roots_file", err, roots)
		} else {
			for _, c := range certificates {
				k.validity("outbound.roots_file", roots, c)
			}
			k.OK("outbound.roots_file", "%d roots", len(certificates))
		}
	}
	if i := k.cfg.Issuer; i != nil {
		list("issuer.wallet_providers", trust.ProfileWalletProvider, i.WalletProviders)
		if !i.JPKI.Throwaway && len(i.JPKI.SignatureAnchors) > 0 {
			where := "issuer.jpki.signature_anchors"
			anchors := list(where, trust.Profile{Name: "jpki"}, i.JPKI.SignatureAnchors)
			for _, err := range flatten(checkJPKIAnchors(k.cfg.Mode.jpki(), anchors)) {
				k.add(where, k.file, "use the CA certificates that J-LIS publishes; test CAs are for mode test", err.Error())
			}
		}
	}
	if v := k.cfg.Verifier; v != nil {
		list("verifier.issuers", trust.ProfileSDJWTIssuer, v.Issuers)
	}
}

// anchor looks at one trust anchor by itself.
func (k *checker) anchor(where, file string, c *x509.Certificate) {
	k.anchors = append(k.anchors, c)
	if !c.IsCA {
		k.add(where, file, "list the CA that certifies the signers, not the signer", "the certificate is not that of a CA, so nothing can be trusted under it")
	}
	if k.validity(where, file, c) {
		k.OK(where, "anchor %s, valid until %s", c.Subject.CommonName, day(c.NotAfter))
	}
}

// validity looks at the times of a certificate; it returns false on a fault.
func (k *checker) validity(where, file string, c *x509.Certificate) bool {
	switch {
	case k.now.Before(c.NotBefore):
		k.add(where, file, "wait, or set the clock of this machine", "the certificate is not valid before "+c.NotBefore.UTC().Format(time.RFC3339))
	case k.now.After(c.NotAfter):
		k.add(where, file, "have the CA issue a new certificate and replace the file", "the certificate expired at "+c.NotAfter.UTC().Format(time.RFC3339))
	case c.NotAfter.Sub(k.now) < k.opt.Expiry:
		k.Add(report.Finding{
			Level: report.Warning, Where: where, File: file, What: "the certificate expires soon, at " + c.NotAfter.UTC().Format(time.RFC3339),
			Fix: "have the CA issue a new certificate and replace the file",
		})
		return true
	default:
		return true
	}
	return false
}

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// checkKeys loads every key as the process would and judges its certificates as
// relying parties would.
func (k *checker) checkKeys(ctx context.Context) {
	for _, named := range k.cfg.allKeys() {
		where, c := named.name, *named.config
		before := k.Count(report.Fault)
		key, err := k.keys.load(where, c, k.now)
		if err != nil {
			k.failed(where, err, c.Key, c.Chain)
		}
		var chain []*x509.Certificate
		switch {
		case key != nil:
			chain = key.Chain
			if public, err := x509.MarshalPKIXPublicKey(key.Signer.Public()); err == nil {
				k.once(where, public, "make a key for each use")
			}
		case c.Chain != "":
			// What is wrong with the chain is told although the key is no good.
			if chain, err = loadCertificates(where, c.Chain); err != nil && !strings.Contains(k.Findings[len(k.Findings)-1].What, c.Chain) {
				k.failed(where, err, c.Chain)
			}
		}
		k.chain(ctx, where, c.Chain, chain, before)
	}
}

// chain judges the certificates of a key. before is how many faults there were
// before this key.
func (k *checker) chain(ctx context.Context, where, file string, chain []*x509.Certificate, before int) {
	if len(chain) == 0 {
		return
	}
	told := k.Count(report.Fault) > before && strings.Contains(k.Findings[len(k.Findings)-1].What, "certificate 0 of the chain")
	valid := told || k.validity(where, file, chain[0])
	for i, c := range chain {
		if !selfSigned(c) {
			continue
		}
		if i == 0 {
			k.add(where, file, "have a CA issue a certificate for the key; a self-signed one is refused by wallets", "the certificate of the key is self-signed")
		} else if !strings.HasSuffix(where, ".tls") {
			k.add(where, file, "take the last certificate out of the file: whoever trusts the anchor has it already", "the chain includes its trust anchor")
		}
	}
	profile, ok := signerProfile(where)
	if !ok {
		k.serverName(where, file, chain[0])
	} else if err := profile.CheckSigner(chain[0]); err != nil {
		k.add(where, file, "have the CA issue a certificate for this use ("+profile.Name+")", err.Error())
	}
	if k.Count(report.Fault) > before || !valid {
		return
	}
	what := "the key signs; its certificate is valid until " + day(chain[0].NotAfter)
	if ok {
		anchors := k.issuersOf(chain[len(chain)-1])
		if len(anchors) == 0 {
			what += "; its anchor is not in this configuration and was not looked at"
		} else if err := k.verify(ctx, profile, chain, anchors); err != nil {
			k.add(where, file, "have the right CA certify the key for this use ("+profile.Name+"), or correct the anchor", err.Error())
			return
		}
	}
	k.OK(where, "%s", what)
}

func (k *checker) verify(ctx context.Context, profile trust.Profile, chain []*x509.Certificate, anchors []trust.Anchor) error {
	policy := trust.Policy{
		Anchors: anchors, Profile: profile, Now: k.opt.Now,
		Revocation: trust.NotChecked("our own signer"),
	}
	_, err := policy.Verify(ctx, chain[0], chain[1:])
	return err
}

// issuersOf returns the anchors that signed a certificate.
func (k *checker) issuersOf(c *x509.Certificate) []trust.Anchor {
	var anchors []trust.Anchor
	for _, a := range k.anchors {
		known := func() bool {
			for _, other := range anchors {
				if other.Certificate.Equal(a) {
					return true
				}
			}
			return false
		}
		if bytes.Equal(a.RawSubject, c.RawIssuer) && c.CheckSignatureFrom(a) == nil && !known() {
			anchors = append(anchors, trust.Anchor{Certificate: a})
		}
	}
	return anchors
}

// serverName demands that a TLS certificate is for the host of the origin.
func (k *checker) serverName(where, file string, leaf *x509.Certificate) {
	for _, l := range k.cfg.listeners() {
		if !strings.HasPrefix(where, l.name+".") {
			continue
		}
		u, err := url.Parse(l.Origin)
		if err != nil || u.Hostname() == "" {
			continue
		}
		if err := leaf.VerifyHostname(u.Hostname()); err != nil {
			k.add(where, file, "have the CA issue a certificate with "+u.Hostname()+" as subject alternative name", "the server certificate is not for the host of "+l.Origin)
		}
	}
}

// selfSigned reports whether a certificate was signed with its own key.
func selfSigned(c *x509.Certificate) bool {
	return bytes.Equal(c.RawIssuer, c.RawSubject) && c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil
}

// LoadCertificates reads a PEM file with one certificate or more.
func LoadCertificates(path string) ([]*x509.Certificate, error) {
	return loadCertificates("certificates", path)
}
