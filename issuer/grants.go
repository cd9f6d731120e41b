package issuer

import (
	"context"
	"encoding/hex"
	"errors"

	"github.com/tegata-id/tegata/issuer/oauth"
	"github.com/tegata-id/tegata/issuer/records"
)

// Grants returns the issuer's records as the authorization server sees them.
func (i *Issuer) Grants() oauth.Grants { return grantRecords{i} }

type grantRecords struct{ *Issuer }

// Start records the grant with the evidence it rests on and how much may come
// out of it.
func (i grantRecords) Start(ctx context.Context, g oauth.Grant) error {
	sealed, err := i.sealer.Seal(i.cfg.Tenant, g.Evidence.Pseudonym, g.Evidence.Handle)
	if err != nil {
		return err
	}
	limits := map[string]int{}
	for _, id := range g.Configurations {
		limits[id] = i.cfg.CredentialsPerGrant
	}
	err = i.cfg.Records.StartGrant(ctx, i.cfg.Tenant, records.Grant{
		ID:           g.ID,
		EvidenceKind: string(g.Evidence.Kind),
		Evidence: &records.Evidence{
			Pseudonym:    g.Evidence.Pseudonym,
			Kind:         string(g.Evidence.Kind),
			IssuerKeyID:  hex.EncodeToString(g.Evidence.Handle.IssuerKeyID),
			SealedHandle: sealed,
			NextCheck:    i.cfg.Now().Add(i.cfg.RecheckInterval),
		},
		Expires: g.Expires,
		Limits:  limits,
	})
	switch {
	case errors.Is(err, records.ErrGrantExists):
		return errors.Join(oauth.ErrGrantExists, err)
	case errors.Is(err, records.ErrEvidenceRevoked):
		return errors.Join(oauth.ErrGrantRefused, err)
	}
	return err
}

// Revoke ends the grant of a code that was used twice.
func (i grantRecords) Revoke(ctx context.Context, id string) error {
	_, err := i.cfg.Records.RevokeGrant(ctx, i.cfg.Tenant, id, "code_reused")
	return err
}
