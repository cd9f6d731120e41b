package holder

import (
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"time"

	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/wallet/provider"
)

// renewBefore is how much time a cached client attestation must have left.
const renewBefore = time.Minute

// Provider is the client of a wallet provider. It has an instance key of its
// own for each authorization server, each registered once, so that no two
// issuers see the same key or the same attestation and can tell that they deal
// with one wallet (HAIP 1.0 section 4.4.1). It implements [Attester] and is
// safe for concurrent use.
type Provider struct {
	HTTP HTTP
	// URL is the base URL of the provider, without a trailing slash.
	URL string
	// Platform names the platform that the wallet runs on.
	Platform string
	// Evidence returns what the platform says about a new instance key, or a key
	// to attest, for a challenge; nil on platforms that say nothing.
	Evidence func(ctx context.Context, key crypto.PublicKey, challenge string) (string, error)
	// WalletVersion is the version of the wallet, for its attestations. Optional.
	WalletVersion string
	// Instances keeps the instances for another process; without it they end
	// with this one.
	Instances InstanceStore
	// NewKey makes a P-256 key for an instance, in memory if it is nil. With
	// Instances, keys are made where they are kept.
	NewKey func(ctx context.Context) (crypto.Signer, error)
	// OnStep, if not nil, is told of every exchange with the provider.
	OnStep func(Step)
	// Now is the clock.
	Now func() time.Time

	mu        sync.Mutex
	instances map[string]*instance
}

// Instance is what one authorization server sees of the wallet.
type Instance struct {
	// ID is the provider's name for it, empty while it is not registered.
	ID string
	// Key is its key.
	Key crypto.Signer
	// Attestation is the newest client attestation, which ends at Expires.
	Attestation string
	Expires     time.Time
}

// InstanceStore keeps instances by authorization server.
type InstanceStore interface {
	// LoadInstance returns nil if there is none.
	LoadInstance(ctx context.Context, authorizationServer string) (*Instance, error)
	SaveInstance(ctx context.Context, authorizationServer string, in Instance) error
	// DeleteInstance deletes an instance. One that is not there is no error.
	DeleteInstance(ctx context.Context, authorizationServer string) error
}

// instance is an [Instance] in use.
type instance struct {
	server string

	mu     sync.Mutex
	loaded bool
	Instance
}

var _ Attester = (*Provider)(nil)

// ClientAttestation implements [Attester]. It asks the provider only if it has
// none for this server, or one that is about to expire.
func (p *Provider) ClientAttestation(ctx context.Context, authorizationServer string) (string, crypto.Signer, error) {
	in := p.instance(authorizationServer)
	in.mu.Lock()
	defer in.mu.Unlock()
	if err := p.load(ctx, in); err != nil {
		return "", nil, err
	}
	if in.Attestation != "" && p.Now().Add(renewBefore).Before(in.Expires) {
		return in.Attestation, in.Key, nil
	}
	if err := p.register(ctx, in); err != nil {
		return "", nil, fmt.Errorf("register with the wallet provider: %w", err)
	}
	proof, err := p.prove(ctx, in.Key, provider.Proof{Purpose: provider.PurposeClientAttestation, WalletVersion: p.WalletVersion})
	if err != nil {
		return "", nil, err
	}
	var response provider.ClientAttestationResponse
	err = p.call(ctx, "client attestation", p.path(in, provider.PathClientAttestations), provider.ClientAttestationRequest{Proof: proof}, &response)
	if err != nil {
		return "", nil, err
	}
	in.Attestation = response.ClientAttestation
	in.Expires = p.Now().Add(time.Duration(response.ExpiresIn) * time.Second)
	return in.Attestation, in.Key, p.save(ctx, in)
}

// KeyAttestation implements [Attester]. Nothing is cached: keys and nonce are
// always new.
func (p *Provider) KeyAttestation(ctx context.Context, authorizationServer string, attested []crypto.PublicKey, nonce string) (string, error) {
	in := p.instance(authorizationServer)
	in.mu.Lock()
	defer in.mu.Unlock()
	if err := p.register(ctx, in); err != nil {
		return "", fmt.Errorf("register with the wallet provider: %w", err)
	}
	challenge, err := p.challenge(ctx)
	if err != nil {
		return "", err
	}
	var request provider.KeyAttestationRequest
	for _, key := range attested {
		if p.Evidence == nil {
			break
		}
		evidence, err := p.Evidence(ctx, key, challenge)
		if err != nil {
			return "", fmt.Errorf("platform evidence: %w", err)
		}
		request.PlatformEvidence = append(request.PlatformEvidence, evidence)
	}
	request.Proof, err = p.sign(in.Key, provider.Proof{Purpose: provider.PurposeKeyAttestation, Challenge: challenge, Keys: attested, CNonce: nonce})
	if err != nil {
		return "", err
	}
	var response provider.KeyAttestationResponse
	err = p.call(ctx, "key attestation", p.path(in, provider.PathKeyAttestations), request, &response)
	return response.KeyAttestation, err
}

// InstanceID returns the provider's name for the instance that an
// authorization server sees, by which the provider's operator can revoke it, or
// "" if there is none yet.
func (p *Provider) InstanceID(authorizationServer string) string {
	in := p.instance(authorizationServer)
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.ID
}

