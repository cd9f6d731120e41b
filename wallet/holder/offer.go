package holder

import (
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/credentials/trust"
)

const typeJSON = "application/json"

// issuance is one walk from an offer to credentials.
type issuance struct {
	w      *Wallet
	steps  stepper
	offer  *openid4vci.CredentialOffer
	issuer *openid4vci.IssuerMetadata
	// signer vouches for issuer, nil if nobody does.
	signer   *trust.Chain
	server   *openid4vci.AuthorizationServerMetadata
	wanted   []wanted
	client   client
	dpop     crypto.Signer
	nonces   dpopNonces
	token    *openid4vci.TokenResponse
	received []*Held
	// notify holds the notification IDs of what was received.
	notify []string
}

// wanted is a configuration that was offered.
type wanted struct {
	id            string
	configuration *openid4vci.Configuration
}

// Offer is a credential offer that was read together with the metadata of its
// issuer, so that the person can be asked whether they want to deal with it at
// all (OpenID4VCI 1.0 section 13.5). It can be accepted once.
type Offer struct{ issuance *issuance }

// ReadOffer reads an offer by value or by reference. Nothing of it is true
// because the offer says so: it names an issuer, and what that offers.
func (w *Wallet) ReadOffer(ctx context.Context, link string) (*Offer, error) {
	i, err := w.newIssuance()
	if err != nil {
		return nil, err
	}
	if err := i.readOffer(ctx, link); err != nil {
		return nil, fmt.Errorf("offer: %w", err)
	}
	if err := i.discover(ctx); err != nil {
		return nil, fmt.Errorf("metadata: %w", err)
	}
	return &Offer{i}, nil
}

// ProtocolOffer is what the Digital Credentials API calls credential offers, in the
// draft that the conformance suite of the OpenID Foundation follows.
const ProtocolOffer = "openid4vci-v1"

// ReadOfferDCAPI reads an offer that came over the Digital Credentials API, with
// protocol and data as the issuer's page gave them. Metadata that came along is not
// looked at: it is fetched from where the issuer's identifier says, as with every
// offer.
func (w *Wallet) ReadOfferDCAPI(ctx context.Context, protocol string, data json.RawMessage) (*Offer, error) {
	if protocol != ProtocolOffer {
		return nil, errors.New("offer: the protocol is not " + ProtocolOffer)
	}
	i, err := w.newIssuance()
	if err != nil {
		return nil, err
	}
	if i.offer, err = openid4vci.ParseOffer(data); err != nil {
		return nil, fmt.Errorf("offer: %w", err)
	}
	if err := i.discover(ctx); err != nil {
		return nil, fmt.Errorf("metadata: %w", err)
	}
	return &Offer{i}, nil
}

// AskIssuer begins without an offer: the person names an issuer and, by their IDs
// in its metadata, the configurations that they want. Without IDs it is everything
// that the wallet can hold; [Offer.Choose] takes less of it. The person has to log
// in at the issuer.
func (w *Wallet) AskIssuer(ctx context.Context, issuer string, configurations ...string) (*Offer, error) {
	if err := openid4vci.CheckIdentifier(issuer); err != nil {
		return nil, fmt.Errorf("credential issuer: %w", err)
	}
	i, err := w.newIssuance()
	if err != nil {
		return nil, err
	}
	i.offer = &openid4vci.CredentialOffer{CredentialIssuer: issuer, ConfigurationIDs: configurations}
	if err := i.discover(ctx); err != nil {
		return nil, fmt.Errorf("metadata: %w", err)
	}
	return &Offer{i}, nil
}

func (w *Wallet) newIssuance() (*issuance, error) {
	dpopKey, err := keys.GenerateP256()
	if err != nil {
		return nil, err
	}
	return &issuance{w: w, steps: w.stepper(), dpop: dpopKey, nonces: dpopNonces{}}, nil
}

// Issuer returns the metadata of the issuer.
func (o *Offer) Issuer() *openid4vci.IssuerMetadata { return o.issuance.issuer }

// Signer returns the chain that vouches for the metadata and so for who the issuer
// is, nil if the metadata is not signed.
func (o *Offer) Signer() *trust.Chain { return o.issuance.signer }

