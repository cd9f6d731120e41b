package check

import (
	"bytes"
	"cmp"
	"context"
	"crypto/x509"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/jpki"
	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/internal/app/report"
	"github.com/tegata-id/tegata/verifier"
)

// signerProfile returns the profile that relying parties hold the certificate
// of a key to, by the key's place in the configuration.
func signerProfile(where string) (trust.Profile, bool) {
	use, _, _ := strings.Cut(where, "[")
	for suffix, profile := range map[string]trust.Profile{
		".keys.sd_jwt": trust.ProfileSDJWTIssuer, ".keys.mdoc": trust.ProfileMdocSigner,
		".keys.status": trust.ProfileStatusSigner, ".keys.request": trust.ProfileVerifierAccess,
		".keys.attestation": trust.ProfileWalletProvider,
		// Whoever is met by a wallet shows one kind of certificate, whether it
		// asks for credentials or issues them.
		".keys.metadata": trust.ProfileVerifierAccess,
		// Relying parties go by the published key; its certificate only tells for
		// how long it signs.
		".keys.webhook": trust.ProfileVerifierAccess,
	} {
		if strings.HasSuffix(use, suffix) {
			return profile, true
		}
	}
	return trust.Profile{}, false
}

// checkAnchors reads every list of trust anchors.
func (k *checker) checkAnchors() {
	if roots := k.cfg.Outbound.Roots; roots != "" {
		if certificates, err := config.LoadCertificates("outbound.roots_file", roots); err != nil {
			k.failed("outbound.roots_file", err, roots)
		} else {
			for _, c := range certificates {
				k.validity("outbound.roots_file", roots, c)
			}
			k.OK("outbound.roots_file", "%d roots", len(certificates))
		}
	}
	for _, t := range k.cfg.Tenants() {
		switch {
		case t.Issuer != nil:
			if t.Issuer.Attested() || len(t.Issuer.WalletProviders) > 0 {
				k.anchorList(t.File, t.Name()+".wallet_providers", trust.ProfileWalletProvider, t.Issuer.WalletProviders)
			}
			k.checkClientKeys(t)
			k.jpkiAnchors(t)
			k.checkRevocation(t)
		case t.Verifier != nil:
			k.anchorList(t.File, t.Name()+".issuers", trust.ProfileSDJWTIssuer, t.Verifier.Issuers)
			k.statements(t)
			if m := t.Verifier.MutualTLS; m != nil && m.CA != "" {
				k.anchorList(t.File, t.Name()+".mutual_tls.ca_file", verifier.ProfileClient, []config.Anchor{{File: m.CA}})
			}
			k.webhooks(t)
		}
	}
}

// checkClientKeys reads the keys of registered wallets.
func (k *checker) checkClientKeys(t config.Tenant) {
	for n := range t.Issuer.Wallets {
		w, where := &t.Issuer.Wallets[n], fmt.Sprintf("%s.wallets[%d]", t.Name(), n)
		if !w.HasKeys() {
			continue
		}
		if set, err := config.LoadClientKeys(where, w); err != nil {
			k.failed(where, err, cmp.Or(w.JWKSFile, t.File))
		} else {
			k.OK(where, "%d keys of %s", len(set), w.ClientID)
		}
	}
}

// anchorList reads one list.
func (k *checker) anchorList(file, where string, profile trust.Profile, configs []config.Anchor) []trust.Anchor {
	var all []trust.Anchor
	if len(configs) == 0 {
		_, err := config.LoadAnchors(where, nil)
		k.failed(where, err, file)
	}
	for i, c := range configs {
		at := fmt.Sprintf("%s[%d]", where, i)
		anchors, err := config.LoadAnchors(at, []config.Anchor{c})
		if err != nil {
			k.failed(at, err, c.File)
		}
		for _, a := range anchors {
			k.anchor(at, c.File, profile, a.Certificate)
		}
		all = append(all, anchors...)
	}
	if len(all) > 0 {
		policy := trust.Policy{Anchors: all, Profile: profile, Revocation: trust.NotChecked("only the list is looked at"), Now: k.opt.Now}
		if err := policy.Validate(); err != nil {
			k.add(where, file, "list each anchor once", err.Error())
		}
	}
	return all
}

func (k *checker) jpkiAnchors(t config.Tenant) {
	if t.Issuer.JPKI.Throwaway {
		return
	}
	k.jpkiFamily(t, "signature_anchors", jpki.Signature, t.Issuer.JPKI.SignatureAnchors)
	if r := t.Issuer.JPKI.Returning; r != nil {
		k.jpkiFamily(t, "returning_users.authentication_anchors", jpki.Authentication, r.AuthenticationAnchors)
	}
}

func (k *checker) jpkiFamily(t config.Tenant, field string, family jpki.Family, list []config.Anchor) {
	if len(list) == 0 {
		return
	}
	where := t.Name() + ".jpki." + field
	anchors := k.anchorList(t.File, where, trust.Profile{Name: "jpki", AllowRSA: true}, list)
	for _, err := range flatten(config.CheckJPKIAnchors(k.cfg.Mode.JPKI(), family, anchors)) {
		k.add(where, t.File, "use the CA certificates that J-LIS publishes; test CAs are for mode test", err.Error())
	}
}

