package oauth_test

import (
	"crypto/ecdsa"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/credentials/dpop"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/issuer/oauth"
)

// webWallet is a client with keys of its own.
type webWallet struct {
	*party
	key  *ecdsa.PrivateKey
	dpop *ecdsa.PrivateKey
	kid  string
}

func newWebWallet(t *testing.T, edit func(*oauth.Wallet)) *webWallet {
	t.Helper()
	w := &webWallet{kid: "k1"}
	var err error
	if w.key, err = keys.GenerateP256(); err != nil {
		t.Fatal(err)
	}
	if w.dpop, err = keys.GenerateP256(); err != nil {
		t.Fatal(err)
	}
	registered := oauth.Wallet{ID: "web", Name: "Web Wallet", RedirectURIs: []string{returnTo}, Keys: []jose.JWK{publicOf(t, w.key, w.kid)}}
	if edit != nil {
		edit(&registered)
	}
	w.party = newPartyWith(t, func(c *oauth.Config) {
		c.Wallets = []oauth.Wallet{registered, {ID: "wallet", RedirectURIs: []string{returnTo}}}
		c.Configurations = []oauth.Configuration{{ID: "a", Scope: "a"}, {ID: "b", Scope: "b"}}
	})
	return w
}

func publicOf(t *testing.T, key *ecdsa.PrivateKey, kid string) jose.JWK {
	t.Helper()
	jwk, err := jose.NewJWK(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	jwk.Kid = kid
	return *jwk
}

// now is the time of the party's clock.
func (w *webWallet) now() time.Time { return w.later(0) }

// claims are those of an honest assertion.
func (w *webWallet) claims() map[string]any {
	return map[string]any{
		"iss": "web", "sub": "web", "aud": reuseIssuer, "jti": openid4vci.NewCodeVerifier(),
		"iat": w.now().Unix(), "exp": w.now().Add(time.Minute).Unix(),
	}
}

func (w *webWallet) sign(t *testing.T, h jose.Header, claims map[string]any, key *ecdsa.PrivateKey) string {
	t.Helper()
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := jose.Sign(h, payload, key)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// form is a pushed request with an assertion.
func (w *webWallet) form(assertion string) oauth.Params {
	return oauth.Params{
		"client_id": "web", "response_type": "code", "redirect_uri": returnTo, "scope": "a",
		"code_challenge": openid4vci.CodeChallenge(w.pkce), "code_challenge_method": "S256",
		"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "client_assertion": assertion,
	}
}

func (w *webWallet) honest(t *testing.T) oauth.Params {
	t.Helper()
	return w.form(w.sign(t, jose.Header{Kid: w.kid}, w.claims(), w.key))
}

func (w *webWallet) push(t *testing.T, form oauth.Params) (*openid4vci.PARResponse, error) {
	t.Helper()
	return w.server.Push(t.Context(), reuseIssuer+"/par", oauth.ClientHeaders{}, form)
}

// TestNegClientAssertion authenticates with assertions that have a fault.
func TestNegClientAssertion(t *testing.T) {
	t.Parallel()
	w := newWebWallet(t, nil)
	stranger, err := keys.GenerateP256()
	if err != nil {
		t.Fatal(err)
	}
	// The bounds are off by a second on either side.
	at := func(d time.Duration) int64 { return w.now().Add(d).Unix() }
	for name, tc := range map[string]struct {
		header jose.Header
		claims map[string]any
		refuse bool
	}{
		"honest twin":              {},
		"honest twin by typ":       {header: jose.Header{Typ: "client-authentication+jwt"}},
		"honest twin typ JWT":      {header: jose.Header{Typ: "JWT"}},
		"honest twin without kid":  {header: jose.Header{Kid: ""}},
		"honest twin without iat":  {claims: map[string]any{"iat": nil}},
		"honest twin with nbf":     {claims: map[string]any{"nbf": at(10 * time.Second)}},
		"honest twin iat ahead":    {claims: map[string]any{"iat": at(10 * time.Second)}},
		"honest twin just expired": {claims: map[string]any{"exp": at(-9 * time.Second)}},
		"honest twin long":         {claims: map[string]any{"exp": at(310 * time.Second)}},
		"honest twin with more":    {claims: map[string]any{"foo": "bar"}},
		"O11 aud endpoint":         {claims: map[string]any{"aud": reuseIssuer + "/par"}, refuse: true},
		"O11 aud token endpoint":   {claims: map[string]any{"aud": reuseIssuer + "/token"}, refuse: true},
		"O11 aud array":            {claims: map[string]any{"aud": []string{reuseIssuer}}, refuse: true},
		"O11 aud slash":            {claims: map[string]any{"aud": reuseIssuer + "/"}, refuse: true},
		"O11 aud missing":          {claims: map[string]any{"aud": nil}, refuse: true},
		"O11 exp past":             {claims: map[string]any{"exp": at(-10 * time.Second)}, refuse: true},
		"O11 exp far ahead":        {claims: map[string]any{"exp": at(311 * time.Second)}, refuse: true},
		"O11 exp missing":          {claims: map[string]any{"exp": nil}, refuse: true},
		"O11 exp text":             {claims: map[string]any{"exp": "soon"}, refuse: true},
		"O11 iat ahead":            {claims: map[string]any{"iat": at(11 * time.Second)}, refuse: true},
		"O11 nbf ahead":            {claims: map[string]any{"nbf": at(11 * time.Second)}, refuse: true},
		"O11 no sub":               {claims: map[string]any{"sub": nil}, refuse: true},
		"O11 no iss":               {claims: map[string]any{"iss": nil}, refuse: true},
		"O11 iss of another":       {claims: map[string]any{"iss": "wallet"}, refuse: true},
		"O11 of an attested":       {claims: map[string]any{"iss": "wallet", "sub": "wallet"}, refuse: true},
		"O11 of nobody":            {claims: map[string]any{"iss": "nobody", "sub": "nobody"}, refuse: true},
		"O11 no jti":               {claims: map[string]any{"jti": nil}, refuse: true},
		"O11 other kid":            {header: jose.Header{Kid: "k2"}, refuse: true},
		"O11 typ of DPoP":          {header: jose.Header{Typ: dpop.Type}, refuse: true},
	} {
		t.Run(name, func(t *testing.T) {
			claims := w.claims()
			for k, v := range tc.claims {
				if claims[k] = v; v == nil {
					delete(claims, k)
				}
			}
			_, err := w.push(t, w.form(w.sign(t, tc.header, claims, w.key)))
			if tc.refuse != (openid4vci.CodeOf(err) == openid4vci.CodeInvalidClient) || !tc.refuse && err != nil {
				t.Errorf("error %v", err)
			}
		})
	}
	for name, edit := range map[string]func(oauth.Params){
		"O11 other key":    func(f oauth.Params) { f["client_assertion"] = w.sign(t, jose.Header{}, w.claims(), stranger) },
		"O11 not a JWT":    func(f oauth.Params) { f["client_assertion"] = "a.b.c" },
		"O11 no assertion": func(f oauth.Params) { delete(f, "client_assertion") },
		"O11 no type":      func(f oauth.Params) { delete(f, "client_assertion_type") },
		"O11 other type": func(f oauth.Params) {
			f["client_assertion_type"] = "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"
		},
		"O11 neither":        func(f oauth.Params) { delete(f, "client_assertion"); delete(f, "client_assertion_type") },
		"O11 other client":   func(f oauth.Params) { f["client_id"] = "wallet" },
		"O11 client unknown": func(f oauth.Params) { f["client_id"] = "nobody" },
	} {
		t.Run(name, func(t *testing.T) {
			form := w.honest(t)
			edit(form)
			if _, err := w.push(t, form); openid4vci.CodeOf(err) != openid4vci.CodeInvalidClient {
				t.Errorf("error %v", err)
			}
		})
	}
}

// TestNegClientAssertionReplay uses assertions twice, also after the session
// store has lost data.
func TestNegClientAssertionReplay(t *testing.T) {
	t.Parallel()
	w := newWebWallet(t, nil)
	t.Run("O11 jti again", func(t *testing.T) {
		form := w.honest(t)
		if _, err := w.push(t, form); err != nil {
			t.Fatal(err)
		}
		if _, err := w.push(t, form); openid4vci.CodeOf(err) != openid4vci.CodeInvalidClient {
			t.Errorf("error %v", err)
		}
	})
	t.Run("O11 from before the store lost data", func(t *testing.T) {
		noTime := w.claims()
		delete(noTime, "iat")
		before, unknown := w.honest(t), w.form(w.sign(t, jose.Header{}, noTime, w.key))
		w.fence.lost = w.later(time.Second)
		for _, form := range []oauth.Params{before, unknown} {
			if _, err := w.push(t, form); openid4vci.CodeOf(err) != openid4vci.CodeInvalidClient {
				t.Errorf("error %v", err)
			}
		}
		if _, err := w.push(t, w.honest(t)); err != nil {
			t.Errorf("honest twin: %v", err)
		}
	})
}

// TestNegAuthMethod mixes the methods of client authentication.
func TestNegAuthMethod(t *testing.T) {
	t.Parallel()
	t.Run("two at once", func(t *testing.T) {
		t.Parallel()
		w := newWebWallet(t, nil)
		if _, err := w.server.Push(t.Context(), reuseIssuer+"/par", w.headers("/par"), w.honest(t)); openid4vci.CodeOf(err) != openid4vci.CodeInvalidRequest {
			t.Errorf("error %v", err)
		}
	})
	t.Run("an attestation in place of keys", func(t *testing.T) {
		t.Parallel()
		attested := newWebWallet(t, func(registered *oauth.Wallet) { registered.ID = "other" })
		if _, err := attested.server.Push(t.Context(), reuseIssuer+"/par", attested.headers("/par"), attestedForm(attested)); err != nil {
			t.Errorf("honest twin: %v", err)
		}
		// The attestation is for the client wallet, which has keys now.
		w := newWebWallet(t, func(registered *oauth.Wallet) { registered.ID = "wallet" })
		if _, err := w.server.Push(t.Context(), reuseIssuer+"/par", w.headers("/par"), attestedForm(w)); openid4vci.CodeOf(err) != openid4vci.CodeInvalidClient {
			t.Errorf("error %v", err)
		}
	})
}

func attestedForm(w *webWallet) oauth.Params {
	form := w.form("")
	form["client_id"] = "wallet"
	delete(form, "client_assertion_type")
	return form
}

// TestRegisteredLimits asks for what the client is not registered for.
func TestRegisteredLimits(t *testing.T) {
	t.Parallel()
	limited := newWebWallet(t, func(registered *oauth.Wallet) {
		registered.Configurations, registered.GrantTypes = []string{"a"}, []string{openid4vci.GrantAuthorizationCode}
	})
	details := func(id string) string {
		return `[{"type":"openid_credential","credential_configuration_id":"` + id + `"}]`
	}
	for name, tc := range map[string]struct {
		edit func(oauth.Params)
		code string
	}{
		"honest twin":         {func(oauth.Params) {}, ""},
		"honest details":      {func(f oauth.Params) { f["authorization_details"] = details("a") }, ""},
		"one of two scopes":   {func(f oauth.Params) { f["scope"] = "a b" }, ""},
		"another scope":       {func(f oauth.Params) { f["scope"] = "b" }, openid4vci.CodeInvalidScope},
		"other details":       {func(f oauth.Params) { f["authorization_details"] = details("b") }, openid4vci.CodeInvalidAuthorizationDetails},
		"other redirect_uri":  {func(f oauth.Params) { f["redirect_uri"] = returnTo + "2" }, openid4vci.CodeInvalidRequest},
		"longer redirect_uri": {func(f oauth.Params) { f["redirect_uri"] = returnTo + "?a=b" }, openid4vci.CodeInvalidRequest},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			form := limited.honest(t)
			tc.edit(form)
			if _, err := limited.push(t, form); openid4vci.CodeOf(err) != tc.code {
				t.Errorf("error %v", err)
			}
		})
	}
	t.Run("another grant", func(t *testing.T) {
		t.Parallel()
		other := newWebWallet(t, func(registered *oauth.Wallet) { registered.GrantTypes = []string{openid4vci.GrantPreAuthorized} })
		if _, err := other.push(t, other.honest(t)); openid4vci.CodeOf(err) != openid4vci.CodeUnauthorizedClient {
			t.Errorf("pushed: %v", err)
		}
		if err := preAuthorize(t, limited, "a"); openid4vci.CodeOf(err) != openid4vci.CodeUnauthorizedClient {
			t.Errorf("pre-authorized: %v", err)
		}
		if err := preAuthorize(t, other, "a"); err != nil {
			t.Errorf("honest twin: %v", err)
		}
	})
	t.Run("an offer of something else", func(t *testing.T) {
		t.Parallel()
		w := newWebWallet(t, func(registered *oauth.Wallet) { registered.Configurations = []string{"a"} })
		if err := preAuthorize(t, w, "b"); openid4vci.CodeOf(err) != openid4vci.CodeUnauthorizedClient {
			t.Errorf("error %v", err)
		}
		if err := preAuthorize(t, w, "a", "b"); err != nil {
			t.Errorf("honest twin: %v", err)
		}
	})
}

