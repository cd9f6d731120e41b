package issuer

import (
	"context"
	"encoding/hex"
	"errors"

	"github.com/tegata-id/tegata/issuer/evidence"
	"github.com/tegata-id/tegata/issuer/oauth"
	"github.com/tegata-id/tegata/issuer/records"
)

// Grants returns the issuer's records as the authorization server sees them.
func (i *Issuer) Grants() oauth.Grants { return grantRecords{i} }

type grantRecords struct{ *Issuer }

// Start records the grant with the evidence it rests on and how much may come
// out of it.
func (i grantRecords) Start(ctx context.Context, g oauth.Grant) (refreshToken string, err error) {
	cert, err := g.Evidence.OnCertificate()
	if err != nil {
		return "", err
	}
	limits := map[string]int{}
	for _, id := range g.Configurations {
		limits[id] = i.cfg.CredentialsPerGrant
	}
	grant := records.Grant{ID: g.ID, EvidenceKind: string(g.Evidence.Kind), Expires: g.Expires, Limits: limits}
	if cert != nil {
		if grant.Evidence, err = i.toRecheck(g.Evidence.Kind, cert); err != nil {
			return "", err
		}
	}
	if g.Claims != nil {
		if refreshToken, grant.Refresh, err = i.sealClaims(g.ID, g.Claims); err != nil {
			return "", err
		}
	}
	err = i.cfg.Records.StartGrant(ctx, i.cfg.Tenant, grant)
	switch {
	case errors.Is(err, records.ErrGrantExists):
		return "", errors.Join(oauth.ErrGrantExists, err)
	case err != nil:
		return "", refusedGrant(err)
	}
	return refreshToken, nil
}

// toRecheck is what the re-check job gets of a certificate.
func (i grantRecords) toRecheck(kind evidence.Kind, cert *evidence.Certificate) (*records.Evidence, error) {
	sealed, err := i.sealer.Seal(i.cfg.Tenant, cert.Pseudonym, cert.Handle)
	if err != nil {
		return nil, err
	}
	part, err := i.crlPart(cert.Handle)
	if err != nil {
		return nil, err
	}
	return &records.Evidence{
		Part:         part,
		Pseudonym:    cert.Pseudonym,
		Kind:         string(kind),
		IssuerKeyID:  hex.EncodeToString(cert.Handle.IssuerKeyID),
		SealedHandle: sealed,
		NextCheck:    i.cfg.Now().Add(i.cfg.RecheckInterval),
	}, nil
}

// Revoke ends the grant of a code that was used twice.
func (i grantRecords) Revoke(ctx context.Context, id string) error {
	_, err := i.cfg.Records.RevokeGrant(ctx, i.cfg.Tenant, id, "code_reused")
	return err
}
