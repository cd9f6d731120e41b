package holder

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"

	"github.com/tegata-id/tegata/credentials/openid4vci"
)

// Refresh is what gets credentials of one consent again.
type Refresh struct {
	// Server is the identifier of the authorization server, the only one that
	// the token goes to.
	Server string
	// Token is the refresh token, a secret. It serves this instance of the
	// wallet alone.
	Token string
}

// ErrNoRefresh says that a credential came without a refresh token, so that the
// person has to take an offer once more.
var ErrNoRefresh = errors.New("the credential can't be renewed")

// Renew replaces a batch by new copies with new keys, without the person. If it
// fails, what is held stays. The issuer says whether there is anything to be had:
// an *[openid4vci.Error] with [openid4vci.CodeInvalidGrant] means that the consent
// has ended. Other errors are [ErrNotHeld], [ErrNoRefresh] and those of
// [Offer.Accept].
func (w *Wallet) Renew(ctx context.Context, batch string) ([]*Held, error) {
	all, err := w.Vault.List(ctx)
	if err != nil {
		return nil, err
	}
	n := slices.IndexFunc(all, func(h *Held) bool { return h.Batch == batch })
	if n < 0 {
		return nil, ErrNotHeld
	}
	old := all[n]
	if old.Refresh == nil {
		return nil, ErrNoRefresh
	}
	i, err := w.reissuance(ctx, old)
	if err != nil {
		return nil, err
	}
	if err := i.requestToken(ctx, url.Values{
		"grant_type": {openid4vci.GrantRefreshToken}, "client_id": {i.client.id}, "refresh_token": {old.Refresh.Token},
	}); err != nil {
		return nil, err
	}
	if i.token.RefreshToken == "" {
		i.token.RefreshToken = old.Refresh.Token
	}
	renewed, err := i.store(ctx)
	if err != nil {
		return nil, err
	}
	if err := w.Vault.Remove(ctx, batch); err != nil {
		return nil, fmt.Errorf("remove what was renewed: %w", err)
	}
	return renewed, nil
}

// reissuance begins a walk to what is held already, up to the token request.
func (w *Wallet) reissuance(ctx context.Context, old *Held) (*issuance, error) {
	i, err := w.newIssuance()
	if err != nil {
		return nil, err
	}
	grant := &openid4vci.AuthorizationCodeGrant{}
	if old.Refresh.Server != old.Issuer {
		grant.AuthorizationServer = old.Refresh.Server
	}
	i.offer = &openid4vci.CredentialOffer{
		CredentialIssuer: old.Issuer, ConfigurationIDs: []string{old.ConfigurationID}, Grants: &openid4vci.Grants{AuthorizationCode: grant},
	}
	if err := i.discover(ctx); err != nil {
		return nil, fmt.Errorf("metadata: %w", err)
	}
	if i.server.Issuer != old.Refresh.Server {
		return nil, fmt.Errorf("%w: the issuer has another authorization server now", ErrNoRefresh)
	}
	if err := i.authenticate(ctx); err != nil {
		return nil, fmt.Errorf("client attestation: %w", err)
	}
	return i, nil
}

// Forget removes a batch. With the last one of a consent, the authorization server
// is told that the refresh token has served (RFC 7009), so that it deletes what it
// has sealed for it. That is a courtesy: if it fails, the batch is gone all the
// same, and the token is of no use to anybody.
func (w *Wallet) Forget(ctx context.Context, batch string) error {
	all, err := w.Vault.List(ctx)
	if err != nil {
		return err
	}
	last := map[Refresh]*Held{}
	for _, h := range all {
		if h.Batch == batch && h.Refresh != nil {
			last[*h.Refresh] = h
		}
	}
	for _, h := range all {
		if h.Batch != batch && h.Refresh != nil {
			delete(last, *h.Refresh)
		}
	}
	if err := w.Vault.Remove(ctx, batch); err != nil {
		return err
	}
	for refresh, h := range last {
		i, err := w.reissuance(ctx, h)
		if err != nil || i.server.RevocationEndpoint == "" {
			continue
		}
		_, _ = i.postForm(ctx, "token revocation", i.server.RevocationEndpoint, url.Values{
			"client_id": {i.client.id}, "token": {refresh.Token}, "token_type_hint": {"refresh_token"},
		}, false)
	}
	return nil
}
