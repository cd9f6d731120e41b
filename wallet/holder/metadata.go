package holder

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/internal/fetch"
)

// discover fetches the metadata of the issuer and of the authorization server
// that the offer leads to, from where their identifiers say and nowhere else.
func (i *issuance) discover(ctx context.Context) error {
	address, err := openid4vci.MetadataURL(i.offer.CredentialIssuer)
	if err != nil {
		return err
	}
	if i.issuer, err = i.issuerMetadata(ctx, address); err != nil {
		return err
	}
	if err := i.chooseConfigurations(); err != nil {
		return err
	}
	return i.discoverServer(ctx)
}

// issuerMetadata fetches the metadata, signed if the wallet trusts signers of it.
// What is unsigned is then refused, unless the wallet is made to take it: otherwise
// whoever could strip the signature would not have to forge it. What is signed and
// wrong is always refused.
func (i *issuance) issuerMetadata(ctx context.Context, address string) (m *openid4vci.IssuerMetadata, err error) {
	form := typeJSON
	if i.w.MetadataTrust != nil {
		form = openid4vci.MediaTypeSignedMetadata
	}
	response, err := i.steps.get(ctx, "issuer metadata", PartyIssuer, address, form)
	if i.w.UnsignedMetadata && hasNoSignedForm(response, err) {
		form = typeJSON
		response, err = i.steps.get(ctx, "issuer metadata", PartyIssuer, address, form)
	}
	if err != nil {
		return nil, err
	}
	if form == typeJSON {
		return openid4vci.ParseIssuerMetadata(response.Body, i.offer.CredentialIssuer)
	}
	m, i.signer, err = openid4vci.ParseSignedMetadata(ctx, string(response.Body), openid4vci.SignedMetadataExpect{
		Identifier: i.offer.CredentialIssuer, Policy: i.w.MetadataTrust, Now: i.w.Now(), Skew: metadataSkew,
	})
	return m, err
}

// hasNoSignedForm recognises an issuer that answers a request for signed metadata
// with the other form (section 12.2.2), or says that there is no such form.
func hasNoSignedForm(response *fetch.Response, err error) bool {
	got := answer(response, err)
	return errors.Is(err, fetch.ErrContentType) || got != nil && got.Status == http.StatusNotAcceptable
}

// metadataSkew is how far the clock of an issuer may differ.
const metadataSkew = time.Minute

// chooseConfigurations takes everything offered. What is unknown or of another
// format ends the issuance: half of an offer is not what the person agreed to.
// Without an offer it takes what the wallet can hold.
func (i *issuance) chooseConfigurations() error {
	for _, id := range i.offer.ConfigurationIDs {
		c, err := i.issuer.Configuration(id)
		if err != nil {
			return err
		}
		if !i.holds(c) {
			return fmt.Errorf("configuration %q: format %q is not accepted", id, c.Format)
		}
		i.wanted = append(i.wanted, wanted{id, c})
	}
	if len(i.offer.ConfigurationIDs) > 0 {
		return nil
	}
	for _, id := range slices.Sorted(maps.Keys(i.issuer.Configurations)) {
		if c, err := i.issuer.Configuration(id); err == nil && i.holds(c) {
			i.wanted = append(i.wanted, wanted{id, c})
		}
	}
	if len(i.wanted) == 0 {
		return errors.New("the issuer has nothing that the wallet can hold")
	}
	return nil
}

// holds reports whether the wallet takes credentials of this format.
func (i *issuance) holds(c *openid4vci.Configuration) bool {
	return (c.Format == credentials.FormatSDJWTVC || c.Format == credentials.FormatMdoc) && i.w.IssuerTrust[c.Format] != nil
}

func (i *issuance) discoverServer(ctx context.Context) error {
	hint := ""
	if g := i.offer.Grants; g != nil && g.AuthorizationCode != nil {
		hint = g.AuthorizationCode.AuthorizationServer
	} else if grant := i.preAuthorized(); grant != nil {
		hint = grant.AuthorizationServer
	}
	identifier, err := i.issuer.AuthorizationServer(hint)
	if err != nil {
		return err
	}
	address, err := openid4vci.AuthorizationServerMetadataURL(identifier)
	if err != nil {
		return err
	}
	response, err := i.steps.get(ctx, "authorization server metadata", PartyAuthorizationServer, address, typeJSON)
	if err != nil {
		return err
	}
	if i.server, err = openid4vci.ParseAuthorizationServerMetadata(response.Body, identifier); err != nil {
		return err
	}
	if i.preAuthorized() != nil {
		return nil
	}
	if !i.server.SupportsGrant(openid4vci.GrantAuthorizationCode) {
		return errors.New("the authorization server has no grant type that the wallet can use")
	}
	return i.server.CheckHighAssurance()
}

// scopes returns the scopes of what is wanted and, for configurations that
// have none, authorization details.
func (i *issuance) scopes() (scopes []string, details []openid4vci.AuthorizationDetail) {
	for _, want := range i.wanted {
		scope := want.configuration.Scope
		if scope == "" {
			d := openid4vci.AuthorizationDetail{Type: openid4vci.DetailType, CredentialConfigurationID: want.id}
			if len(i.issuer.AuthorizationServers) > 0 {
				d.Locations = []string{i.issuer.CredentialIssuer}
			}
			details = append(details, d)
		} else if !slices.Contains(scopes, scope) {
			scopes = append(scopes, scope)
		}
	}
	return scopes, details
}
