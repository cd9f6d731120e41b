package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/attestation"
	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/credentials/sdjwt"
	"github.com/tegata-id/tegata/internal/session/sessiontest"
	"github.com/tegata-id/tegata/issuer/oauth"
	"github.com/tegata-id/tegata/verifier"
)

// ken is somebody without a card, whom the operator knows.
var ken = map[string]any{"name": "佐藤　健", "address": "北海道札幌市中央区北一条西２丁目", "birth_date": "2001-05-05", "sex": 1}

// vouched is an offer with a pre-authorized code, as the operator gets it.
type vouched struct {
	Offer     openid4vci.CredentialOffer `json:"credential_offer"`
	Link      string                     `json:"link"`
	Page      string                     `json:"page"`
	TxCode    string                     `json:"tx_code"`
	ExpiresIn int                        `json:"expires_in"`
}

func (v *vouched) code() string { return v.Offer.Grants.PreAuthorizedCode.Code }

// wrong is a transaction code that is not the right one.
func (v *vouched) wrong() string {
	if v.TxCode == "000000" {
		return "000001"
	}
	return "000000"
}

// form is a right token request.
func (v *vouched) form() url.Values {
	return url.Values{
		"grant_type": {openid4vci.GrantPreAuthorized}, "pre-authorized_code": {v.code()}, "tx_code": {v.TxCode},
	}
}

// admin asks for an offer for ken, with what is changed.
func (d *deployment) admin(t *testing.T, changes map[string]any) *answer {
	t.Helper()
	request := map[string]any{"credential_configuration_ids": []string{"identity_sd_jwt"}, "grant": "pre-authorized_code", "person": ken}
	maps.Copy(request, changes)
	body, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	return d.send(t, http.MethodPost, d.endpoint("/admin/offers"), http.Header{
		"Authorization": {"Bearer " + d.box.AdminToken}, "Content-Type": {"application/json"},
	}, body)
}

func (d *deployment) vouch(t *testing.T, changes map[string]any) *vouched {
	t.Helper()
	var v vouched
	d.admin(t, changes).read(t, &v)
	if v.Offer.Grants == nil || v.Offer.Grants.PreAuthorizedCode == nil {
		t.Fatalf("no pre-authorized code in %+v", v.Offer)
	}
	return &v
}

// take exchanges the code for a token.
func (c *oauthClient) take(t *testing.T, v *vouched) string {
	t.Helper()
	form := v.form()
	form.Set("client_id", c.id)
	var token openid4vci.TokenResponse
	c.token(t, form, nil).read(t, &token)
	return token.AccessToken
}

// takeWith sends a token request with one parameter changed, or removed if it is
// empty.
func (c *oauthClient) takeWith(t *testing.T, v *vouched, name, value string) *answer {
	t.Helper()
	form := v.form()
	form.Set("client_id", c.id)
	if form.Set(name, value); value == "" {
		form.Del(name)
	}
	return c.token(t, form, nil)
}

// nameIn returns the name in an SD-JWT VC.
func nameIn(t *testing.T, raw string) string {
	t.Helper()
	u, err := sdjwt.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	name, _ := u.Claims["name"].(credentials.Text)
	return string(name)
}

