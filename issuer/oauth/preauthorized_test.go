package oauth_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/issuer/evidence"
	"github.com/tegata-id/tegata/issuer/oauth"
	"github.com/tegata-id/tegata/issuer/source"
)

// vouch has the issuer's staff let a person have the configurations.
func (p *party) vouch(t *testing.T, txCode string, configurations ...string) string {
	t.Helper()
	code, expires, err := p.server.PreAuthorize(t.Context(), oauth.PreAuthorization{
		Configurations: configurations, Evidence: evidence.BackOffice(time.Now()), Person: &source.Person{Name: "x"}, TxCode: txCode,
	})
	if err != nil || expires.IsZero() {
		t.Fatal(expires, err)
	}
	return code
}

// take asks for a token with a pre-authorized code and pairs of parameters.
func (p *party) take(t *testing.T, code string, params ...string) (*openid4vci.TokenResponse, error) {
	t.Helper()
	form := oauth.Params{"grant_type": openid4vci.GrantPreAuthorized, "client_id": "wallet", "pre-authorized_code": code}
	for i := 0; i < len(params); i += 2 {
		form[params[i]] = params[i+1]
	}
	return p.server.Token(t.Context(), reuseIssuer+"/token", p.headers("/token"), form)
}

// wantCode fails the test unless the error has the code.
func wantCode(t *testing.T, err error, code string) {
	t.Helper()
	if openid4vci.CodeOf(err) != code {
		t.Errorf("error %v, want %s", err, code)
	}
}

