package issuer

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/internal/database"
	"github.com/tegata-id/tegata/internal/nonce"
	"github.com/tegata-id/tegata/issuer/evidence"
	"github.com/tegata-id/tegata/issuer/oauth"
	"github.com/tegata-id/tegata/issuer/records"
)

// Nonce returns a fresh c_nonce (OpenID4VCI 1.0 section 7).
func (i *Issuer) Nonce() string { return i.nonces.Fresh() }

// Credential answers a credential request (OpenID4VCI 1.0 section 8) that came in
// clear, of a client with the given access. Errors that the wallet is told are
// *openid4vci.Error; all others mean that the issuer can't issue now.
//
// The order matters. Without a key that may sign now nothing is done at all: the
// error is [keys.ErrNoSigner]. Nothing is remembered before the proofs hold; then the
// nonce is used up, the certificate is looked up once more, and the batch is
// counted and committed in SQL; only then is anything signed.
func (i *Issuer) Credential(ctx context.Context, access *oauth.Access, body []byte) (*openid4vci.CredentialResponse, error) {
	request, err := openid4vci.ParseCredentialRequest(body)
	if err != nil {
		return nil, err
	}
	return i.issue(ctx, access, request, false)
}

// issue answers a request; encrypted says that it came so.
func (i *Issuer) issue(ctx context.Context, access *oauth.Access, request *openid4vci.CredentialRequest, encrypted bool) (*openid4vci.CredentialResponse, error) {
	configuration, err := i.granted(access, request)
	if err != nil {
		return nil, err
	}
	cert, err := access.Evidence.OnCertificate()
	if err != nil {
		return nil, err
	}
	// Whoever asks for an encrypted answer must not get one in clear instead.
	if err := i.encryption.check(request.ResponseEncryption, encrypted); err != nil {
		return nil, err
	}
	signer, err := i.signer(configuration, cert)
	if err != nil {
		return nil, err
	}
	proven, err := i.prove(ctx, access, configuration, request)
	if err != nil {
		return nil, err
	}
	if err := i.stillGood(ctx, cert); err != nil {
		return nil, err
	}
	if err := i.stillAWallet(ctx, access); err != nil {
		return nil, err
	}
	ready, err := i.ready(ctx, access, configuration)
	switch {
	case err != nil:
		return nil, err
	case configuration.Approval:
		return i.postpone(ctx, access, configuration, proven, records.DeferredPending)
	case !ready:
		return i.postpone(ctx, access, configuration, proven, records.DeferredApproved)
	}
	if err := signer.within(i, configuration, attestedUntil(configuration, access, statusesEnd(proven))); err != nil {
		return nil, err
	}
	return i.deliver(ctx, access, configuration, signer, bound{keys: proven.Keys, statuses: proven.Statuses})
}

// deliver counts the batch, has it committed, and signs it.
func (i *Issuer) deliver(ctx context.Context, access *oauth.Access, configuration *Configuration, signer *batchSigner, to bound) (*openid4vci.CredentialResponse, error) {
	drafts, first, err := i.drafts(ctx, access, signer, configuration, to)
	if err != nil {
		return nil, err
	}
	response := &openid4vci.CredentialResponse{NotificationID: i.notifications.id(access.Consent(), first)}
	for _, d := range drafts {
		credential, err := i.cfg.Signers[configuration.Format].Issue(d, signer.key)
		if err != nil {
			return nil, fmt.Errorf("sign %s: %w", configuration.ID, err)
		}
		response.Credentials = append(response.Credentials, openid4vci.IssuedCredential{Credential: credential})
	}
	return response, nil
}

// granted finds the configuration that is asked for among those that the token
// allows.
func (i *Issuer) granted(access *oauth.Access, request *openid4vci.CredentialRequest) (*Configuration, error) {
	id := request.ConfigurationID
	if request.CredentialIdentifier != "" {
		// The identifiers in the token response are those of the
		// configurations: there is one dataset of each.
		id = request.CredentialIdentifier
		if !access.Details || !slices.Contains(access.Configurations, id) {
			return nil, openid4vci.NewError(openid4vci.CodeUnknownCredentialIdentifier, "the credential identifier is not one of the token response")
		}
	}
	configuration, known := i.configuration(id)
	switch {
	case !known:
		return nil, openid4vci.NewError(openid4vci.CodeUnknownCredentialConfiguration, "unknown credential configuration")
	case request.CredentialIdentifier == "" && access.Details:
		return nil, openid4vci.NewError(openid4vci.CodeInvalidCredentialRequest, "credential_identifier of the token response must be used")
	case !slices.Contains(access.Configurations, id):
		return nil, openid4vci.NewError(openid4vci.CodeInvalidCredentialRequest, "the access token does not cover this configuration")
	}
	return configuration, nil
}