// TestNegPreAuthorized misuses offers with pre-authorized codes.
func TestNegPreAuthorized(t *testing.T) {
	t.Parallel()
	d := deploy(t, deployOptions{})

	t.Run("honest twin", func(t *testing.T) {
		c, v := d.newClient(t), d.vouch(t, nil)
		evidence := d.query(t, "SELECT COUNT(*) FROM evidence")
		issued := c.credential(t, c.take(t, v), c.credentialRequest(t, 3), nil).credentials(t)
		if len(issued) != 3 || nameIn(t, issued[0]) != ken["name"] {
			t.Errorf("%d credentials", len(issued))
		}
		// They rest on the operator's word alone.
		if n := d.query(t, "SELECT COUNT(*) FROM grants WHERE evidence_kind = 'back-office' AND evidence_pseudonym = ''"); n != 1 {
			t.Errorf("%d grants of the back office", n)
		}
		if n := d.query(t, "SELECT COUNT(*) FROM issued_credentials WHERE evidence_pseudonym = ''"); n != 3 {
			t.Errorf("%d credentials without certificate", n)
		}
		if n := d.query(t, "SELECT COUNT(*) FROM evidence") - evidence; n != 0 {
			t.Errorf("%d certificates to check", n)
		}
	})
	t.Run("I02 a code is used twice", func(t *testing.T) {
		c, v := d.newClient(t), d.vouch(t, nil)
		token := c.take(t, v)
		c.credential(t, token, c.credentialRequest(t, 2), nil).credentials(t)
		before := d.query(t, "SELECT COUNT(*) FROM issued_credentials WHERE revoked_at > 0")
		// Whoever has seen the offer only, and not the transaction code, ends nothing.
		d.newClient(t).takeWith(t, v, "tx_code", v.wrong()).want(t, http.StatusBadRequest, "invalid_grant")
		c.credential(t, token, c.credentialRequest(t, 1), nil).credentials(t)
		d.newClient(t).takeWith(t, v, "scope", "x").want(t, http.StatusBadRequest, "invalid_grant")
		c.credential(t, token, c.credentialRequest(t, 1), nil).want(t, http.StatusUnauthorized, "invalid_token")
		if n := d.query(t, "SELECT COUNT(*) FROM issued_credentials WHERE revoked_at > 0") - before; n != 3 {
			t.Errorf("%d credentials became INVALID, want 3", n)
		}
	})
	t.Run("I03 wrong, then right", func(t *testing.T) {
		c, v := d.newClient(t), d.vouch(t, nil)
		c.takeWith(t, v, "tx_code", v.wrong()).want(t, http.StatusBadRequest, "invalid_grant")
		c.take(t, v)
	})
	t.Run("I04 wrong too often", func(t *testing.T) {
		c, v := d.newClient(t), d.vouch(t, nil)
		for range oauth.MaxTxCodeAttempts {
			c.takeWith(t, v, "tx_code", v.wrong()).want(t, http.StatusBadRequest, "invalid_grant")
		}
		c.takeWith(t, v, "tx_code", v.TxCode).want(t, http.StatusBadRequest, "invalid_grant")
	})
	t.Run("I05 transaction codes", func(t *testing.T) {
		c, v := d.newClient(t), d.vouch(t, map[string]any{"tx_code": map[string]any{"length": 12}})
		if len(v.TxCode) != 12 || v.Offer.Grants.PreAuthorizedCode.TxCode.Length != 12 {
			t.Errorf("a transaction code of %d digits", len(v.TxCode))
		}
		wide := strings.Map(func(r rune) rune { return r - '0' + '０' }, v.TxCode)
		for name, tc := range map[string]struct{ value, code string }{
			"missing":  {"", "invalid_request"},
			"wide":     {wide, "invalid_grant"},
			"10 kB":    {strings.Repeat("1", 10_000), "invalid_grant"},
			"one more": {v.TxCode + "0", "invalid_grant"},
			"one less": {v.TxCode[:11], "invalid_grant"},
		} {
			if a := c.takeWith(t, v, "tx_code", tc.value); a.status != http.StatusBadRequest || a.code() != tc.code {
				t.Errorf("%s: %d %s, want %s", name, a.status, a.body, tc.code)
			}
		}
		c.take(t, v) // the fifth attempt: a missing one is none
	})
	t.Run("I07 a photographed offer", func(t *testing.T) {
		c, v := d.newClient(t), d.vouch(t, nil)
		if v.ExpiresIn > 300 || len(v.TxCode) != 6 || strings.Contains(v.Link, v.TxCode) {
			t.Errorf("%d s, transaction code of %d digits", v.ExpiresIn, len(v.TxCode))
		}
		c.takeWith(t, v, "tx_code", "").want(t, http.StatusBadRequest, "invalid_request")
		for _, name := range []string{attestation.HeaderClient, attestation.HeaderPoP} {
			header := c.headers(t, d.endpoint("/token"))
			header.Del(name)
			c.token(t, v.form(), header).want(t, http.StatusUnauthorized, "invalid_client")
		}
		header := c.headers(t, d.endpoint("/token"))
		header.Del("DPoP")
		c.token(t, v.form(), header).want(t, http.StatusBadRequest, "invalid_dpop_proof")
		c.takeWith(t, v, "pre-authorized_code", "").want(t, http.StatusBadRequest, "invalid_request")
		c.takeWith(t, v, "pre-authorized_code", v.code()+"A").want(t, http.StatusBadRequest, "invalid_grant")
		c.take(t, v)
	})
	t.Run("more than was offered", func(t *testing.T) {
		c, v := d.newClient(t), d.vouch(t, nil)
		c.takeWith(t, v, "authorization_details", `[{"type":"openid_credential","credential_configuration_id":"identity_mdoc"}]`).
			want(t, http.StatusBadRequest, "invalid_authorization_details")
		token := c.take(t, v)
		request := c.credentialRequest(t, 1)
		request.ConfigurationID = "identity_mdoc"
		c.credential(t, token, request, nil).want(t, http.StatusBadRequest, "invalid_credential_request")
	})
}

