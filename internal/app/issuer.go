package app

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/mdoc"
	"github.com/tegata-id/tegata/credentials/sdjwt"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/internal/app/statusadmin"
	"github.com/tegata-id/tegata/internal/audit"
	"github.com/tegata-id/tegata/internal/nonce"
	"github.com/tegata-id/tegata/issuer"
	"github.com/tegata-id/tegata/issuer/evidence"
	"github.com/tegata-id/tegata/issuer/evidence/openid"
	"github.com/tegata-id/tegata/issuer/oauth"
	"github.com/tegata-id/tegata/issuer/records"
	"github.com/tegata-id/tegata/openapi"
)

// The defaults of an issuer's configuration.
const (
	defaultRecheck    = time.Hour
	defaultCRLRefresh = time.Hour
	// maxOpenIDAnswer limits what is read of an OpenID provider, in bytes.
	maxOpenIDAnswer = 128 << 10
	// defaultStatusRefresh is how often the status by OCSP and of platform
	// operators has news. Their clocks may be ahead by statusClockSkew.
	defaultStatusRefresh = 15 * time.Minute
	statusClockSkew      = time.Minute
	offerLifetime        = 10 * time.Minute
	// batchesPerGrant lets a wallet ask again after a lost response.
	batchesPerGrant = 3
	// defaultRefreshPeriod lets a wallet renew what lives for a day before it
	// ends.
	defaultRefreshPeriod = 12 * time.Hour
)