// preAuthorize redeems a pre-authorized code for what is named.
func preAuthorize(t *testing.T, w *webWallet, configurations ...string) error {
	t.Helper()
	code, _, err := w.server.PreAuthorize(t.Context(), oauth.PreAuthorization{Configurations: configurations})
	if err != nil {
		t.Fatal(err)
	}
	form := w.honest(t)
	form["grant_type"], form["pre-authorized_code"] = openid4vci.GrantPreAuthorized, code
	return w.token(t, form)
}

func (w *webWallet) token(t *testing.T, form oauth.Params) error {
	t.Helper()
	_, err := w.tokenResponse(t, form)
	return err
}

func (w *webWallet) dpopProof(t *testing.T) string {
	t.Helper()
	proof, err := dpop.Sign(dpop.ProofOptions{Method: "POST", URL: reuseIssuer + "/token", Now: w.now()}, w.dpop)
	if err != nil {
		t.Fatal(err)
	}
	return proof
}

// TestMetadataAuthMethods says what is configured and nothing else.
func TestMetadataAuthMethods(t *testing.T) {
	t.Parallel()
	key, err := keys.GenerateP256()
	if err != nil {
		t.Fatal(err)
	}
	attested, byKey := oauth.Wallet{ID: "a"}, oauth.Wallet{ID: "b", Keys: []jose.JWK{publicOf(t, key, "")}}
	for name, tc := range map[string]struct {
		wallets     []oauth.Wallet
		methods     []string
		algorithms  []string
		attestation bool
	}{
		"anybody":  {nil, []string{"attest_jwt_client_auth"}, nil, true},
		"attested": {[]oauth.Wallet{attested}, []string{"attest_jwt_client_auth"}, nil, true},
		"by key":   {[]oauth.Wallet{byKey}, []string{"private_key_jwt"}, []string{"ES256"}, false},
		"both":     {[]oauth.Wallet{byKey, attested}, []string{"attest_jwt_client_auth", "private_key_jwt"}, []string{"ES256"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newParty(t, tc.wallets...).server.Metadata(oauth.Endpoints{})
			for _, got := range [][]string{m.AuthMethodsSupported, m.RevocationAuthMethods} {
				if diff := cmp.Diff(tc.methods, got); diff != "" {
					t.Error(diff)
				}
			}
			for _, got := range [][]string{m.AuthSigningAlgorithms, m.RevocationAuthAlgorithms} {
				if diff := cmp.Diff(tc.algorithms, got); diff != "" {
					t.Error(diff)
				}
			}
			if got := len(m.ClientAttestationSigningAlgorithms) > 0 && len(m.ClientAttestationPoPAlgorithms) > 0; got != tc.attestation {
				t.Errorf("algorithms of attestations: %v", m.ClientAttestationSigningAlgorithms)
			}
		})
	}
}