// TestNegOfferReference (I06) fetches offers that were made by reference.
func TestNegOfferReference(t *testing.T) {
	t.Parallel()
	d := deploy(t, deployOptions{})
	reference := func(t *testing.T, v *vouched) string {
		t.Helper()
		link, err := openid4vci.ParseOfferLink(v.Link)
		if err != nil || link.Offer != nil || !strings.HasPrefix(link.URI, d.box.Issuer+"/offers/") {
			t.Fatalf("%+v, %v", link, err)
		}
		return link.URI
	}
	fetch := func(t *testing.T, address string) *answer {
		t.Helper()
		return d.send(t, http.MethodGet, address, nil, nil)
	}
	byReference := map[string]any{"by_reference": true}

	t.Run("fetched twice, one code", func(t *testing.T) {
		c, v := d.newClient(t), d.vouch(t, byReference)
		address := reference(t, v)
		first, second := fetch(t, address), fetch(t, address)
		offer, err := openid4vci.ParseOffer(first.body)
		if err != nil || offer.Grants.PreAuthorizedCode.Code != v.code() || !bytes.Equal(first.body, second.body) {
			t.Fatalf("%s and %s: %v", first.body, second.body, err)
		}
		if first.header.Get("Content-Type") != "application/json" || first.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%v", first.header)
		}
		c.take(t, v)
		// What can be fetched after the code was used is of no use.
		if again := fetch(t, address); !bytes.Equal(again.body, first.body) {
			t.Errorf("another offer: %s", again.body)
		}
		d.newClient(t).takeWith(t, v, "scope", "x").want(t, http.StatusBadRequest, "invalid_grant")
	})
	t.Run("guessed", func(t *testing.T) {
		seen := map[string]bool{}
		for range 20 {
			id := path.Base(reference(t, d.vouch(t, byReference)))
			if seen[id] || len(id) < 26 { // five bits a character
				t.Errorf("id of %d characters", len(id))
			}
			seen[id] = true
			fetch(t, d.endpoint("/offers/"+id[1:]+"A")).want(t, http.StatusNotFound, "not_found")
		}
		fetch(t, d.endpoint("/offers/x")).want(t, http.StatusNotFound, "not_found")
		if strings.Contains(d.log.String(), path.Base(reference(t, d.vouch(t, byReference)))) {
			t.Error("the address of an offer is in the log")
		}
	})
	t.Run("for a login", func(t *testing.T) {
		var made struct {
			Offer openid4vci.CredentialOffer `json:"credential_offer"`
			Link  string                     `json:"link"`
		}
		d.admin(t, map[string]any{"grant": "authorization_code", "person": json.RawMessage("null")}).want(t, http.StatusBadRequest, "invalid_request")
		body := []byte(`{"credential_configuration_ids":["identity_sd_jwt"],"by_reference":true}`)
		d.send(t, http.MethodPost, d.endpoint("/admin/offers"), http.Header{
			"Authorization": {"Bearer " + d.box.AdminToken}, "Content-Type": {"application/json"},
		}, body).read(t, &made)
		var fetched openid4vci.CredentialOffer
		fetch(t, reference(t, &vouched{Link: made.Link})).read(t, &fetched)
		if fetched.Grants.AuthorizationCode.IssuerState != made.Offer.Grants.AuthorizationCode.IssuerState {
			t.Error("another offer")
		}
	})
	t.Run("expired", func(t *testing.T) {
		c, inTime, late := d.newClient(t), d.vouch(t, byReference), d.vouch(t, byReference)
		d.clock.advance(5*time.Minute - 10*time.Second)
		if a := fetch(t, reference(t, inTime)); a.status != http.StatusOK {
			t.Errorf("in time: %d", a.status)
		}
		c.take(t, inTime)
		d.clock.advance(11 * time.Second)
		fetch(t, reference(t, late)).want(t, http.StatusNotFound, "not_found")
		c.takeWith(t, late, "scope", "x").want(t, http.StatusBadRequest, "invalid_grant")
	})
}

