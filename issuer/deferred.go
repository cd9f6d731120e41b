package issuer

import (
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/internal/database"
	"github.com/tegata-id/tegata/issuer/oauth"
	"github.com/tegata-id/tegata/issuer/records"
	"github.com/tegata-id/tegata/issuer/source"
)

// deferredInterval is how long wallets are asked to wait before they come again.
const deferredInterval = time.Minute

// batch is what credentials are to be bound to. It is all that is kept of a
// credential request.
type batch struct {
	Keys []jose.JWK `json:"keys"`
	// Statuses are those of the key attestations.
	Statuses []credentials.StatusRef `json:"statuses,omitempty"`
	// StatusesEnd is until when they are kept up, zero if nobody says.
	StatusesEnd time.Time `json:"statuses_end,omitzero"`
}

func errNoTransaction() error {
	return openid4vci.NewError(openid4vci.CodeInvalidTransactionID, "the transaction_id is unknown, was used, or belongs to another access token")
}

// ready asks the registers that a configuration takes claims from whether these may
// be issued now.
func (i *Issuer) ready(ctx context.Context, access *oauth.Access, c *Configuration) (bool, error) {
	ready, err := i.cfg.Registers.Ready(ctx, access.Evidence, access.Person, c.Registers)
	if err != nil && !errors.Is(err, source.ErrUnavailable) {
		return false, openid4vci.NewError(openid4vci.CodeCredentialRequestDenied, "what is known of the person is not to be issued")
	}
	return ready, err
}

// postpone puts credentials down that are issued later (OpenID4VCI 1.0 section
// 8.3): pending, if the operator decides, and approved, if only a register is not
// ready. What is known of the person stays in the access token and in whatever
// refreshes it.
func (i *Issuer) postpone(ctx context.Context, access *oauth.Access, c *Configuration, proven *openid4vci.VerifiedProofs, state string) (*openid4vci.CredentialResponse, error) {
	b := batch{Statuses: proven.Statuses, StatusesEnd: statusesEnd(proven)}
	for _, key := range proven.Keys {
		jwk, err := jose.NewJWK(key)
		if err != nil {
			return nil, err
		}
		b.Keys = append(b.Keys, *jwk)
	}
	plain, err := json.Marshal(b)
	if err != nil {
		return nil, err
	}
	transaction := i.transactions.issue()
	sealed, err := transaction.seal(plain, "")
	if err != nil {
		return nil, err
	}
	err = i.cfg.Records.Defer(ctx, i.cfg.Tenant, records.Deferred{
		ID: transaction.id, GrantID: access.Consent(), ConfigID: c.ID, Count: len(b.Keys), State: state, Sealed: sealed,
	})
	if err != nil {
		return nil, allocationError(err)
	}
	i.cfg.Metrics.deferred(i.cfg.Tenant, deferredBegun)
	return waiting(transaction.text()), nil
}

func waiting(transactionID string) *openid4vci.CredentialResponse {
	return &openid4vci.CredentialResponse{TransactionID: transactionID, Interval: deferredInterval.Seconds()}
}

// DeferredCredential answers a deferred credential request (OpenID4VCI 1.0 section
// 9) that came in clear, as [Issuer.Credential] does a credential request.
func (i *Issuer) DeferredCredential(ctx context.Context, access *oauth.Access, body []byte) (*openid4vci.CredentialResponse, error) {
	request, err := openid4vci.ParseDeferredRequest(body)
	if err != nil {
		return nil, err
	}
	return i.takeUp(ctx, access, request, false)
}

// takeUp answers a request; encrypted says that it came so.
func (i *Issuer) takeUp(ctx context.Context, access *oauth.Access, request *openid4vci.DeferredRequest, encrypted bool) (*openid4vci.CredentialResponse, error) {
	if err := i.encryption.check(request.ResponseEncryption, encrypted); err != nil {
		return nil, err
	}
	return i.collect(ctx, access, request)
}