func (a *App) buildIssuer(t *tenant) error {
	c, now, tenant, id := t.Issuer, a.opt.Now, t.Endpoint.Tenant, t.BaseURL()
	secret, err := config.LoadHexSecret("secret_file", c.Secret)
	if err != nil {
		return err
	}
	adminToken, err := config.LoadSecret("admin_token_file", c.AdminToken)
	if err != nil {
		return err
	}
	signers, err := a.issuerKeys(c)
	if err != nil {
		return err
	}
	for format, s := range signers {
		t.signers = append(t.signers, watchRing(t.Role, tenant, string(format), s.Keys))
	}
	metadataKeys, err := a.metadataKeys(t, c)
	if err != nil {
		return err
	}
	check, err := a.evidence(t, &c.JPKI)
	if err != nil {
		return fmt.Errorf("jpki: %w", err)
	}
	var attesters []trust.Anchor
	if c.Attested() || len(c.WalletProviders) > 0 {
		if attesters, err = config.LoadAnchors("wallet_providers", c.WalletProviders); err != nil {
			return err
		}
	}
	registered, err := wallets(c.Wallets, attesters)
	if err != nil {
		return err
	}
	attesterStatus, err := a.statusChecker(t, attesters)
	if err != nil {
		return err
	}
	derived, err := deriveKeys(secret, tenant, "audit", "pseudonyms", purposeDPoPNonce, purposeChallenge, purposeAuthentication)
	if err != nil {
		return err
	}
	owned, err := statusadmin.Of(t.Tenant)
	if err != nil {
		return err
	}
	log, err := audit.New(t.Role, derived["audit"])
	if err != nil {
		return err
	}
	configurations, err := c.Configurations()
	if err != nil {
		return err
	}
	registers, err := a.registers(t, c, secret)
	if err != nil {
		return err
	}
	publisher, err := a.publish(t, owned)
	if err != nil {
		return err
	}
	batch := c.BatchSize
	if batch == 0 {
		batch = config.DefaultBatchSize
	}
	t.revocation = check.status.lists
	sessions := a.sessions(t.Role, tenant)
	attesterPolicy := &trust.Policy{
		Anchors: attesters, Profile: trust.ProfileWalletProvider, Now: now,
		Revocation: trust.NotChecked("attestations live for hours and wallet providers' certificates name no list"),
	}
	var keyAttesters *issuer.KeyAttesters
	if len(attesters) > 0 {
		keyAttesters = &issuer.KeyAttesters{Policy: attesterPolicy, Wallets: registered, Status: attesterStatus}
	}
	i, err := issuer.New(issuer.Config{
		ID: id, Tenant: tenant, Name: []issuer.Text{{Locale: "ja", Text: c.NameJA}, {Locale: "en", Text: c.NameEN}},
		Configurations: configurations, Registers: registers, Signers: signers, MetadataKeys: metadataKeys, Sessions: sessions,
		Records:     &records.Records{DB: a.db, Lists: owned.Lists, Audit: log, Now: now, Revoked: a.observed.issuer.Revoked, Cascade: issuer.Cascade(configurations)},
		StatusLists: publisher, StatusWindow: owned.Window,
		Revocations: check.status.StatusChecker, CRLs: check.status.crls(), CRLInterval: c.JPKI.CRLRefresh.Or(defaultCRLRefresh),
		JPKIAnchors: check.anchors, Secret: secret, EncryptionRequired: c.EncryptionRequired,
		KeyAttesters: keyAttesters,
		BatchSize:    batch, CredentialsPerGrant: batch * batchesPerGrant,
		RefreshPeriod:   c.Lifetimes.RefreshPeriod.Or(defaultRefreshPeriod),
		MaxValidity:     c.Validity(),
		RecheckInterval: c.JPKI.RecheckInterval.Or(defaultRecheck),
		OfferLifetime:   offerLifetime, Metrics: a.observed.issuer, Log: a.opt.Log, Now: now,
	})
	if err != nil {
		return err
	}
	frontDoor, err := a.frontDoor(t, c)
	if err != nil {
		return fmt.Errorf("openid: %w", err)
	}
	dpopNonces, err := nonces(c.DPoPNonces, derived, purposeDPoPNonce, tenant, now)
	if err != nil {
		return err
	}
	challenges, err := nonces(c.AttestationChallenges, derived, purposeChallenge, tenant, now)
	if err != nil {
		return err
	}
	authenticator, err := a.authenticator(t, &c.JPKI, derived[purposeAuthentication])
	if err != nil {
		return fmt.Errorf("jpki.returning_users: %w", err)
	}
	authorization := oauth.New(oauth.Config{
		Issuer: id, Name: map[string]string{"ja": c.NameJA, "en": c.NameEN}, Configurations: issuer.Authorizable(configurations), Sessions: sessions,
		Attesters: attesterPolicy,
		Wallets:   registered, AttestationStatus: attesterStatus,
		Prover:        &evidence.JPKI{Policy: check.policy, Status: check.status.StatusChecker, PseudonymKey: derived["pseudonyms"], Now: now},
		Authenticator: authenticator,
		Source:        i.Source(), Grants: i.Grants(), Offers: i.Offers(),
		FrontDoor:   frontDoor,
		OtherDevice: c.JPKI.OtherDevice, SignerURL: c.JPKI.SignerURL,
		DPoPNonces: dpopNonces, AttestationChallenges: challenges, TestCards: check.cards, Lifetimes: lifetimes(c.Lifetimes), Now: now,
	})
	issuer.Mount(t.server, t.Path, i, authorization, adminToken)
	openapi.Mount(t.server, t.Path, openapi.Issuer)
	t.jobs = append(t.jobs, i.Run)
	return nil
}

// frontDoor returns the OpenID provider of an issuer, or nil if it has none.
func (a *App) frontDoor(t *tenant, c *config.Issuer) (oauth.FrontDoor, error) {
	if c.OpenID == nil {
		return nil, nil
	}
	ring, err := a.keyring.LoadRing("keys.openid", c.Keys.OpenID, a.opt.Now())
	if err != nil {
		return nil, err
	}
	t.signers = append(t.signers, watchRing(t.Role, t.Endpoint.Tenant, "openid", ring))
	u, err := url.Parse(c.OpenID.Issuer)
	if err != nil {
		return nil, err
	}
	host := u.Host
	if u.Port() == "" {
		host += ":443"
	}
	client, err := a.client("OpenID provider", maxOpenIDAnswer, host)
	if err != nil {
		return nil, err
	}
	return openid.New(openid.Config{
		Issuer: c.OpenID.Issuer, Endpoints: openid.EndpointsOf(c.OpenID.Issuer), ClientID: c.OpenID.ClientID,
		Keys: ring, ACR: c.OpenID.ACRValues, Client: client, Now: a.opt.Now,
	})
}

