package issuer

import (
	"context"
	"crypto/rand"
	"errors"

	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/internal/session"
	"github.com/tegata-id/tegata/issuer/oauth"
)

// offer is what an issuer_state stands for. It only links a request to an
// offer and authenticates nobody: who the person is, the evidence says.
type offer struct{ Configurations []string }

// ErrUnknownConfiguration says that an offer names what the issuer does not
// have.
var ErrUnknownConfiguration = errors.New("unknown credential configuration")

// Offer makes a credential offer for the authorization code flow (OpenID4VCI
// 1.0 section 4.1.1).
func (i *Issuer) Offer(ctx context.Context, configurations []string) (*openid4vci.CredentialOffer, error) {
	if len(configurations) == 0 {
		return nil, ErrUnknownConfiguration
	}
	seen := map[string]bool{}
	for _, id := range configurations {
		if _, ok := i.configuration(id); !ok || seen[id] {
			return nil, ErrUnknownConfiguration
		}
		seen[id] = true
	}
	state := rand.Text()
	if err := i.offers.Put(ctx, state, offer{Configurations: configurations}); err != nil {
		return nil, err
	}
	return &openid4vci.CredentialOffer{
		CredentialIssuer: i.cfg.ID,
		ConfigurationIDs: configurations,
		Grants: &openid4vci.Grants{
			AuthorizationCode: &openid4vci.AuthorizationCodeGrant{IssuerState: state},
		},
	}, nil
}

// Offers returns the open offers as the authorization server sees them.
func (i *Issuer) Offers() oauth.Offers { return openOffers{i.offers} }

type openOffers struct{ *session.Objects[offer] }

func (o openOffers) Open(ctx context.Context, issuerState string) ([]string, error) {
	found, _, err := o.Get(ctx, issuerState)
	if err != nil {
		return nil, err
	}
	return found.Configurations, nil
}
