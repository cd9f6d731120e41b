package verifier

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tegata-id/tegata/credentials/trust"
)

// ProfileClient is for the certificates by which relying parties authenticate.
// ExtKeyUsage is not demanded exactly: certificates of clients often have others
// beside clientAuth, which [Verifier] looks for itself.
var ProfileClient = trust.Profile{
	Name:               "tls-client",
	KeyUsage:           x509.KeyUsageDigitalSignature,
	AllowRSA:           true,
	AllowAnchorInChain: true, // clients send what they have
}

// partyTable finds relying parties by what they authenticate with.
type partyTable struct {
	keys         map[[sha256.Size]byte]*Party // by the hash of an API key
	certificates map[[sha256.Size]byte]*Party // by the hash of a certificate
	names        map[string]*Party            // by the name that a certificate is for
	// trust judges certificates that are known by name.
	trust *trust.Policy
	now   func() time.Time
}

// newPartyTable fills the table of those that may use the API.
func newPartyTable(cfg *Config) (*partyTable, error) {
	t := &partyTable{
		keys: map[[sha256.Size]byte]*Party{}, certificates: map[[sha256.Size]byte]*Party{}, names: map[string]*Party{}, now: cfg.Now,
		trust: &trust.Policy{
			Anchors: cfg.ClientAnchors, Profile: ProfileClient, Now: cfg.Now,
			Revocation: trust.NotChecked("relying parties are withdrawn by taking them out of the configuration"),
		},
	}
	if cfg.APIToken != "" {
		t.keys[sha256.Sum256([]byte(cfg.APIToken))] = &Party{NameJA: cfg.NameJA, NameEN: cfg.NameEN}
	}
	known := map[string]bool{}
	for i := range cfg.Parties {
		p := &cfg.Parties[i]
		err := p.validate()
		switch {
		case err != nil:
		case known[p.ID]:
			err = errors.New("there are two of this name")
		case p.CertificateName != "" && len(cfg.ClientAnchors) == 0:
			err = errors.New("a certificate is known by its name, and no authority is named")
		case p.Webhook != "" && (cfg.Outbox == nil || cfg.WebhookKeys == nil):
			err = errors.New("it has a webhook, and there is no outbox or no key for it")
		default:
			err = t.add(p)
		}
		if err != nil {
			return nil, fmt.Errorf("relying party %s: %w", p.ID, err)
		}
		known[p.ID] = true
	}
	return t, nil
}

func (t *partyTable) add(p *Party) error {
	for _, key := range p.Keys {
		if t.keys[key] != nil {
			return errors.New("has an API key of another")
		}
		t.keys[key] = p
	}
	for _, sum := range p.Certificates {
		if t.certificates[sum] != nil {
			return errors.New("has a certificate of another")
		}
		t.certificates[sum] = p
	}
	if name := strings.ToLower(p.CertificateName); name != "" {
		if t.names[name] != nil {
			return errors.New("has the certificate name of another")
		}
		t.names[name] = p
	}
	return nil
}

// empty reports whether there is nobody who may use the API.
func (t *partyTable) empty() bool {
	return len(t.keys) == 0 && len(t.certificates) == 0 && len(t.names) == 0
}

// takesCertificates reports whether anybody authenticates by certificate.
func (t *partyTable) takesCertificates() bool { return len(t.certificates) > 0 || len(t.names) > 0 }

var (
	errNoParty    = errors.New("neither an API key nor a certificate was shown")
	errUnknownKey = errors.New("nobody has the API key")
	errNobodys    = errors.New("nobody has the certificate")
	errNotSame    = errors.New("API key and certificate are of different relying parties")
)

// find returns the relying party that shows an API key, certificates whose first
// is its own, or both, which then must be of the same. key is nil if there is
// none. Looking up the hash of a key tells nothing of the key by the time that it
// takes.
func (t *partyTable) find(ctx context.Context, key *string, certificates []*x509.Certificate) (*Party, error) {
	var byKey, byCertificate *Party
	if key != nil {
		if byKey = t.keys[sha256.Sum256([]byte(*key))]; byKey == nil {
			return nil, errUnknownKey
		}
	}
	if len(certificates) > 0 {
		var err error
		if byCertificate, err = t.ofCertificate(ctx, certificates[0], certificates[1:]); err != nil {
			return nil, err
		}
	}
	switch {
	case byKey == nil && byCertificate == nil:
		return nil, errNoParty
	case byKey != nil && byCertificate != nil && byKey != byCertificate:
		return nil, errNotSame
	case byKey != nil:
		return byKey, nil
	}
	return byCertificate, nil
}

// ofCertificate returns whose certificate it is: one that is known by its hash,
// as in RFC 8705 section 2.2, or one that a trusted authority has issued for the
// party's name, as in section 2.1.
func (t *partyTable) ofCertificate(ctx context.Context, leaf *x509.Certificate, intermediates []*x509.Certificate) (*Party, error) {
	if p := t.certificates[sha256.Sum256(leaf.Raw)]; p != nil {
		if now := t.now(); now.Before(leaf.NotBefore) || now.After(leaf.NotAfter) {
			return nil, errors.New("the certificate is not valid now")
		}
		return p, nil
	}
	var p *Party
	for _, name := range leaf.DNSNames {
		named := t.names[strings.ToLower(name)]
		if named != nil && p != nil && named != p {
			return nil, errors.New("the certificate has names of several relying parties")
		}
		if named != nil {
			p = named
		}
	}
	if p == nil {
		return nil, errNobodys
	}
	if !slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageClientAuth) {
		return nil, errors.New("the certificate is not for clients")
	}
	if _, err := t.trust.Verify(ctx, leaf, intermediates); err != nil {
		return nil, err
	}
	return p, nil
}
