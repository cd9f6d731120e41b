package issuer

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/issuer/evidence"
	"github.com/tegata-id/tegata/issuer/oauth"
	"github.com/tegata-id/tegata/issuer/records"
)

// A refresh token is a handle, by which its grant is found, and behind it the key
// that opens what was sealed in the grant. The database has a keyed hash of the
// first and nothing of the second, so whoever reads it, with all the keys of the
// issuer, learns nothing of the person.
const (
	refreshHandle = 16
	refreshKey    = 32
	// sealedFormat stands in front of what is sealed.
	sealedFormat = 1
)

// sealClaims returns a new refresh token for a grant, and what the grant keeps.
func (i *Issuer) sealClaims(grant string, claims []byte) (token string, r *records.Refresh, err error) {
	secret := make([]byte, refreshHandle+refreshKey)
	_, _ = rand.Read(secret) // never fails
	aead, err := claimsAEAD(secret[refreshHandle:])
	if err != nil {
		return "", nil, err
	}
	sealed := aead.Seal([]byte{sealedFormat}, nil, claims, i.claimsFor(grant))
	return jose.EncodeBase64(secret), &records.Refresh{MAC: i.refreshMAC(secret), Sealed: sealed}, nil
}

// claimsFor is what sealed claims are bound to.
func (i *Issuer) claimsFor(grant string) []byte {
	return []byte("tegata claims v1\x00" + i.cfg.Tenant + "\x00" + grant)
}

func (i *Issuer) refreshMAC(secret []byte) string {
	mac := hmac.New(sha256.New, i.refreshMACKey)
	mac.Write(secret[:refreshHandle])
	return hex.EncodeToString(mac.Sum(nil))
}

func claimsAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// Claims opens what was sealed in the grant of a refresh token.
func (i grantRecords) Claims(ctx context.Context, refreshToken string) (grant string, claims []byte, err error) {
	secret, err := jose.DecodeBase64(refreshToken)
	if err != nil || len(secret) != refreshHandle+refreshKey {
		return "", nil, fmt.Errorf("%w: no refresh token", oauth.ErrGrantRefused)
	}
	grant, sealed, err := i.cfg.Records.FindRefresh(ctx, i.cfg.Tenant, i.refreshMAC(secret))
	if err != nil {
		return "", nil, refusedGrant(err)
	}
	if len(sealed) == 0 || sealed[0] != sealedFormat {
		return "", nil, errors.New("claims are sealed in a form that this release does not know")
	}
	aead, err := claimsAEAD(secret[refreshHandle:])
	if err != nil {
		return "", nil, err
	}
	if claims, err = aead.Open(nil, nil, sealed[1:], i.claimsFor(grant)); err != nil {
		return "", nil, fmt.Errorf("%w: the refresh token does not open it", oauth.ErrGrantRefused)
	}
	return grant, claims, nil
}

// Refresh looks the certificate up, which the person may have had revoked since,
// before it asks the records for what can be had now.
func (i grantRecords) Refresh(ctx context.Context, grant string, e *evidence.Evidence) (countedAs string, err error) {
	cert, err := e.OnCertificate()
	if err != nil {
		return "", err
	}
	if cert != nil {
		if err := i.refreshable(ctx, grant, cert); err != nil {
			return "", err
		}
	}
	countedAs, err = i.cfg.Records.RefreshGrant(ctx, i.cfg.Tenant, grant, i.cfg.RefreshPeriod)
	return countedAs, refusedGrant(err)
}

// refreshable ends a grant whose certificate is revoked, with all that rests on
// that, or has expired: that end is in what the token opens alone, because it
// falls on a birthday.
func (i grantRecords) refreshable(ctx context.Context, grant string, cert *evidence.Certificate) error {
	if !i.cfg.Now().Before(cert.Ends) {
		return errors.Join(oauth.ErrGrantRefused, i.End(ctx, grant))
	}
	revoked, reason, err := i.revoked(ctx, cert.Handle)
	if err != nil {
		return fmt.Errorf("%w: %w", evidence.ErrUnavailable, err)
	}
	if !revoked {
		return nil
	}
	if _, err := i.cfg.Records.RevokeByEvidence(ctx, i.cfg.Tenant, cert.Pseudonym, reason); err != nil {
		return err
	}
	return fmt.Errorf("%w: the certificate is revoked", oauth.ErrGrantRefused)
}

// End ends a grant at the wish of the wallet.
func (i grantRecords) End(ctx context.Context, grant string) error {
	return i.cfg.Records.EndGrant(ctx, i.cfg.Tenant, grant)
}

// refusedGrant tells the errors of a grant that has ended from those of a
// database that is away.
func refusedGrant(err error) error {
	for _, ended := range []error{
		records.ErrGrantUnknown, records.ErrGrantRevoked, records.ErrGrantExpired, records.ErrEvidenceRevoked, records.ErrEvidenceUnknown,
	} {
		if errors.Is(err, ended) {
			return errors.Join(oauth.ErrGrantRefused, err)
		}
	}
	return err
}
