package provider

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"time"

	"github.com/tegata-id/tegata/credentials/attestation"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/internal/nonce"
)

// Challenge returns a challenge for the next proof.
func (p *Provider) Challenge() ChallengeResponse {
	return ChallengeResponse{Challenge: p.challenges.Fresh(), ExpiresIn: int64(nonce.Lifetime / time.Second)}
}

// Register registers an instance and says whether it is new. A key that is
// registered already gives the same instance again; that of a revoked instance
// never comes back.
func (p *Provider) Register(ctx context.Context, r RegisterRequest) (response RegisterResponse, created bool, err error) {
	if r.InstanceKey == nil || r.Platform == "" {
		return response, false, refuse(ReasonInvalidRequest, "instance_key and platform are needed", nil)
	}
	platform, ok := p.cfg.Platforms[r.Platform]
	if !ok {
		return response, false, refuse(ReasonPlatformRefused, "the platform is not accepted here", nil)
	}
	i, err := p.authenticate(ctx, r.Proof, PurposeRegister)
	if err != nil {
		return response, false, err
	}
	if jose.EncodeBase64(r.InstanceKey.Thumbprint()) != i.thumbprint {
		return response, false, refuse(ReasonProofInvalid, "the proof is not by instance_key", nil)
	}
	_, err = platform.Verifier.Verify(ctx, PlatformEvidence{
		Platform: r.Platform, Evidence: r.PlatformEvidence, Key: i.key, Challenge: i.claims.Challenge,
	})
	if err != nil {
		return response, false, platformError(err)
	}
	id, created, err := p.insertInstance(ctx, i, r.Platform)
	if err != nil {
		return response, false, err
	}
	return RegisterResponse{InstanceID: id, PlatformVerified: !software(platform.Verifier)}, created, nil
}

// AttestClient returns a client attestation for the instance with this ID.
func (p *Provider) AttestClient(ctx context.Context, id string, r ClientAttestationRequest) (response ClientAttestationResponse, err error) {
	i, err := p.authenticate(ctx, r.Proof, PurposeClientAttestation)
	if err != nil {
		return response, err
	}
	a, err := p.allocate(ctx, id, i, kindClient)
	if err != nil {
		return response, err
	}
	statement := attestation.ClientAttestation{
		Issuer: p.cfg.Issuer, ClientID: p.cfg.ClientID, InstanceKey: i.key,
		IssuedAt: a.issued, ExpiresAt: a.expires,
		WalletName: p.cfg.WalletName, WalletLink: p.cfg.WalletURL, WalletVersion: a.version,
		Certification: p.cfg.Certification, Status: p.statusRef(a.status), StatusUntil: statusUntil(a),
	}
	if p.cfg.OmitIssuer {
		statement.Issuer = ""
	}
	response.ClientAttestation, err = attestation.SignClientAttestation(statement, a.key)
	p.cfg.Metrics.attested(p.cfg.Tenant, "client", err)
	response.ExpiresIn = p.secondsUntil(a.expires)
	return response, err
}

// AttestKeys returns a key attestation for the keys in the proof. It asserts of
// them what the platform's evidence for each of them shows; that the wallet has
// them it proves to the issuer.
func (p *Provider) AttestKeys(ctx context.Context, id string, r KeyAttestationRequest) (response KeyAttestationResponse, err error) {
	i, err := p.authenticate(ctx, r.Proof, PurposeKeyAttestation)
	if err != nil {
		return response, err
	}
	keys, err := i.keysToAttest(p.cfg.MaxKeys)
	if err != nil {
		return response, err
	}
	if len(i.claims.CNonce) > MaxCNonceLength {
		return response, refuse(ReasonInvalidRequest, "c_nonce is too long", nil)
	}
	assurance, err := p.assure(ctx, id, i, keys, r.PlatformEvidence)
	if err != nil {
		return response, err
	}
	a, err := p.allocate(ctx, id, i, kindKey)
	if err != nil {
		return response, err
	}
	response.KeyAttestation, err = attestation.SignKeyAttestation(attestation.KeyAttestation{
		Issuer: p.cfg.Issuer, Keys: keys, Nonce: i.claims.CNonce,
		KeyStorage: assurance.KeyStorage, UserAuthentication: assurance.UserAuthentication,
		Certification: a.platform.Certification,
		IssuedAt:      a.issued, ExpiresAt: a.expires, Status: p.statusRef(a.status), StatusUntil: statusUntil(a),
	}, a.key)
	p.cfg.Metrics.attested(p.cfg.Tenant, "key", err)
	response.ExpiresIn = p.secondsUntil(a.expires)
	return response, err
}

func (p *Provider) secondsUntil(t time.Time) int64 {
	return int64(t.Sub(p.cfg.Now()) / time.Second)
}

// AuthorizeOperator returns an [Error] unless the token is the operator's. The
// time it takes does not depend on the token's content.
func (p *Provider) AuthorizeOperator(token string) error {
	given := sha256.Sum256([]byte(token))
	if subtle.ConstantTimeCompare(given[:], p.adminToken[:]) != 1 {
		return refuse(ReasonUnauthorized, "the operator's token is needed", nil)
	}
	return nil
}