// prove verifies the key proofs and uses up their nonce.
func (i *Issuer) prove(ctx context.Context, access *oauth.Access, c *Configuration, request *openid4vci.CredentialRequest) (*openid4vci.VerifiedProofs, error) {
	if err := i.describe(c).CheckProofs(request.Proofs, i.cfg.BatchSize); err != nil {
		return nil, err
	}
	expect := openid4vci.ProofExpect{
		Audience:     i.cfg.ID,
		ClientID:     access.ClientID,
		RequireNonce: true,
		Algorithms:   []string{"ES256"},
		MaxKeys:      i.cfg.BatchSize,
		Now:          i.cfg.Now(),
	}
	i.expectAttested(&expect, c)
	proven, err := openid4vci.VerifyProofs(ctx, request.Proofs, expect)
	if err != nil {
		return nil, err
	}
	if err := i.attestedBy(ctx, access.ClientID, proven); err != nil {
		return nil, err
	}
	switch err := i.nonces.Consume(ctx, i.cfg.Sessions, "c_nonce", proven.Nonce); {
	case nonce.Invalid(err):
		return nil, openid4vci.NewError(openid4vci.CodeInvalidNonce, "the nonce is unknown, has expired or was used; get a new one")
	case err != nil:
		return nil, err
	}
	return proven, nil
}

// stillGood asks once more whether the certificate has been revoked since the
// person logged in. Without a certificate there is nothing to ask.
func (i *Issuer) stillGood(ctx context.Context, cert *evidence.Certificate) error {
	if cert == nil {
		return nil
	}
	revoked, _, err := i.revoked(ctx, cert.Handle)
	if err != nil {
		return fmt.Errorf("%w: %w", evidence.ErrUnavailable, err)
	}
	if revoked {
		return openid4vci.NewError(openid4vci.CodeCredentialRequestDenied, "the evidence for this credential no longer holds")
	}
	return nil
}

// drafts counts the batch, commits it, and returns what is to be signed, with the
// ID of the first row.
func (i *Issuer) drafts(ctx context.Context, access *oauth.Access, s *batchSigner, c *Configuration, to bound) (drafts []credentials.Draft, first string, err error) {
	claims, err := c.claims(access.Evidence.Kind, access.Person, i.today())
	if err != nil {
		return nil, "", openid4vci.NewError(openid4vci.CodeCredentialRequestDenied, "what is known of the person is not what this credential needs")
	}
	integrity, err := i.typeIntegrity(ctx, c)
	if err != nil {
		return nil, "", err
	}
	attested, err := i.attested(c, access, to.statuses)
	if err != nil {
		return nil, "", err
	}
	issued, err := i.cfg.Records.AllocateCredentials(ctx, i.cfg.Tenant, records.Allocation{
		GrantID:    access.GrantID,
		ConfigID:   c.ID,
		Type:       c.Type,
		Format:     string(c.Format),
		Count:      len(to.keys),
		IssuedAt:   s.begins,
		ValidUntil: s.ends,

		Attestations: attested,
		Deferred:     to.deferred,
	})
	if err != nil {
		return nil, "", allocationError(err)
	}
	drafts = make([]credentials.Draft, len(issued))
	for n, row := range issued {
		drafts[n] = credentials.Draft{
			Type: c.Type, TypeIntegrity: integrity,
			Claims:     claims,
			Always:     c.always(),
			HolderKey:  to.keys[n],
			SignedAt:   s.begins,
			ValidFrom:  s.begins,
			ValidUntil: s.ends,
		}
		if !c.NoStatus {
			drafts[n].Status = &credentials.StatusRef{URI: i.StatusListURI(row.ListID), Index: row.Index}
		}
	}
	return drafts, issued[0].ID, nil
}

func allocationError(err error) error {
	switch {
	case errors.Is(err, records.ErrGrantExhausted):
		return openid4vci.NewError(openid4vci.CodeCredentialRequestDenied, "no more credentials can be had with this access token")
	case errors.Is(err, records.ErrGrantRevoked), errors.Is(err, records.ErrGrantExpired), errors.Is(err, records.ErrGrantUnknown):
		return openid4vci.NewError(openid4vci.CodeInvalidToken, "what the access token stood for has ended")
	case errors.Is(err, records.ErrEvidenceRevoked):
		return openid4vci.NewError(openid4vci.CodeCredentialRequestDenied, "the evidence for this credential no longer holds")
	case errors.Is(err, records.ErrDeferredUnknown):
		return errNoTransaction()
	case errors.Is(err, records.ErrConfigNotGranted):
		return openid4vci.NewError(openid4vci.CodeInvalidCredentialRequest, "the access token does not cover this configuration")
	}
	return fmt.Errorf("%w: allocate: %w", database.ErrUnavailable, err)
}
