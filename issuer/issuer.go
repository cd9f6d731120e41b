// Package issuer is the credential issuer of OpenID4VCI 1.0 under HAIP 1.0.
//
// A person's evidence and what a source knows of them become claims by the
// catalogue's mapping, claims become drafts, and drafts become credentials of
// their format, one per key the wallet proves. The authorization server in
// package oauth decides who may ask; package records counts, in the
// transaction that allocates status indexes, before anything is signed.
//
// When the certificate that a credential rests on is revoked, or the wallet that
// got it, [Issuer.Recheck] notices it and makes the credential INVALID.
package issuer

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/internal/nonce"
	"github.com/tegata-id/tegata/internal/session"
	"github.com/tegata-id/tegata/internal/statuslist"
	"github.com/tegata-id/tegata/issuer/evidence"
	"github.com/tegata-id/tegata/issuer/oauth"
	"github.com/tegata-id/tegata/issuer/records"
	"github.com/tegata-id/tegata/issuer/source"
)

// Signer turns drafts of one format into credentials as they go over the wire.
type Signer struct {
	// Keys follow one another; one signs a whole batch.
	Keys *keys.Ring
	// Issue signs a draft: sdjwt.Issue, or mdoc.Issue in base64url.
	Issue func(d credentials.Draft, key *keys.Key) (string, error)
}

// Authorizer says what an access token allows. [oauth.Server] is one.
type Authorizer interface {
	Authenticate(ctx context.Context, method, target string, authorization, proofs []string) (*oauth.Access, error)
}

// CRLs returns verified revocation lists. [trust.CRLChecker] does.
type CRLs interface {
	List(ctx context.Context, issuer *x509.Certificate, partition string) (*trust.CRL, error)
}

// Config is what an [Issuer] is made of. Every field is needed unless it says
// otherwise.
type Config struct {
	// ID is the credential issuer identifier: an https URL without a trailing
	// slash.
	ID     string
	Tenant string
	// Name is what wallets show.
	Name           []Text
	Configurations []Configuration
	// Registers are those that the configurations take claims from.
	Registers source.Registers
	Signers   map[credentials.Format]Signer
	// MetadataKeys, if set, sign the metadata for those who ask for it signed.
	MetadataKeys *keys.Ring
	Sessions     *session.Store
	Records      *records.Records
	StatusLists  *statuslist.Publisher
	// Revocations answers whether a certificate is revoked: at each issuance,
	// and for the re-check job.
	Revocations trust.StatusChecker
	// CRLs, if set, is where the import job gets revocation lists from, which it
	// matches with all evidence every CRLInterval.
	CRLs        CRLs
	CRLInterval time.Duration
	// ImportBatch is how many entries of a list share a transaction; 1000 if
	// zero.
	ImportBatch int
	// KeyAttesters, if set, lets wallets prove their keys by key attestations. It
	// is needed if a configuration asks for them.
	KeyAttesters *KeyAttesters
	// EncryptionRequired refuses credential requests in clear and those for a
	// response in clear.
	EncryptionRequired bool
	// JPKIAnchors are the CAs of the certificates that evidence rests on.
	JPKIAnchors []trust.Anchor
	// Secret is the issuer's long-lived secret, 32 bytes or more, from which
	// the keys for nonces, handles, pseudonyms and encrypted requests are
	// derived.
	Secret []byte
	// BatchSize is how many credentials one request may ask for, 2 or more.
	BatchSize int
	// CredentialsPerGrant is how many credentials of each configuration come
	// out of one consent.
	CredentialsPerGrant int
	// RefreshPeriod is how long what one consent yields has to last: each period
	// yields as much again to whoever refreshes. Not needed without refresh
	// tokens.
	RefreshPeriod time.Duration
	// MaxValidity is the longest a credential lives.
	MaxValidity time.Duration
	// RecheckInterval is how often certificates are looked up again, and the status
	// lists of wallet providers.
	RecheckInterval time.Duration
	// StatusWindow is how often status lists are published.
	StatusWindow time.Duration
	// OfferLifetime is how long an offer can be taken.
	OfferLifetime time.Duration
	// Metrics are optional.
	Metrics *Metrics
	Log     *slog.Logger
	Now     func() time.Time
}

// Issuer issues credentials for one tenant.
type Issuer struct {
	cfg    Config
	nonces *nonce.Nonces
	offers *session.Objects[offer]
	// documents are the offers that were made by reference.
	documents *session.Objects[openid4vci.CredentialOffer]
	sealer    *evidence.Sealer
	// signedMetadata is nil without keys that sign it.
	signedMetadata *signedMetadata
	// types are the type metadata of the SD-JWT VC configurations by their IDs.
	types map[string]typeDocument
	// keptTypes are the IDs of those that are in the database.
	keptTypes sync.Map
	// encryption is of credential requests and responses.
	encryption    *encryption
	notifications *notifications
	// refreshTokens open what was sealed in grants, transactions what was put
	// down to be issued later.
	refreshTokens, transactions *tickets
	// pseudonymKey is the key of [PseudonymKey].
	pseudonymKey []byte
	// parts are the IDs of those that were recorded.
	parts sync.Map
}