// Configurations returns what is offered, by the names in the metadata.
func (o *Offer) Configurations() map[string]*openid4vci.Configuration {
	out := map[string]*openid4vci.Configuration{}
	for _, want := range o.issuance.wanted {
		out[want.id] = want.configuration
	}
	return out
}

// TxCode describes the transaction code that [Offer.Accept] will ask for, nil if
// there is none.
func (o *Offer) TxCode() *openid4vci.TxCode {
	if grant := o.issuance.preAuthorized(); grant != nil {
		return grant.TxCode
	}
	return nil
}

// Choose leaves nothing but the named configurations of what is offered. It is
// for an issuer that the wallet asked by itself: what an issuer offers is taken
// as a whole or not at all.
func (o *Offer) Choose(configurations ...string) error {
	var chosen []wanted
	for _, want := range o.issuance.wanted {
		if slices.Contains(configurations, want.id) {
			chosen = append(chosen, want)
		}
	}
	if len(chosen) == 0 || len(chosen) != len(configurations) {
		return errors.New("choose: what was chosen is not what is offered")
	}
	o.issuance.wanted = chosen
	return nil
}

// Accept takes the offer through the authorization code flow, or the
// pre-authorized code flow if the offer has only that, and stores what was
// issued: all that the authorization server granted, or nothing. What comes back
// are copies of what was stored.
func (o *Offer) Accept(ctx context.Context, agent UserAgent) ([]*Held, error) {
	i := o.issuance
	if err := i.authorize(ctx, agent); err != nil {
		return nil, err
	}
	return i.store(ctx)
}

// store collects what the token allows and puts it into the vault, all or
// nothing.
func (i *issuance) store(ctx context.Context) ([]*Held, error) {
	if err := i.collect(ctx); err != nil {
		i.tell(ctx, openid4vci.EventFailure)
		return nil, err
	}
	if err := i.w.Vault.Add(ctx, i.received); err != nil {
		i.tell(ctx, openid4vci.EventFailure)
		return nil, fmt.Errorf("store: %w", err)
	}
	i.tell(ctx, openid4vci.EventAccepted)
	out := make([]*Held, len(i.received))
	for n, h := range i.received {
		out[n] = h.copy()
	}
	return out, nil
}

// AcceptOffer reads an offer that the person wants to deal with, and accepts it.
func (w *Wallet) AcceptOffer(ctx context.Context, link string, agent UserAgent) ([]*Held, error) {
	offer, err := w.ReadOffer(ctx, link)
	if err != nil {
		return nil, err
	}
	return offer.Accept(ctx, agent)
}

func (i *issuance) readOffer(ctx context.Context, link string) error {
	parsed, err := openid4vci.ParseOfferLink(link)
	if err != nil {
		return err
	}
	if i.offer = parsed.Offer; i.offer != nil {
		return nil
	}
	response, err := i.steps.get(ctx, "credential offer", PartyIssuer, parsed.URI, typeJSON)
	if err != nil {
		return err
	}
	i.offer, err = openid4vci.ParseOffer(response.Body)
	return err
}

// preAuthorized returns the grant if the offer has no other.
func (i *issuance) preAuthorized() *openid4vci.PreAuthorizedCodeGrant {
	if g := i.offer.Grants; g != nil && g.AuthorizationCode == nil {
		return g.PreAuthorizedCode
	}
	return nil
}

// authorize ends with a token.
func (i *issuance) authorize(ctx context.Context, agent UserAgent) error {
	if err := i.authenticate(ctx); err != nil {
		return fmt.Errorf("client attestation: %w", err)
	}
	if grant := i.preAuthorized(); grant != nil {
		return i.exchangePreAuthorized(ctx, grant, agent)
	}
	a, err := i.push(ctx)
	if err != nil {
		return fmt.Errorf("pushed authorization request: %w", err)
	}
	code, err := i.visit(ctx, agent, a)
	if err != nil {
		return fmt.Errorf("authorization: %w", err)
	}
	return i.exchangeCode(ctx, a, code)
}

// collect asks for every configuration of the offer.
func (i *issuance) collect(ctx context.Context) error {
	for _, want := range i.wanted {
		for _, identifier := range i.identifiers(want.id) {
			if err := i.issue(ctx, want, identifier); err != nil {
				return fmt.Errorf("credential %s: %w", want.id, err)
			}
		}
	}
	if len(i.received) == 0 {
		return errors.New("the offer led to no credentials")
	}
	return nil
}
