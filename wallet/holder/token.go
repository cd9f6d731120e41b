package holder

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/tegata-id/tegata/credentials/openid4vci"
)

func (i *issuance) exchangeCode(ctx context.Context, a *attempt, code string) error {
	return i.requestToken(ctx, url.Values{
		"grant_type":    {openid4vci.GrantAuthorizationCode},
		"client_id":     {i.client.id},
		"code":          {code},
		"redirect_uri":  {i.w.RedirectURI},
		"code_verifier": {a.verifier},
	})
}

func (i *issuance) exchangePreAuthorized(ctx context.Context, grant *openid4vci.PreAuthorizedCodeGrant, agent UserAgent) error {
	form := url.Values{
		"grant_type":          {openid4vci.GrantPreAuthorized},
		"client_id":           {i.client.id},
		"pre-authorized_code": {grant.Code},
	}
	if grant.TxCode != nil {
		reader, ok := agent.(TxCodeReader)
		if !ok {
			return errors.New("the offer needs a transaction code and nobody can be asked for it")
		}
		done := i.steps.begin("transaction code", PartyWallet, PartyPerson)
		code, err := reader.TxCode(ctx, *grant.TxCode)
		done("")
		if err != nil {
			return fmt.Errorf("transaction code: %w", err)
		}
		form.Set("tx_code", code)
	}
	return i.requestToken(ctx, form)
}

// refreshToken gets another access token for what the first one allowed. The
// client attestation may have expired too.
func (i *issuance) refreshToken(ctx context.Context) error {
	if err := i.authenticate(ctx); err != nil {
		return err
	}
	token := i.token.RefreshToken
	err := i.requestToken(ctx, url.Values{
		"grant_type": {openid4vci.GrantRefreshToken}, "client_id": {i.client.id}, "refresh_token": {token},
	})
	if err == nil && i.token.RefreshToken == "" {
		i.token.RefreshToken = token // it serves again
	}
	return err
}

// requestToken accepts nothing but a token that is bound to the DPoP key.
func (i *issuance) requestToken(ctx context.Context, form url.Values) error {
	response, err := i.postForm(ctx, "token", i.server.TokenEndpoint, form, true)
	if err != nil {
		return fmt.Errorf("token: %w", err)
	}
	if i.token, err = openid4vci.ParseTokenResponse(response.Body); err != nil {
		return err
	}
	if !strings.EqualFold(i.token.TokenType, "DPoP") {
		return errors.New("token: it is not bound to the DPoP key")
	}
	return nil
}

// refresh returns what gets the same again, or nil.
func (i *issuance) refresh() *Refresh {
	if i.token.RefreshToken == "" {
		return nil
	}
	return &Refresh{Server: i.server.Issuer, Token: i.token.RefreshToken}
}

// identifiers returns the credential identifiers that the token response has
// for a configuration. A single empty one stands for none: then the request
// names the configuration. None at all means that the token does not cover it.
func (i *issuance) identifiers(configuration string) []string {
	if len(i.token.AuthorizationDetails) == 0 {
		return []string{""}
	}
	var out []string
	for _, d := range i.token.AuthorizationDetails {
		if d.CredentialConfigurationID != configuration {
			continue
		}
		for _, identifier := range d.CredentialIdentifiers {
			if !slices.Contains(out, identifier) {
				out = append(out, identifier)
			}
		}
	}
	return out
}