// Revoke has the provider revoke the instance that an authorization server
// sees, for good, and forgets it.
func (p *Provider) Revoke(ctx context.Context, authorizationServer string) error {
	if err := p.revoke(ctx, p.instance(authorizationServer)); err != nil {
		return err
	}
	return p.Forget(ctx, authorizationServer)
}

func (p *Provider) revoke(ctx context.Context, in *instance) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if err := p.load(ctx, in); err != nil || in.ID == "" {
		return err
	}
	proof, err := p.prove(ctx, in.Key, provider.Proof{Purpose: provider.PurposeRevoke})
	if err != nil {
		return err
	}
	body, err := json.Marshal(provider.RevokeOwnRequest{Proof: proof})
	if err != nil {
		return err
	}
	s := stepper{p.HTTP, p.Now, p.OnStep}
	if _, err := s.post(ctx, "instance revocation", PartyProvider, p.URL+p.path(in, provider.PathRevoke), typeJSON, body, nil); err != nil {
		return fmt.Errorf("instance revocation: %w", err)
	}
	return nil
}

// Forget drops the instance that an authorization server sees, for example
// because the provider revoked it. The next call registers another.
func (p *Provider) Forget(ctx context.Context, authorizationServer string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.instances, authorizationServer)
	if p.Instances == nil {
		return nil
	}
	return p.Instances.DeleteInstance(ctx, authorizationServer)
}

func (p *Provider) instance(authorizationServer string) *instance {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.instances == nil {
		p.instances = map[string]*instance{}
	}
	in := p.instances[authorizationServer]
	if in == nil {
		in = &instance{server: authorizationServer}
		p.instances[authorizationServer] = in
	}
	return in
}

// load reads what another process knows of the instance.
func (p *Provider) load(ctx context.Context, in *instance) error {
	if in.loaded || p.Instances == nil {
		return nil
	}
	kept, err := p.Instances.LoadInstance(ctx, in.server)
	if err != nil {
		return fmt.Errorf("load the instance: %w", err)
	}
	if kept != nil {
		in.Instance = *kept
	}
	in.loaded = true
	return nil
}

func (p *Provider) save(ctx context.Context, in *instance) error {
	if p.Instances == nil {
		return nil
	}
	if err := p.Instances.SaveInstance(ctx, in.server, in.Instance); err != nil {
		return fmt.Errorf("save the instance: %w", err)
	}
	return nil
}

func (p *Provider) newKey(ctx context.Context) (crypto.Signer, error) {
	if p.NewKey == nil {
		return keys.GenerateP256()
	}
	return p.NewKey(ctx)
}

// register makes the instance known. The key stays if that fails, since the
// provider may have it already.
func (p *Provider) register(ctx context.Context, in *instance) error {
	if err := p.load(ctx, in); err != nil {
		return err
	}
	if in.ID != "" {
		return nil
	}
	if in.Key == nil {
		key, err := p.newKey(ctx)
		if err != nil {
			return err
		}
		in.Key = key
		if err := p.save(ctx, in); err != nil {
			return err
		}
	}
	challenge, err := p.challenge(ctx)
	if err != nil {
		return err
	}
	request := provider.RegisterRequest{Platform: p.Platform}
	if request.InstanceKey, err = jose.NewJWK(in.Key.Public()); err != nil {
		return err
	}
	if p.Evidence != nil {
		if request.PlatformEvidence, err = p.Evidence(ctx, in.Key.Public(), challenge); err != nil {
			return fmt.Errorf("platform evidence: %w", err)
		}
	}
	request.Proof, err = p.sign(in.Key, provider.Proof{Purpose: provider.PurposeRegister, Challenge: challenge, WalletVersion: p.WalletVersion})
	if err != nil {
		return err
	}
	var response provider.RegisterResponse
	if err := p.call(ctx, "instance registration", provider.PathInstances, request, &response); err != nil {
		return err
	}
	if response.InstanceID == "" {
		return errors.New("the answer names no instance")
	}
	in.ID = response.InstanceID
	return p.save(ctx, in)
}

func (p *Provider) path(in *instance, end string) string {
	return provider.PathInstances + "/" + url.PathEscape(in.ID) + end
}

func (p *Provider) prove(ctx context.Context, key crypto.Signer, proof provider.Proof) (string, error) {
	var err error
	if proof.Challenge, err = p.challenge(ctx); err != nil {
		return "", err
	}
	return p.sign(key, proof)
}

func (p *Provider) sign(key crypto.Signer, proof provider.Proof) (string, error) {
	proof.Audience, proof.IssuedAt = p.URL, p.Now()
	return provider.SignProof(proof, key)
}

func (p *Provider) challenge(ctx context.Context) (string, error) {
	var response provider.ChallengeResponse
	err := p.call(ctx, "provider challenge", provider.PathChallenges, struct{}{}, &response)
	return response.Challenge, err
}

// call posts JSON and reads JSON.
func (p *Provider) call(ctx context.Context, name, path string, request, response any) error {
	body, err := json.Marshal(request)
	if err != nil {
		return err
	}
	s := stepper{p.HTTP, p.Now, p.OnStep}
	got, err := s.post(ctx, name, PartyProvider, p.URL+path, typeJSON, body, nil)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if err := jose.UnmarshalJSON(got.Body, response); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