// anchor looks at one trust anchor by itself.
func (k *checker) anchor(where, file string, profile trust.Profile, c *x509.Certificate) {
	k.anchors = append(k.anchors, c)
	if !c.IsCA {
		k.add(where, file, "list the CA that certifies the signers, not the signer", "the certificate is not that of a CA, so nothing can be trusted under it")
	} else if err := profile.CheckAnchor(c); err != nil {
		k.add(where, file, "use another certificate of the CA, or another CA", "nothing can be trusted under this CA ("+profile.Name+"): "+err.Error())
	}
	if k.validity(where, file, c) {
		k.OK(where, "anchor %s, valid until %s", c.Subject.CommonName, day(c.NotAfter))
	}
}

// validity looks at the times of a certificate; it returns false on a fault.
func (k *checker) validity(where, file string, c *x509.Certificate) bool {
	return k.validityAt(where, file, c, k.now)
}

// validityAt is validity for what is used from another time on.
func (k *checker) validityAt(where, file string, c *x509.Certificate, at time.Time) bool {
	switch {
	case at.Before(c.NotBefore):
		k.add(where, file, "wait, or set the clock of this machine", "the certificate is not valid before "+c.NotBefore.UTC().Format(time.RFC3339))
	case at.After(c.NotAfter):
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
	served := map[string]bool{}
	for _, t := range k.cfg.Tenants() {
		for _, use := range t.Keys() {
			if use.Use == config.UseTLS {
				// Tenants of one origin have one server certificate.
				if served[t.Origin] {
					continue
				}
				served[t.Origin] = true
			}
			k.checkUse(ctx, t, t.Name()+"."+use.Use, *use.List)
		}
	}
}

// checkUse loads the keys of one use.
func (k *checker) checkUse(ctx context.Context, t config.Tenant, where string, list config.KeyList) {
	if len(list) < 2 {
		var c config.Key
		if len(list) == 1 {
			c = list[0]
		}
		k.checkKey(ctx, t, where, c)
		return
	}
	before := k.Count(report.Fault)
	for n, c := range list {
		k.checkKey(ctx, t, fmt.Sprintf("%s[%d]", where, n), c)
	}
	if k.Count(report.Fault) == before {
		k.succession(t, where, list)
	}
}

// checkKey loads a key as the process would and judges its certificates as
// relying parties would.
func (k *checker) checkKey(ctx context.Context, t config.Tenant, where string, c config.Key) {
	before := k.Count(report.Fault)
	at := k.now
	if !c.From.IsZero() && c.From.After(at) {
		at = c.From
	}
	key, err := k.keys.Load(where, c, at)
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
		if chain, err = config.LoadCertificates(where, c.Chain); err != nil && !strings.Contains(k.Findings[len(k.Findings)-1].What, c.Chain) {
			k.failed(where, err, c.Chain)
		}
	}
	k.chain(ctx, t, where, c.Chain, chain, before, at)
}

// chain judges the certificates of a key. before is how many faults there were
// before this key.
func (k *checker) chain(ctx context.Context, t config.Tenant, where, file string, chain []*x509.Certificate, before int, at time.Time) {
	if len(chain) == 0 {
		return
	}
	told := k.Count(report.Fault) > before && strings.Contains(k.Findings[len(k.Findings)-1].What, "certificate 0 of the chain")
	valid := told || k.validityAt(where, file, chain[0], at)
	profile, ok := signerProfile(where)
	use, _, _ := strings.Cut(where, "[")
	server := strings.HasSuffix(use, "."+config.UseTLS)
	for i, c := range chain {
		if !selfSigned(c) {
			continue
		}
		// Whoever a key authenticates to as a client was told of its certificate.
		if i == 0 && (ok || server) {
			k.add(where, file, "have a CA issue a certificate for the key; a self-signed one is refused by wallets", "the certificate of the key is self-signed")
		} else if i > 0 && ok {
			k.add(where, file, "take the last certificate out of the file: whoever trusts the anchor has it already", "the chain includes its trust anchor")
		}
	}
	if server {
		k.serverName(t, where, file, chain[0])
	} else if ok {
		if err := profile.CheckSigner(chain[0]); err != nil {
			k.add(where, file, "have the CA issue a certificate for this use ("+profile.Name+")", err.Error())
		} else {
			k.clientName(t, where, file, chain[0])
		}
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
func (k *checker) serverName(t config.Tenant, where, file string, leaf *x509.Certificate) {
	origins := []string{t.Origin}
	if t.Verifier != nil && t.Verifier.MutualTLS != nil {
		origins = append(origins, t.Verifier.MutualTLS.Origin)
	}
	for _, origin := range origins {
		u, err := url.Parse(origin)
		if err != nil || u.Hostname() == "" {
			continue
		}
		if err := leaf.VerifyHostname(u.Hostname()); err != nil {
			k.add(where, file, "have the CA issue a certificate with "+u.Hostname()+" as subject alternative name", "the server certificate is not for the host of "+origin)
		}
	}
}

// selfSigned reports whether a certificate was signed with its own key.
func selfSigned(c *x509.Certificate) bool {
	return bytes.Equal(c.RawIssuer, c.RawSubject) && c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil
}