// New returns an issuer.
func New(cfg Config) (*Issuer, error) {
	if cfg.BatchSize < 2 || cfg.CredentialsPerGrant < cfg.BatchSize {
		return nil, errors.New("batch size must be 2 or more and fit into what a grant yields")
	}
	if cfg.CRLs != nil && cfg.CRLInterval <= 0 {
		return nil, errors.New("no interval for the import of revocation lists")
	}
	signers := cfg.Signers
	cfg.Signers = map[credentials.Format]Signer{}
	for format, s := range signers {
		cfg.Signers[format] = cfg.Metrics.counting(cfg.Tenant, format, s)
	}
	for _, c := range cfg.Configurations {
		if s, ok := cfg.Signers[c.Format]; !ok || s.Keys == nil || s.Issue == nil {
			return nil, fmt.Errorf("no signer for configuration %s", c.ID)
		}
		if c.KeyAttestation != nil && cfg.KeyAttesters == nil {
			return nil, fmt.Errorf("nobody is trusted to attest keys for configuration %s", c.ID)
		}
		for register := range c.Registers {
			if cfg.Registers[register] == nil {
				return nil, fmt.Errorf("no register %s for configuration %s", register, c.ID)
			}
		}
	}
	nonceKey, err := DeriveKey(cfg.Secret, cfg.Tenant, "c_nonce")
	if err != nil {
		return nil, err
	}
	handleKey, err := DeriveKey(cfg.Secret, cfg.Tenant, "evidence handle")
	if err != nil {
		return nil, err
	}
	pseudonymKey, err := PseudonymKey(cfg.Secret, cfg.Tenant)
	if err != nil {
		return nil, err
	}
	refreshTokens, err := newTickets(cfg.Secret, cfg.Tenant, "refresh token", "tegata claims v1")
	if err != nil {
		return nil, err
	}
	n, err := nonce.New(nonceKey, "c_nonce", cfg.Tenant, cfg.Now)
	if err != nil {
		return nil, err
	}
	sealer, err := evidence.NewSealer(handleKey)
	if err != nil {
		return nil, err
	}
	encryption, err := newEncryption(cfg.Secret, cfg.Tenant, cfg.EncryptionRequired)
	if err != nil {
		return nil, err
	}
	notifications, err := newNotifications(cfg.Secret, cfg.Tenant, cfg.Sessions)
	if err != nil {
		return nil, err
	}
	transactions, err := newTickets(cfg.Secret, cfg.Tenant, "deferred", "tegata deferred v1")
	if err != nil {
		return nil, err
	}
	i := &Issuer{
		cfg:       cfg,
		nonces:    n,
		offers:    session.NewObjects[offer](cfg.Sessions, "offer", cfg.OfferLifetime),
		documents: session.NewObjects[openid4vci.CredentialOffer](cfg.Sessions, "offerdoc", cfg.OfferLifetime),
		sealer:    sealer,

		encryption:    encryption,
		notifications: notifications,
		refreshTokens: refreshTokens,
		transactions:  transactions,
		pseudonymKey:  pseudonymKey,
	}
	if i.types, err = typeDocuments(cfg.Configurations); err != nil {
		return nil, err
	}
	if cfg.MetadataKeys != nil {
		i.signedMetadata = &signedMetadata{keys: cfg.MetadataKeys}
	}
	if err := i.Metadata().ValidateAll(cfg.ID); err != nil {
		return nil, err
	}
	return i, nil
}

// PseudonymKey returns the key under which certificates get their pseudonyms;
// see [evidence.JPKI].
func PseudonymKey(secret []byte, tenant string) ([]byte, error) {
	return DeriveKey(secret, tenant, "pseudonyms")
}

// DeriveKey returns the 32-byte key of a tenant for one purpose from the
// issuer's secret.
func DeriveKey(secret []byte, tenant, purpose string) ([]byte, error) {
	if len(secret) < 32 {
		return nil, errors.New("the issuer's secret must have 32 bytes or more")
	}
	return hkdf.Key(sha256.New, secret, nil, "tegata issuer v1\x00"+tenant+"\x00"+purpose, 32)
}

func (i *Issuer) configuration(id string) (*Configuration, bool) {
	for n := range i.cfg.Configurations {
		if i.cfg.Configurations[n].ID == id {
			return &i.cfg.Configurations[n], true
		}
	}
	return nil, false
}

// StatusListURI returns the URI of a status list, which is also the sub of its
// token.
func (i *Issuer) StatusListURI(listID string) string {
	return i.cfg.ID + PathStatusLists + "/" + listID
}