// TestNegMisbinding (I08) mixes the offers and logins of two people. A
// credential is about who stands behind its own code, whatever else happens in
// the same wallet.
func TestNegMisbinding(t *testing.T) {
	t.Parallel()
	d := deploy(t, deployOptions{})
	c, v := d.newClient(t), d.vouch(t, nil)
	ofKen, ofHanako := c.take(t, v), c.accessToken(t, cardOf(t, "hanako"))
	for token, want := range map[string]string{ofKen: ken["name"].(string), ofHanako: cardOf(t, "hanako").Person.Name} {
		issued := c.credential(t, token, c.credentialRequest(t, 1), nil).credentials(t)
		if name := nameIn(t, issued[0]); name != want {
			t.Errorf("the credential is about %s, want %s", name, want)
		}
	}
	t.Run("somebody else's offer", func(t *testing.T) {
		link, err := openid4vci.ParseOfferLink(d.offer(t, "identity_sd_jwt"))
		if err != nil {
			t.Fatal(err)
		}
		form := c.parForm()
		form.Set("issuer_state", link.Offer.Grants.AuthorizationCode.IssuerState)
		callback := d.newBrowser(t).authorize(t, c.visit(t, c.push(t, form, nil)), cardOf(t, "taro"))
		var token openid4vci.TokenResponse
		c.token(t, c.tokenForm(callback.Query().Get("code")), nil).read(t, &token)
		issued := c.credential(t, token.AccessToken, c.credentialRequest(t, 1), nil).credentials(t)
		if name := nameIn(t, issued[0]); name != cardOf(t, "taro").Person.Name {
			t.Errorf("the credential is about %s", name)
		}
	})
	t.Run("a code in the other flow", func(t *testing.T) {
		v := d.vouch(t, nil)
		form := c.parForm()
		form.Set("issuer_state", v.code())
		c.push(t, form, nil).want(t, http.StatusBadRequest, "invalid_request")
		c.token(t, c.tokenForm(v.code()), nil).want(t, http.StatusBadRequest, "invalid_grant")
		code := c.code(t, cardOf(t, "hanako"))
		c.takeWith(t, v, "pre-authorized_code", code).want(t, http.StatusBadRequest, "invalid_grant")
		c.take(t, v)
	})
}

// TestNegVouching (I31) has the operator ask for offers that can't be.
func TestNegVouching(t *testing.T) {
	t.Parallel()
	d := deploy(t, deployOptions{})
	stated := func(name string, value any) map[string]any {
		p := maps.Clone(ken)
		p[name] = value
		return map[string]any{"person": p}
	}
	const number = "123456789018"
	for name, tc := range map[string]struct {
		changes map[string]any
		reason  string
	}{
		"no person":                    {map[string]any{"person": nil}, "invalid_request"},
		"a person that is text":        {map[string]any{"person": "佐藤　健"}, "invalid_request"},
		"a person for a login":         {map[string]any{"grant": "authorization_code"}, "invalid_request"},
		"another grant":                {map[string]any{"grant": "password"}, "invalid_request"},
		"a short transaction code":     {map[string]any{"tx_code": map[string]any{"length": 5}}, "invalid_request"},
		"a long transaction code":      {map[string]any{"tx_code": map[string]any{"length": 13}}, "invalid_request"},
		"no transaction code":          {map[string]any{"tx_code": map[string]any{"length": 0}}, "invalid_request"},
		"unknown configuration":        {map[string]any{"credential_configuration_ids": []string{"passport"}}, "unknown_configuration"},
		"no name":                      {stated("name", ""), "unusable_person"},
		"unknown member":               {stated("birthdate", "2001-05-05"), "invalid_request"},
		"member of a denied name":      {stated("individual_number", number), "invalid_request"},
		"no date":                      {stated("birth_date", "2001-02-30"), "invalid_request"},
		"born in the future":           {stated("birth_date", "2999-01-01"), "unusable_person"},
		"sex of another list":          {stated("sex", 3), "unusable_person"},
		"sex as text":                  {stated("sex", "1"), "invalid_request"},
		"Individual Number in address": {stated("address", "札幌市 "+number), "unusable_person"},
		"Individual Number in name":    {stated("name", "佐藤　健 1234 5678 9018"), "unusable_person"},
		"control character in name":    {stated("name", "佐藤\u202e健"), "unusable_person"},
	} {
		t.Run(name, func(t *testing.T) {
			a := d.admin(t, tc.changes)
			a.want(t, http.StatusBadRequest, tc.reason)
			if bytes.Contains(a.body, []byte("佐藤")) || bytes.Contains(a.body, []byte("9018")) {
				t.Errorf("the answer repeats the request: %s", a.body)
			}
		})
	}
	if log := d.log.String(); strings.Contains(log, "9018") || strings.Contains(log, "佐藤") {
		t.Error("the log repeats a request")
	}
	d.vouch(t, nil) // the honest twin
}

// typist is a person who can do nothing but type a transaction code.
type typist struct{ code string }