// wallets reads the registered wallets. The provider of each must be one of
// those that are trusted.
func wallets(list []config.Wallet, providers []trust.Anchor) ([]oauth.Wallet, error) {
	var out []oauth.Wallet
	for n, w := range list {
		wallet := oauth.Wallet{ID: w.ClientID, RedirectURIs: w.RedirectURIs, Name: w.Name, Configurations: w.Credentials, GrantTypes: w.GrantTypes}
		if w.HasKeys() {
			set, err := config.LoadClientKeys(fmt.Sprintf("wallets[%d]", n), &w)
			if err != nil {
				return nil, err
			}
			wallet.Keys = set
		}
		if w.Provider != "" {
			where := fmt.Sprintf("wallets[%d].provider_file", n)
			certificates, err := config.LoadCertificates(where, w.Provider)
			if err != nil {
				return nil, err
			}
			wallet.Provider = certificates[0]
			if len(certificates) != 1 || !slices.ContainsFunc(providers, func(a trust.Anchor) bool { return a.Certificate.Equal(wallet.Provider) }) {
				return nil, fmt.Errorf("%s: must hold one certificate, which is among wallet_providers", where)
			}
		}
		out = append(out, wallet)
	}
	return out, nil
}

// lifetimes fills in what the configuration leaves out. A challenge is of no use
// after the login that it belongs to.
func lifetimes(c config.Lifetimes) oauth.Lifetimes {
	d := oauth.DefaultLifetimes
	l := oauth.Lifetimes{
		Request: c.Request.Or(d.Request), Login: c.Login.Or(d.Login), Code: c.Code.Or(d.Code),
		PreAuthorized: c.PreAuthorized.Or(d.PreAuthorized), Token: c.AccessToken.Or(d.Token),
		Refresh: time.Duration(c.RefreshToken),
	}
	l.Challenge = min(d.Challenge, l.Login)
	return l
}

// What the keys for DPoP nonces, attestation challenges and links are derived for.
const (
	purposeDPoPNonce = "DPoP nonce"
	purposeChallenge = "attestation challenge"
	// purposeAuthentication is for the pseudonyms of authentication certificates,
	// which are in no database.
	purposeAuthentication = "authentication pseudonyms"
)

// nonces returns the nonces of a tenant for one purpose, or nil if none are
// wanted.
func nonces(wanted bool, derived map[string][]byte, purpose, tenant string, now func() time.Time) (*nonce.Nonces, error) {
	if !wanted {
		return nil, nil
	}
	return nonce.New(derived[purpose], purpose, tenant, now)
}

func deriveKeys(secret []byte, tenant string, purposes ...string) (map[string][]byte, error) {
	derived := map[string][]byte{}
	for _, purpose := range purposes {
		key, err := issuer.DeriveKey(secret, tenant, purpose)
		if err != nil {
			return nil, err
		}
		derived[purpose] = key
	}
	return derived, nil
}

// issuerKeys loads the keys that sign credentials.
func (a *App) issuerKeys(c *config.Issuer) (map[credentials.Format]issuer.Signer, error) {
	now := a.opt.Now()
	sdjwtKeys, errSDJWT := a.keyring.LoadRing("keys.sd_jwt", c.Keys.SDJWT, now)
	mdocKeys, errMdoc := a.keyring.LoadRing("keys.mdoc", c.Keys.Mdoc, now)
	if err := errors.Join(errSDJWT, errMdoc); err != nil {
		return nil, err
	}
	return map[credentials.Format]issuer.Signer{
		credentials.FormatSDJWTVC: {Keys: sdjwtKeys, Issue: sdjwt.Issue},
		credentials.FormatMdoc: {Keys: mdocKeys, Issue: func(d credentials.Draft, key *keys.Key) (string, error) {
			signed, err := mdoc.Issue(d, key)
			return jose.EncodeBase64(signed), err
		}},
	}, nil
}

// metadataKeys loads the keys that sign the issuer metadata, or nil if there are
// none.
func (a *App) metadataKeys(t *tenant, c *config.Issuer) (*keys.Ring, error) {
	if len(c.Keys.Metadata) == 0 {
		return nil, nil
	}
	ring, err := a.keyring.LoadRing("keys.metadata", c.Keys.Metadata, a.opt.Now())
	if err != nil {
		return nil, err
	}
	t.signers = append(t.signers, watchRing(t.Role, t.Endpoint.Tenant, useMetadata, ring))
	return ring, nil
}
