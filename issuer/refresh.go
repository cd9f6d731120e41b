package issuer

import (
	"context"
	"errors"
	"fmt"

	"github.com/tegata-id/tegata/issuer/evidence"
	"github.com/tegata-id/tegata/issuer/oauth"
	"github.com/tegata-id/tegata/issuer/records"
)

// sealClaims returns a new refresh token for a grant, and what the grant keeps.
func (i *Issuer) sealClaims(grant string, claims []byte) (token string, r *records.Refresh, err error) {
	k := i.refreshTokens.issue()
	sealed, err := k.seal(claims, grant)
	if err != nil {
		return "", nil, err
	}
	return k.text(), &records.Refresh{MAC: k.id, Sealed: sealed}, nil
}

// Claims opens what was sealed in the grant of a refresh token.
func (i grantRecords) Claims(ctx context.Context, refreshToken string) (grant string, claims []byte, err error) {
	k, ok := i.refreshTokens.parse(refreshToken)
	if !ok {
		return "", nil, fmt.Errorf("%w: no refresh token", oauth.ErrGrantRefused)
	}
	grant, sealed, err := i.cfg.Records.FindRefresh(ctx, i.cfg.Tenant, k.id)
	if err != nil {
		return "", nil, refusedGrant(err)
	}
	claims, err = k.open(sealed, grant)
	if errors.Is(err, errTicket) {
		return "", nil, errors.Join(oauth.ErrGrantRefused, err)
	}
	return grant, claims, err
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
