package openid4vci

import (
	"context"
	"crypto"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/attestation"
	"github.com/tegata-id/tegata/credentials/jose"
)

// VerifiedProofs is what the proofs of one request amount to.
type VerifiedProofs struct {
	// Keys are the keys that credentials may be bound to, all different, at
	// most the batch size: first those that signed a proof, in their order,
	// then the other attested ones.
	Keys []crypto.PublicKey
	// Nonce is the one nonce of all proofs, "" if they have none. The caller
	// sees to it that it was handed out for this issuer and uses it up once
	// for the whole request.
	Nonce string
	// Statuses are the status list entries of all key attestations, which must
	// be read before the keys are trusted.
	Statuses []credentials.StatusRef
	// Attestations are the key attestations.
	Attestations []*attestation.AttestedKeys
}

// VerifyProofs checks all proofs of a request: each by the rules of
// [VerifyProof] or of key attestations, none by a key that signed another, and
// all with the same nonce. One bad proof fails all. The number of proofs is
// looked at before any signature. Errors are of type *[Error].
func VerifyProofs(ctx context.Context, p *Proofs, e ProofExpect) (*VerifiedProofs, error) {
	if e.MaxKeys < 1 {
		e.MaxKeys = 1
	}
	switch {
	case p == nil || len(p.JWT)+len(p.Attestation) == 0:
		return nil, NewError(CodeInvalidProof, "proofs is missing")
	case len(p.JWT) > 0 && len(p.Attestation) > 0, len(p.Attestation) > 1:
		return nil, NewError(CodeInvalidProof, "proofs of two types, or two key attestations")
	case len(p.JWT) > e.MaxKeys:
		return nil, NewError(CodeInvalidCredentialRequest, "more proofs than the batch size")
	case len(p.Attestation) == 1:
		return verifyAttestationProof(ctx, p.Attestation[0], e)
	}
	out := &VerifiedProofs{}
	seen := map[string]bool{}
	for i, proof := range p.JWT {
		v, err := VerifyProof(ctx, proof, e)
		if err != nil {
			return nil, err
		}
		if i > 0 && v.Nonce != out.Nonce {
			return nil, NewError(CodeInvalidNonce, "the key proofs have different nonces")
		}
		out.Nonce = v.Nonce
		if fresh, err := out.add(v.Key, seen); err != nil {
			return nil, err
		} else if !fresh {
			return nil, NewError(CodeInvalidProof, "two key proofs are by the same key")
		}
		if v.Attested != nil {
			out.Attestations = append(out.Attestations, v.Attested)
		}
	}
	return out, out.finish(e.MaxKeys, seen)
}

func verifyAttestationProof(ctx context.Context, compact string, e ProofExpect) (*VerifiedProofs, error) {
	if e.KeyAttestation == nil {
		return nil, NewError(CodeInvalidProof, "proofs of type attestation are not supported")
	}
	k := *e.KeyAttestation
	k.Now, k.Algorithms, k.RequireExpiry, k.Nonce, k.MaxKeys = e.Now, e.Algorithms, false, "", 0
	attested, err := attestation.VerifyKeyAttestation(ctx, compact, k)
	if err != nil {
		return nil, wrap(attestation.CodeOf(err), "the key attestation is not accepted", err)
	}
	if e.RequireNonce && attested.Nonce == "" {
		return nil, NewError(CodeInvalidProof, "the key attestation has no nonce")
	}
	out := &VerifiedProofs{Nonce: attested.Nonce, Attestations: []*attestation.AttestedKeys{attested}}
	return out, out.finish(e.MaxKeys, map[string]bool{})
}

// add appends a key that is not there yet.
func (v *VerifiedProofs) add(key crypto.PublicKey, seen map[string]bool) (fresh bool, err error) {
	thumbprint, err := jose.ThumbprintOf(key)
	if err != nil {
		return false, wrap(CodeInvalidProof, "a key is not usable", err)
	}
	if seen[thumbprint] {
		return false, nil
	}
	seen[thumbprint] = true
	v.Keys = append(v.Keys, key)
	return true, nil
}

// finish adds what the attestations contribute, up to the batch size.
func (v *VerifiedProofs) finish(maxKeys int, seen map[string]bool) error {
	for _, attested := range v.Attestations {
		v.Statuses = append(v.Statuses, attested.Statuses...)
		for _, key := range attested.Keys {
			if len(v.Keys) >= maxKeys {
				break
			}
			if _, err := v.add(key, seen); err != nil {
				return err
			}
		}
	}
	return nil
}
