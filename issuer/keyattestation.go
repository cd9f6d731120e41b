package issuer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/attestation"
	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/issuer/oauth"
)

// KeyAttesters says whose word about the keys of wallets counts (OpenID4VCI 1.0
// appendix D).
type KeyAttesters struct {
	// Policy validates the certificates of wallet providers.
	Policy *trust.Policy
	// Wallets are the registered ones, for which their own provider alone speaks.
	Wallets []oauth.Wallet
	// Status resolves the status of attestations that have one.
	Status oauth.StatusChecker
}

// proofTypes says how wallets may prove their keys. Where attested keys are
// demanded, they are by either type; elsewhere proofs of type attestation spare
// wallets that have one a signature by each key.
func (i *Issuer) proofTypes(c *Configuration) map[string]openid4vci.ProofType {
	proof := openid4vci.ProofType{SigningAlgorithms: []string{"ES256"}, KeyAttestations: c.KeyAttestation}
	types := map[string]openid4vci.ProofType{openid4vci.ProofTypeJWT: proof}
	if i.cfg.KeyAttesters != nil {
		types[openid4vci.ProofTypeAttestation] = proof
	}
	return types
}

// expectAttested adds to what proofs must say what is expected of key
// attestations, also of those that nobody demanded.
func (i *Issuer) expectAttested(e *openid4vci.ProofExpect, c *Configuration) {
	e.RequireKeyAttestation = c.KeyAttestation != nil
	if i.cfg.KeyAttesters == nil {
		return
	}
	e.KeyAttestation = &attestation.KeyExpect{Policy: i.cfg.KeyAttesters.Policy}
	if r := c.KeyAttestation; r != nil {
		e.KeyAttestation.KeyStorage, e.KeyAttestation.UserAuthentication = r.KeyStorage, r.UserAuthentication
	}
}

// attestedBy refuses key attestations of another provider than that of the
// wallet, and revoked ones. A status that can't be found out is
// [ErrAttestationStatus]: nothing is issued then, as no token is given for a
// wallet attestation of unknown status.
func (i *Issuer) attestedBy(ctx context.Context, clientID string, proven *openid4vci.VerifiedProofs) error {
	for _, attested := range proven.Attestations {
		for _, w := range i.cfg.KeyAttesters.Wallets {
			if w.ID == clientID && !w.AttestedBy(attested.Chain.Anchor.Certificate) {
				return openid4vci.NewError(openid4vci.CodeInvalidProof, "the key attestation is not of the wallet's provider")
			}
		}
	}
	return i.stillAttested(ctx, proven.Statuses, openid4vci.CodeInvalidProof)
}

// ErrAttestationStatus says that nobody can say now whether an attestation is
// revoked.
var ErrAttestationStatus = errors.New("the status of an attestation is unavailable")

// stillAttested refuses wallets and keys whose attestation was revoked, with an
// error code.
func (i *Issuer) stillAttested(ctx context.Context, statuses []credentials.StatusRef, code string) error {
	if len(statuses) > 0 && i.cfg.KeyAttesters == nil {
		// The providers were taken out since the token request.
		return fmt.Errorf("%w: %w", ErrAttestationStatus, errNoProvider)
	}
	for _, ref := range statuses {
		result, err := i.cfg.KeyAttesters.Status.Check(ctx, ref)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrAttestationStatus, err)
		}
		if !result.Value.IsValid() {
			return openid4vci.NewError(code, "the attestation of the wallet or of its keys has been revoked")
		}
	}
	return nil
}

// statusesEnd returns until when the statuses of all key attestations are kept up,
// zero if no provider says.
func statusesEnd(proven *openid4vci.VerifiedProofs) (end time.Time) {
	for _, attested := range proven.Attestations {
		end = earlier(end, attested.StatusUntil)
	}
	return end
}
