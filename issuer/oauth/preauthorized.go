package oauth

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"slices"
	"time"

	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/issuer/evidence"
	"github.com/tegata-id/tegata/issuer/source"
)

// MaxTxCodeAttempts is how many transaction codes are compared for one
// pre-authorized code, over all replicas; then the code is invalid (OpenID4VCI
// 1.0 section 13.6.3).
const MaxTxCodeAttempts = 5

// PreAuthorization is what somebody at the issuer has decided: what a person
// gets who has identified themselves before and elsewhere.
type PreAuthorization struct {
	Configurations []string
	Evidence       *evidence.Evidence
	Person         *source.Person
	// TxCode is the transaction code that must come with the pre-authorized
	// code, or empty for none. Without one, whoever sees the offer can take it.
	TxCode string
}

// preAuthorized is what a pre-authorized code stands for. As with
// authorization codes it is marked as used and not deleted.
type preAuthorized struct {
	Configurations []string
	Evidence       *evidence.Evidence
	Person         *source.Person
	// TxCode is the digest of the transaction code, or empty.
	TxCode []byte
	// Issued is when the code was made; Expires ends the code; the record lives on to notice a second use.
	Issued, Expires time.Time
	Used            bool
	// Token is the access token that the first use gave.
	Token string
}

// PreAuthorize returns a pre-authorized code, and when it expires. The error is
// that of the session store.
func (s *Server) PreAuthorize(ctx context.Context, p PreAuthorization) (code string, expires time.Time, err error) {
	now := s.cfg.Now()
	code, expires = newSecret(), now.Add(s.cfg.Lifetimes.PreAuthorized)
	c := preAuthorized{Configurations: p.Configurations, Evidence: p.Evidence, Person: p.Person, Issued: now, Expires: expires}
	if p.TxCode != "" {
		c.TxCode = txDigest(code, p.TxCode)
	}
	err = s.offered.PutUntil(ctx, code, c, expires.Add(s.cfg.Lifetimes.Token))
	return code, expires, err
}

// txDigest is what is kept of a transaction code and compared: always of one
// length, however long what the wallet sent.
func txDigest(code, txCode string) []byte {
	mac := hmac.New(sha256.New, []byte(code))
	mac.Write([]byte(txCode))
	return mac.Sum(nil)
}

// exchangePreAuthorized answers a token request with a pre-authorized code
// (OpenID4VCI 1.0 section 6.1). Only wallets that have proven who they are get here,
// so that a code that was photographed is of use in none of the attacker's
// making.
func (s *Server) exchangePreAuthorized(ctx context.Context, client *Client, dpopKey string, form Params) (*openid4vci.TokenResponse, error) {
	wallet, err := s.registered(client.ID)
	if err != nil {
		return nil, err
	}
	if err := wallet.checkGrant(openid4vci.GrantPreAuthorized); err != nil {
		return nil, err
	}
	if !form.Has("pre-authorized_code") {
		return nil, refuse(openid4vci.CodeInvalidRequest, "pre-authorized_code is missing", nil)
	}
	secret := form.Get("pre-authorized_code")
	c, version, err := s.offered.Get(ctx, secret)
	if err != nil {
		return nil, stored(err, openid4vci.CodeInvalidGrant, badCode)
	}
	if !c.Used && !s.cfg.Now().Before(c.Expires) {
		return nil, refuse(openid4vci.CodeInvalidGrant, badCode, nil)
	}
	access := Access{
		GrantID:        publicID("pre-authorized grant", secret),
		ClientID:       client.ID,
		InstanceKey:    client.InstanceKey,
		DPoPKey:        dpopKey,
		Configurations: c.Configurations,
		Evidence:       c.Evidence,
		Person:         c.Person,
		Statuses:       client.Statuses,
		StatusesEnd:    client.StatusesEnd,
	}
	if err := s.narrow(wallet, &access, form); err != nil {
		return nil, err
	}
	// What follows must come last: it uses up one of the attempts.
	counted, err := s.checkTxCode(ctx, secret, &c, form)
	switch {
	case err != nil:
		return nil, err
	case c.Used:
		return nil, s.reused(ctx, access.GrantID, c.Token)
	case !counted:
		return nil, s.void(ctx, access)
	}
	return s.redeem(ctx, access, func(token string) error {
		c.Used, c.Token = true, token
		return s.offered.Swap(ctx, secret, version, c)
	})
}

// narrow reduces what the token allows to what the wallet is registered for and
// to what authorization_details ask for (OpenID4VCI 1.0 section 6.1.1).
func (s *Server) narrow(wallet *Wallet, access *Access, form Params) error {
	access.Configurations = slices.DeleteFunc(slices.Clone(access.Configurations), func(id string) bool { return !wallet.mayHave(id) })
	if len(access.Configurations) == 0 {
		return refuse(openid4vci.CodeUnauthorizedClient, "the wallet is not registered for what was offered or agreed to", nil)
	}
	if !form.Has("authorization_details") {
		return nil
	}
	ids, err := s.detailed(wallet, form.Get("authorization_details"))
	if err != nil {
		return err
	}
	for _, id := range ids {
		if !slices.Contains(access.Configurations, id) {
			return refuse(openid4vci.CodeInvalidAuthorizationDetails, "more is requested than was offered or agreed to", nil)
		}
	}
	slices.Sort(ids)
	access.Configurations, access.Details = slices.Compact(ids), true
	return nil
}

// checkTxCode compares the transaction code. A wrong one does not burn the
// pre-authorized code: otherwise whoever sees the offer could take it from the
// person it is for. The attempt is counted before it is compared, so that no
// number of attempts at the same time gets more than [MaxTxCodeAttempts]. If the
// session store has lost data, and perhaps the count, counted is false: no token
// may come of the code, even if the transaction code is right.
//
// A second use is only told from an attempt, and only then revokes what the
// first one gave, if its transaction code is right too.
func (s *Server) checkTxCode(ctx context.Context, secret string, c *preAuthorized, form Params) (counted bool, err error) {
	switch {
	case len(c.TxCode) == 0 && !form.Has("tx_code"):
		return true, nil
	case len(c.TxCode) == 0:
		return false, refuse(openid4vci.CodeInvalidRequest, "no tx_code belongs to this pre-authorized code", nil)
	case !form.Has("tx_code"):
		return false, refuse(openid4vci.CodeInvalidRequest, "tx_code is missing", nil)
	}
	lifetime := s.cfg.Lifetimes.PreAuthorized + s.cfg.Lifetimes.Token
	attempts, err := s.cfg.Sessions.Count(ctx, "tx_code", secret, lifetime)
	if err != nil {
		return false, unavailable(err)
	}
	trusted, err := s.cfg.Sessions.Trusts(ctx, c.Issued)
	if err != nil {
		return false, unavailable(err)
	}
	if attempts > MaxTxCodeAttempts {
		return false, refuse(openid4vci.CodeInvalidGrant, badCode, nil)
	}
	switch right := hmac.Equal(txDigest(secret, form.Get("tx_code")), c.TxCode); {
	case right:
		return trusted, nil
	case trusted:
		return false, refuse(openid4vci.CodeInvalidGrant, "the tx_code is wrong", nil)
	}
	return false, refuse(openid4vci.CodeInvalidGrant, badCode, nil) // as if it were right
}