// Authorize implements holder.UserAgent.
func (typist) Authorize(context.Context, string, string) (string, error) {
	return "", errors.New("nobody logs in here")
}

// TxCode implements holder.TxCodeReader.
func (p typist) TxCode(context.Context, openid4vci.TxCode) (string, error) { return p.code, nil }

// TestVouchedWallet has a whole wallet take an offer with a pre-authorized code
// and present what came of it.
func TestVouchedWallet(t *testing.T) {
	t.Parallel()
	d := deploy(t, deployOptions{})
	for name, byReference := range map[string]bool{"by value": false, "by reference": true} {
		t.Run(name, func(t *testing.T) {
			w := d.newWallet(t)
			v := d.vouch(t, map[string]any{
				"credential_configuration_ids": []string{"identity_sd_jwt", "identity_mdoc"}, "by_reference": byReference,
				"person": map[string]any{"name": "佐藤　健"}, // and nothing else
			})
			if _, err := w.AcceptOffer(t.Context(), v.Link, typist{v.wrong()}); openid4vci.CodeOf(err) != openid4vci.CodeInvalidGrant {
				t.Errorf("wrong transaction code: %v", err)
			}
			held, err := w.AcceptOffer(t.Context(), v.Link, typist{v.TxCode})
			if err != nil || len(held) != 4 {
				t.Fatalf("%d credentials, %v", len(held), err)
			}
			if _, ok := held[0].Claims["address"]; ok {
				t.Error("an address out of nowhere")
			}
			for format, query := range queries {
				result := d.present(t, w, query)
				if result.State != verifier.StateVerified || !bytes.Contains(result.Credentials[0].Claims, []byte("佐藤　健")) {
					t.Errorf("%s: %+v", format, result)
				}
			}
		})
	}
}

// TestPreAuthorizedRaces redeems and guesses at the same time, against two
// processes that share a Redis and a database, and then looks for what must not
// be readable in what they keep.
func TestPreAuthorizedRaces(t *testing.T) {
	t.Parallel()
	address := sessiontest.StartRedis(t)
	d := deploy(t, deployOptions{redis: address, patience: 20 * time.Second})
	d.addReplica(t)
	prepare := func(t *testing.T, form url.Values) []prepared {
		t.Helper()
		requests := make([]prepared, racers)
		for i := range requests { // each is a wallet of its own
			requests[i] = prepared{d.endpoint("/token"), d.newClient(t).headers(t, d.endpoint("/token")), []byte(form.Encode())}
		}
		return requests
	}
	first := d.vouch(t, map[string]any{"by_reference": true})
	t.Run("I01 a code", func(t *testing.T) {
		before := d.query(t, "SELECT COUNT(*) FROM grants")
		onlyOne(t, d.race(t, prepare(t, first.form())), "invalid_grant")
		if n := d.query(t, "SELECT COUNT(*) FROM grants") - before; n != 1 {
			t.Errorf("%d grants came of one code", n)
		}
		if n := d.query(t, "SELECT COUNT(*) FROM grants WHERE revoked_at = 0") - before; n != 0 {
			t.Errorf("%d grants stand although the code was used more than once", n)
		}
	})
	t.Run("I04 transaction codes", func(t *testing.T) {
		v := d.vouch(t, nil)
		form := v.form()
		form.Set("tx_code", v.wrong())
		compared := 0
		for _, a := range d.race(t, prepare(t, form)) {
			a.want(t, http.StatusBadRequest, "invalid_grant")
			if bytes.Contains(a.body, []byte("tx_code is wrong")) {
				compared++
			}
		}
		if compared != oauth.MaxTxCodeAttempts {
			t.Errorf("%d transaction codes were compared, want %d", compared, oauth.MaxTxCodeAttempts)
		}
		d.newClient(t).takeWith(t, v, "tx_code", v.TxCode).want(t, http.StatusBadRequest, "invalid_grant")
	})
	t.Run("F04 nothing leaks", func(t *testing.T) {
		link, err := openid4vci.ParseOfferLink(first.Link)
		if err != nil {
			t.Fatal(err)
		}
		for where, data := range map[string][]byte{"the log": []byte(d.log.String()), "Redis": dumpRedis(t, address)} {
			for what, text := range map[string]string{
				"code": first.code(), "offer id": path.Base(link.URI), "name": "佐藤", "address": "札幌市", "birth date": "2001-05-05",
			} {
				if bytes.Contains(data, []byte(text)) {
					t.Errorf("%s is in %s", what, where)
				}
			}
		}
	})
}