// collect answers a deferred credential request (section 9): with the credentials
// once they are approved and all registers are ready, with 202 until then. The access token can be another
// than that of the credential request, if it comes from the same consent. Whether
// certificate and key attestation still hold is asked once more.
func (i *Issuer) collect(ctx context.Context, access *oauth.Access, request *openid4vci.DeferredRequest) (*openid4vci.CredentialResponse, error) {
	transaction, ok := i.transactions.parse(request.TransactionID)
	if !ok {
		return nil, errNoTransaction()
	}
	deferred, err := i.cfg.Records.FindDeferred(ctx, i.cfg.Tenant, access.Consent(), transaction.id)
	switch {
	case errors.Is(err, records.ErrDeferredUnknown):
		return nil, errNoTransaction()
	case err != nil:
		return nil, fmt.Errorf("%w: deferred: %w", database.ErrUnavailable, err)
	}
	c, known := i.configuration(deferred.ConfigID)
	switch {
	case deferred.State == records.DeferredDenied:
		return nil, openid4vci.NewError(openid4vci.CodeCredentialRequestDenied, "the issuer has decided against these credentials")
	case !known || !slices.Contains(access.Configurations, c.ID):
		return nil, errNoTransaction()
	case deferred.State == records.DeferredPending:
		return waiting(request.TransactionID), nil
	}
	switch ready, err := i.ready(ctx, access, c); {
	case err != nil:
		return nil, err
	case !ready:
		return waiting(request.TransactionID), nil
	}
	plain, err := transaction.open(deferred.Sealed, "")
	if errors.Is(err, errTicket) {
		return nil, errNoTransaction()
	}
	var b batch
	if err == nil {
		err = json.Unmarshal(plain, &b)
	}
	if err != nil {
		return nil, err
	}
	response, err := i.finish(ctx, access, c, b, transaction.id)
	if err == nil {
		i.cfg.Metrics.deferred(i.cfg.Tenant, deferredIssued)
	}
	return response, err
}

// finish issues what was approved, unless what it rests on has ended since.
func (i *Issuer) finish(ctx context.Context, access *oauth.Access, c *Configuration, b batch, id string) (*openid4vci.CredentialResponse, error) {
	cert, err := access.Evidence.OnCertificate()
	if err != nil {
		return nil, err
	}
	signer, err := i.signer(c, cert)
	if err != nil {
		return nil, err
	}
	holderKeys := make([]crypto.PublicKey, len(b.Keys))
	for n := range b.Keys {
		if holderKeys[n], err = b.Keys[n].VerificationKey(); err != nil {
			return nil, err
		}
	}
	if err := i.stillAttested(ctx, b.Statuses, openid4vci.CodeCredentialRequestDenied); err != nil {
		return nil, err
	}
	if err := i.stillGood(ctx, cert); err != nil {
		return nil, err
	}
	if err := i.stillAWallet(ctx, access); err != nil {
		return nil, err
	}
	if err := signer.within(i, c, attestedUntil(c, access, b.StatusesEnd)); err != nil {
		return nil, err
	}
	return i.deliver(ctx, access, c, signer, bound{keys: holderKeys, statuses: b.Statuses, deferred: id})
}

// Deferred lists what waits for the operator's approval, oldest first, at most
// a hundred.
func (i *Issuer) Deferred(ctx context.Context) ([]records.Deferred, error) {
	return i.cfg.Records.PendingDeferred(ctx, i.cfg.Tenant, 100)
}

// Decide approves or denies what waits under an ID. Errors wrap
// [records.ErrDeferredUnknown], [records.ErrDeferredDecided], or say that the
// database is away.
func (i *Issuer) Decide(ctx context.Context, id string, approve bool) error {
	if err := i.cfg.Records.DecideDeferred(ctx, i.cfg.Tenant, id, approve); err != nil {
		return err
	}
	outcome := deferredDenied
	if approve {
		outcome = deferredApproved
	}
	i.cfg.Metrics.deferred(i.cfg.Tenant, outcome)
	return nil
}
