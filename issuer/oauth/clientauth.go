package oauth

import (
	"context"
	"crypto/x509"
	"errors"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/attestation"
	"github.com/tegata-id/tegata/credentials/openid4vci"
)

// Client is a wallet that has proven itself, an instance by attestation or a
// registered client by its key.
type Client struct {
	// ID is the client identifier, which all instances of a wallet share.
	ID string
	// InstanceKey is the thumbprint of the attested key of this instance, or of
	// the registered key that signed.
	InstanceKey string
	// ByKey says that the client authenticated with a key that it is registered
	// with.
	ByKey bool
	// WalletName is the name that the provider gives the wallet, or the one
	// that it is registered with.
	WalletName string
	// Statuses tell whether the attestation of the instance is revoked, and are
	// kept up until StatusesEnd at least, which is zero if nobody says.
	Statuses    []credentials.StatusRef `json:"-"`
	StatusesEnd time.Time               `json:"-"`
}

// authenticateClient checks that the client is who it says, by the one method
// that it is registered for: whoever could choose would choose the weaker.
func (s *Server) authenticateClient(ctx context.Context, h ClientHeaders, form Params) (*Client, error) {
	if form.Has("client_assertion") || form.Has("client_assertion_type") {
		return s.authenticateByAssertion(ctx, h, form)
	}
	return s.authenticateByAttestation(ctx, h, form.Get("client_id"))
}

// authenticateByAttestation checks the client attestation and its proof of possession
// (draft-ietf-oauth-attestation-based-client-auth). claimed is the client_id
// parameter, empty if there is none.
func (s *Server) authenticateByAttestation(ctx context.Context, h ClientHeaders, claimed string) (*Client, error) {
	if len(h.Attestation) != 1 || len(h.PoP) != 1 {
		return nil, refuse(openid4vci.CodeInvalidClient, "one OAuth-Client-Attestation and one OAuth-Client-Attestation-PoP header are needed", nil)
	}
	now := s.cfg.Now()
	client, err := attestation.Verify(ctx, h.Attestation[0], h.PoP[0], attestation.Expect{
		Audience:       s.cfg.Issuer,
		ClientID:       claimed,
		Policy:         s.cfg.Attesters,
		CheckChallenge: s.cfg.AttestationChallenges.Check(),
		Now:            now,
	})
	if attestation.CodeOf(err) == attestation.CodeUseChallenge {
		return nil, refuse(attestation.CodeUseChallenge, "sign a new proof of possession with a challenge of this server", err)
	}
	if err != nil {
		return nil, refuse(openid4vci.CodeInvalidClient, "the wallet attestation is not accepted", err)
	}
	if !s.speaksFor(client.Chain.Anchor.Certificate, client.ID) {
		return nil, refuse(openid4vci.CodeInvalidClient, "the wallet attestation is not accepted", errors.New("the wallet is registered with another provider, or with keys"))
	}
	for _, ref := range client.Statuses {
		result, err := s.cfg.AttestationStatus.Check(ctx, ref)
		if err != nil {
			return nil, unavailable(err)
		}
		if !result.Value.IsValid() {
			return nil, refuse(openid4vci.CodeInvalidClient, "the wallet attestation has been revoked", nil)
		}
	}
	first, err := s.cfg.Sessions.Once(ctx, "attestation-pop", client.InstanceKeyThumbprint+"|"+client.PoPID, client.PoPIssuedAt, remember(client.PoPForgetAfter, now))
	if err != nil {
		return nil, unavailable(err)
	}
	if !first {
		return nil, refuse(openid4vci.CodeInvalidClient, "the proof of possession was used before, or may have been; sign a new one", nil)
	}
	return &Client{
		ID: client.ID, InstanceKey: client.InstanceKeyThumbprint, WalletName: client.WalletName,
		Statuses: client.Statuses, StatusesEnd: client.StatusUntil,
	}, nil
}

// speaksFor reports whether a provider may attest a wallet. Whether the wallet is
// registered at all is decided where it asks for something.
func (s *Server) speaksFor(provider *x509.Certificate, clientID string) bool {
	for _, w := range s.cfg.Wallets {
		if w.ID == clientID {
			return !w.byKey() && w.AttestedBy(provider)
		}
	}
	return true
}

// AttestedBy reports whether a provider, by its anchor, may attest instances of the
// wallet or their keys.
func (w Wallet) AttestedBy(provider *x509.Certificate) bool {
	return w.Provider == nil || w.Provider.Equal(provider)
}

// ClientHeaders are the headers by which a client proves who it is.
type ClientHeaders struct {
	Attestation []string
	PoP         []string
	DPoP        []string
}