func TestPreAuthorized(t *testing.T) {
	t.Parallel()
	const right = "493536"
	t.Run("honest twin", func(t *testing.T) {
		t.Parallel()
		p := newParty(t)
		token, err := p.take(t, p.vouch(t, right, "a"), "tx_code", right)
		if err != nil || token.TokenType != "DPoP" || token.Scope != "a" || len(token.AuthorizationDetails) != 0 || len(p.grants.revoked) != 0 {
			t.Errorf("%+v, %v", token, err)
		}
	})
	t.Run("I05 transaction code", func(t *testing.T) {
		t.Parallel()
		p := newParty(t)
		code, plain := p.vouch(t, right, "a"), p.vouch(t, "", "a")
		_, err := p.take(t, code)
		wantCode(t, err, openid4vci.CodeInvalidRequest)
		_, err = p.take(t, plain, "tx_code", right)
		wantCode(t, err, openid4vci.CodeInvalidRequest)
		for _, wrong := range []string{"493537", "４９３５３６", strings.Repeat("4", 10_000)} {
			_, err = p.take(t, code, "tx_code", wrong)
			wantCode(t, err, openid4vci.CodeInvalidGrant)
		}
		// I03: neither burns a code.
		if _, err := p.take(t, plain); err != nil {
			t.Errorf("without transaction code: %v", err)
		}
		if _, err := p.take(t, code, "tx_code", right); err != nil {
			t.Errorf("with transaction code: %v", err)
		}
	})
	t.Run("I04 limit of attempts", func(t *testing.T) {
		t.Parallel()
		p := newParty(t)
		last, late := p.vouch(t, right, "a"), p.vouch(t, right, "a")
		for n := range oauth.MaxTxCodeAttempts {
			_, err := p.take(t, late, "tx_code", "000000")
			wantCode(t, err, openid4vci.CodeInvalidGrant)
			if n > 0 {
				_, err = p.take(t, last, "tx_code", "000000")
				wantCode(t, err, openid4vci.CodeInvalidGrant)
			}
		}
		if _, err := p.take(t, last, "tx_code", right); err != nil {
			t.Errorf("right at the last attempt: %v", err)
		}
		_, err := p.take(t, late, "tx_code", right)
		wantCode(t, err, openid4vci.CodeInvalidGrant)
	})
	t.Run("I04 a session store that may have lost the count", func(t *testing.T) {
		t.Parallel()
		p := newParty(t)
		code := p.vouch(t, right, "a")
		p.fence.lost = p.later(time.Minute)
		_, err := p.take(t, code, "tx_code", right)
		wantCode(t, err, openid4vci.CodeInvalidGrant)
		if _, err := p.take(t, p.vouch(t, right, "a"), "tx_code", right); err != nil {
			t.Errorf("a code from after the loss: %v", err)
		}
	})
	t.Run("I02 second use", func(t *testing.T) {
		t.Parallel()
		p := newParty(t)
		code := p.vouch(t, right, "a")
		if _, err := p.take(t, code, "tx_code", right); err != nil {
			t.Fatal(err)
		}
		// Who doesn't know the transaction code ends nothing.
		_, err := p.take(t, code, "tx_code", "000000")
		wantCode(t, err, openid4vci.CodeInvalidGrant)
		if len(p.grants.revoked) != 0 {
			t.Error("a wrong transaction code revoked the grant")
		}
		_, err = p.take(t, code, "tx_code", right)
		wantCode(t, err, openid4vci.CodeInvalidGrant)
		if len(p.grants.revoked) != 1 {
			t.Errorf("revoked %v", p.grants.revoked)
		}
	})
	t.Run("I02 second use after the session store lost data", func(t *testing.T) {
		t.Parallel()
		p := newParty(t)
		code := p.vouch(t, right, "a")
		if _, err := p.take(t, code, "tx_code", right); err != nil {
			t.Fatal(err)
		}
		p.fence.lost = p.later(time.Minute)
		_, err := p.take(t, code, "tx_code", "000000")
		wantCode(t, err, openid4vci.CodeInvalidGrant)
		if len(p.grants.revoked) != 0 {
			t.Error("a wrong transaction code revoked the grant")
		}
		_, err = p.take(t, code, "tx_code", right)
		wantCode(t, err, openid4vci.CodeInvalidGrant)
		if len(p.grants.revoked) != 1 {
			t.Errorf("revoked %v", p.grants.revoked)
		}
	})
	t.Run("O07 while the first use is in flight", func(t *testing.T) {
		t.Parallel()
		p := newParty(t)
		code := p.vouch(t, right, "a")
		var second error
		p.grants.meanwhile = func() { _, second = p.take(t, code, "tx_code", right) }
		if _, err := p.take(t, code, "tx_code", right); err != nil {
			t.Errorf("first use: %v", err)
		}
		wantCode(t, second, openid4vci.CodeInvalidGrant)
		if len(p.grants.revoked) != 1 {
			t.Errorf("revoked %v", p.grants.revoked)
		}
	})
	t.Run("a database that is away burns no code", func(t *testing.T) {
		t.Parallel()
		p := newParty(t)
		code := p.vouch(t, right, "a")
		p.grants.refuse = errors.New("away")
		_, err := p.take(t, code, "tx_code", right)
		wantCode(t, err, openid4vci.CodeTemporarilyUnavailable)
		p.grants.refuse = nil
		if _, err := p.take(t, code, "tx_code", right); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	})
	t.Run("authorization details", func(t *testing.T) {
		t.Parallel()
		p := newParty(t)
		code := p.vouch(t, right, "a")
		for _, wrong := range []string{`[`, `[{"type":"openid_credential","credential_configuration_id":"b"}]`} {
			_, err := p.take(t, code, "tx_code", right, "authorization_details", wrong)
			wantCode(t, err, openid4vci.CodeInvalidAuthorizationDetails)
		}
		token, err := p.take(t, code, "tx_code", right, "authorization_details", `[{"type":"openid_credential","credential_configuration_id":"a"}]`)
		if err != nil || len(token.AuthorizationDetails) != 1 || len(token.AuthorizationDetails[0].CredentialIdentifiers) != 1 {
			t.Errorf("%+v, %v", token, err)
		}
	})
	t.Run("I07 wallets that are not registered", func(t *testing.T) {
		t.Parallel()
		p := newParty(t, oauth.Wallet{ID: "another"})
		_, err := p.take(t, p.vouch(t, right, "a"), "tx_code", right)
		wantCode(t, err, openid4vci.CodeInvalidClient)
		p = newParty(t, oauth.Wallet{ID: "another"}, oauth.Wallet{ID: "wallet"})
		if _, err := p.take(t, p.vouch(t, right, "a"), "tx_code", right); err != nil {
			t.Errorf("honest twin: %v", err)
		}
	})
	t.Run("codes of one kind are none of the other", func(t *testing.T) {
		t.Parallel()
		p := newParty(t)
		wantCode(t, p.redeem(t, p.vouch(t, "", "a")), openid4vci.CodeInvalidGrant)
		_, err := p.take(t, p.code(t, p.begin(t)))
		wantCode(t, err, openid4vci.CodeInvalidGrant)
		_, err = p.take(t, "")
		wantCode(t, err, openid4vci.CodeInvalidRequest)
	})
}
