package provider

import (
	"context"
	"crypto"
	"time"

	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/internal/nonce"
)

// instance is who signed a proof.
type instance struct {
	key        crypto.PublicKey
	thumbprint string
	claims     proofClaims
}

// clockSkew is how far the clocks of wallets may be ahead.
const clockSkew = 30 * time.Second

// authenticate checks a proof and uses up its challenge. It says which key
// signed; whose key that is, the caller looks up.
func (p *Provider) authenticate(ctx context.Context, proof string, purpose Purpose) (*instance, error) {
	i, err := p.checkProof(proof, purpose)
	if err != nil {
		return nil, err
	}
	// Last, so that a proof that was garbled on the way costs no challenge.
	err = p.challenges.Consume(ctx, p.cfg.Sessions, "wallet_challenge", i.claims.Challenge)
	if nonce.Invalid(err) {
		return nil, refuse(ReasonChallengeInvalid, "the challenge is unknown, has expired or was used; get a new one", err)
	}
	if err != nil {
		return nil, err
	}
	return i, nil
}

func (p *Provider) checkProof(proof string, purpose Purpose) (*instance, error) {
	invalid := func(detail string, cause error) (*instance, error) {
		return nil, refuse(ReasonProofInvalid, detail, cause)
	}
	if proof == "" || len(proof) > MaxProofSize {
		return invalid("the proof is missing or too large", nil)
	}
	u, err := jose.Parse(proof)
	if err != nil {
		return invalid("the proof is not a compact JWS as it should be", err)
	}
	if u.Header.Typ != ProofType || u.Header.JWK == nil {
		return invalid("the header of the proof lacks typ "+ProofType+" or jwk", nil)
	}
	i := &instance{thumbprint: jose.EncodeBase64(u.Header.JWK.Thumbprint())}
	if i.key, err = u.Header.JWK.VerificationKey(); err != nil {
		return invalid("the instance key is not usable", err)
	}
	payload, err := u.Verify(i.key)
	if err != nil {
		return invalid("the proof is not signed by the key it names", err)
	}
	if err := jose.UnmarshalJSON(payload, &i.claims); err != nil {
		return invalid("the claims of the proof are malformed", err)
	}
	if i.claims.Audience != p.cfg.Issuer {
		return invalid("aud is not the base URL of this provider", nil)
	}
	if i.claims.Purpose != purpose {
		return invalid("the proof is for another purpose", nil)
	}
	if v := i.claims.Version; v != "" && !walletVersion.MatchString(v) {
		return invalid("wallet_version is not one", nil)
	}
	if i.claims.IssuedAt == nil {
		return invalid("the proof has no iat", nil)
	}
	if age := p.cfg.Now().Sub(i.claims.IssuedAt.Time()); age < -clockSkew || age >= nonce.Lifetime {
		return invalid("iat is too far from the time here", nil)
	}
	return i, nil
}

// keysToAttest returns the keys in a proof.
func (i *instance) keysToAttest(most int) ([]crypto.PublicKey, error) {
	invalid := func(detail string, cause error) ([]crypto.PublicKey, error) {
		return nil, refuse(ReasonKeysInvalid, detail, cause)
	}
	if len(i.claims.Keys) == 0 || len(i.claims.Keys) > most {
		return invalid("attested_keys has no keys or too many", nil)
	}
	seen := make(map[string]bool, len(i.claims.Keys))
	pubs := make([]crypto.PublicKey, len(i.claims.Keys))
	for n := range i.claims.Keys {
		thumbprint := jose.EncodeBase64(i.claims.Keys[n].Thumbprint())
		// The instance key is shown to issuers: a credential bound to it too
		// would tell verifiers which instance they have before them.
		if thumbprint == i.thumbprint {
			return invalid("the instance key is among attested_keys", nil)
		}
		if seen[thumbprint] {
			return invalid("a key comes twice in attested_keys", nil)
		}
		seen[thumbprint] = true
		var err error
		if pubs[n], err = i.claims.Keys[n].VerificationKey(); err != nil {
			return invalid("a key in attested_keys is not usable", err)
		}
	}
	return pubs, nil
}
