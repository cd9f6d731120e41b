package provider_test

import (
	"crypto"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/wallet/provider"
)

// TestNeg sends requests that differ from an honest one in one thing; those
// that want 200 or 201 are the honest twins.
func TestNeg(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		send   func(t *testing.T, w *world, i *wallet) answer
		status int
		reason provider.Reason
	}{
		"honest client": {attestWith(nil), 200, ""},
		"another's challenge": {attestWith(func(w *world, t *testing.T, p *provider.Proof) {
			p.Challenge = w.challenge(t, "shibuya")
		}), 400, provider.ReasonChallengeInvalid},
		"made-up challenge": {attestWith(func(_ *world, _ *testing.T, p *provider.Proof) {
			p.Challenge = strings.Repeat("A", len(p.Challenge))
		}), 400, provider.ReasonChallengeInvalid},
		"challenge that is not base64url": {attestWith(func(_ *world, _ *testing.T, p *provider.Proof) {
			p.Challenge = "!"
		}), 400, provider.ReasonChallengeInvalid},
		"challenge at its end": {attestWith(func(w *world, _ *testing.T, p *provider.Proof) {
			w.advance(5*time.Minute - time.Second)
			p.IssuedAt = w.now()
		}), 200, ""},
		"challenge past its end": {attestWith(func(w *world, _ *testing.T, p *provider.Proof) {
			w.advance(5 * time.Minute)
			p.IssuedAt = w.now()
		}), 400, provider.ReasonChallengeInvalid},
		"reused challenge": {func(t *testing.T, w *world, i *wallet) answer {
			challenge := w.challenge(t, i.tenant)
			reuse := func(p *provider.Proof) { p.Challenge = challenge }
			if a := i.attest(t, reuse); a.status != http.StatusOK {
				t.Errorf("first use: %d %s", a.status, a.body)
			}
			return i.attest(t, reuse)
		}, 400, provider.ReasonChallengeInvalid},
		"wrong aud": {attestWith(func(_ *world, _ *testing.T, p *provider.Proof) {
			p.Audience = origin + "/shibuya"
		}), 400, provider.ReasonProofInvalid},
		"aud with a slash": {attestWith(func(_ *world, _ *testing.T, p *provider.Proof) {
			p.Audience += "/"
		}), 400, provider.ReasonProofInvalid},
		"another purpose": {attestWith(func(_ *world, _ *testing.T, p *provider.Proof) {
			p.Purpose = provider.PurposeRegister
		}), 400, provider.ReasonProofInvalid},
		"iat 30 s ahead": {attestWith(func(_ *world, _ *testing.T, p *provider.Proof) {
			p.IssuedAt = p.IssuedAt.Add(30 * time.Second)
		}), 200, ""},
		"iat 31 s ahead": {attestWith(func(_ *world, _ *testing.T, p *provider.Proof) {
			p.IssuedAt = p.IssuedAt.Add(31 * time.Second)
		}), 400, provider.ReasonProofInvalid},
		"iat too old": {attestWith(func(_ *world, _ *testing.T, p *provider.Proof) {
			p.IssuedAt = p.IssuedAt.Add(-5 * time.Minute)
		}), 400, provider.ReasonProofInvalid},
		"wrong key": {func(t *testing.T, w *world, i *wallet) answer {
			return (&wallet{w: w, tenant: i.tenant, key: newKey(t), id: i.id}).attest(t, nil)
		}, 404, provider.ReasonInstanceUnknown},
		"key of another instance": {func(t *testing.T, w *world, i *wallet) answer {
			return (&wallet{w: w, tenant: i.tenant, key: w.newWallet(t, i.tenant).key, id: i.id}).attest(t, nil)
		}, 404, provider.ReasonInstanceUnknown},
		"unknown instance": {func(t *testing.T, w *world, i *wallet) answer {
			return (&wallet{w: w, tenant: i.tenant, key: i.key, id: "AAAAAAAAAAAAAAAAAAAAAAAAAA"}).attest(t, nil)
		}, 404, provider.ReasonInstanceUnknown},
		"instance of another tenant": {func(t *testing.T, w *world, i *wallet) answer {
			return (&wallet{w: w, tenant: "shibuya", key: i.key, id: i.id}).attest(t, nil)
		}, 404, provider.ReasonInstanceUnknown},
		"honest keys": {attestKeysWith(func(t *testing.T, _ *wallet) []crypto.PublicKey { return newPublicKeys(t, 5) }), 200, ""},
		"no keys":     {attestKeysWith(func(*testing.T, *wallet) []crypto.PublicKey { return nil }), 400, provider.ReasonKeysInvalid},
		"too many keys": {attestKeysWith(func(t *testing.T, _ *wallet) []crypto.PublicKey {
			return newPublicKeys(t, 6)
		}), 400, provider.ReasonKeysInvalid},
		"duplicate keys": {attestKeysWith(func(t *testing.T, _ *wallet) []crypto.PublicKey {
			pubs := newPublicKeys(t, 2)
			return append(pubs, pubs[0])
		}), 400, provider.ReasonKeysInvalid},
		"instance key among the keys": {attestKeysWith(func(t *testing.T, i *wallet) []crypto.PublicKey {
			return append(newPublicKeys(t, 2), i.key.Public())
		}), 400, provider.ReasonKeysInvalid},
		"long c_nonce": {func(t *testing.T, _ *world, i *wallet) answer {
			return i.attestKeys(t, newPublicKeys(t, 1), strings.Repeat("x", provider.MaxCNonceLength+1))
		}, 400, provider.ReasonInvalidRequest},
		"longest c_nonce": {func(t *testing.T, _ *world, i *wallet) answer {
			return i.attestKeys(t, newPublicKeys(t, 1), strings.Repeat("x", provider.MaxCNonceLength))
		}, 200, ""},
		"private member in a key to attest": {forgeKeys(`"d":"AA",`), 400, provider.ReasonProofInvalid},
		"key to attest by hand":             {forgeKeys(``), 200, ""},
		"duplicate member in the proof":     {forgeKeys(`"kty":"EC",`), 400, provider.ReasonProofInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			a := tc.send(t, w, w.newWallet(t, "minato"))
			if a.status != tc.status || a.reason(t) != string(tc.reason) {
				t.Errorf("%d %s, want %d %s", a.status, a.body, tc.status, tc.reason)
			}
			if a.header.Get("Cache-Control") != "no-store" {
				t.Error("may be stored")
			}
		})
	}
}

func attestWith(edit func(*world, *testing.T, *provider.Proof)) func(*testing.T, *world, *wallet) answer {
	return func(t *testing.T, w *world, i *wallet) answer {
		return i.attest(t, func(p *provider.Proof) {
			if edit != nil {
				edit(w, t, p)
			}
		})
	}
}

func attestKeysWith(pubs func(*testing.T, *wallet) []crypto.PublicKey) func(*testing.T, *world, *wallet) answer {
	return func(t *testing.T, _ *world, i *wallet) answer { return i.attestKeys(t, pubs(t, i), "c_nonce") }
}

// forgeKeys sends a proof written by hand with members added to its key.
func forgeKeys(members string) func(*testing.T, *world, *wallet) answer {
	return func(t *testing.T, w *world, i *wallet) answer {
		key := string(must[[]byte](t)(json.Marshal(must[*jose.JWK](t)(jose.NewJWK(newKey(t).Public())))))
		iat := string(must[[]byte](t)(json.Marshal(w.now().Unix())))
		payload := `{"aud":"` + origin + "/" + i.tenant + `","iat":` + iat + `,"purpose":"key-attestation","nonce":"` +
			w.challenge(t, i.tenant) + `","attested_keys":[` + strings.Replace(key, "{", "{"+members, 1) + `]}`
		header := jose.Header{Typ: provider.ProofType, JWK: must[*jose.JWK](t)(jose.NewJWK(i.key.Public()))}
		proof := must[string](t)(jose.Sign(header, []byte(payload), i.key))
		return w.post(t, i.path("/key-attestations"), provider.KeyAttestationRequest{Proof: proof})
	}
}

// TestNegForm sends what is not even a proof.
func TestNegForm(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	i := w.newWallet(t, "minato")
	claims := func() []byte {
		return []byte(strings.Split(i.proof(t, provider.PurposeClientAttestation, nil), ".")[1])
	}
	sign := func(h jose.Header, signer crypto.Signer) string {
		return must[string](t)(jose.Sign(h, must[[]byte](t)(jose.DecodeBase64(string(claims()))), signer))
	}
	jwk := must[*jose.JWK](t)(jose.NewJWK(i.key.Public()))
	for name, tc := range map[string]struct {
		proof  string
		status int
	}{
		"honest":         {sign(jose.Header{Typ: provider.ProofType, JWK: jwk}, i.key), 200},
		"typ":            {sign(jose.Header{Typ: "JWT", JWK: jwk}, i.key), 400},
		"no jwk":         {sign(jose.Header{Typ: provider.ProofType}, i.key), 400},
		"signed another": {sign(jose.Header{Typ: provider.ProofType, JWK: jwk}, newKey(t)), 400},
		"empty":          {"", 400},
		"not a JWS":      {"a.b.c", 400},
		"too large":      {strings.Repeat("A", provider.MaxProofSize+1), 400},
	} {
		a := w.post(t, i.path("/client-attestations"), provider.ClientAttestationRequest{Proof: tc.proof})
		if a.status != tc.status || a.status != 200 && a.reason(t) != string(provider.ReasonProofInvalid) {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
}

func TestNegRegistration(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	honest := func() *wallet { return &wallet{w: w, tenant: "minato", key: newKey(t)} }
	post := func(contentType, body string) answer {
		r := httptest.NewRequest(http.MethodPost, "/minato/instances", strings.NewReader(body))
		r.Header.Set("Content-Type", contentType)
		return w.do(t, r)
	}
	body := func(jwk, platform, evidence string, i *wallet) string {
		return `{"instance_key":` + jwk + `,"platform":"` + platform + `","platform_evidence":"` + evidence +
			`","proof":"` + i.proof(t, provider.PurposeRegister, nil) + `"}`
	}
	public := func(i *wallet) string {
		return string(must[[]byte](t)(json.Marshal(must[*jose.JWK](t)(jose.NewJWK(i.key.Public())))))
	}
	const jsonType, soft = "application/json", provider.SoftwarePlatform
	i, j := honest(), honest()
	for name, tc := range map[string]struct {
		answer answer
		status int
		reason string
	}{
		"honest":               {post(jsonType, body(public(i), soft, "", i)), 201, ""},
		"wrong content type":   {post("text/plain", body(public(j), soft, "", j)), 415, "unsupported_media_type"},
		"another instance key": {post(jsonType, body(public(honest()), soft, "", j)), 400, "proof_invalid"},
		"private member":       {post(jsonType, body(strings.Replace(public(j), "{", `{"d":"AA",`, 1), soft, "", j)), 400, "invalid_request"},
		"no key":               {post(jsonType, body("null", soft, "", j)), 400, "invalid_request"},
		"no platform":          {post(jsonType, body(public(j), "", "", j)), 400, "invalid_request"},
		"not JSON":             {post(jsonType, "{"), 400, "invalid_request"},
		"too large":            {post(jsonType, body(public(j), picky, strings.Repeat("x", 65<<10), j)), 413, "request_too_large"},
		"unknown platform":     {post(jsonType, body(public(j), "toaster", "", j)), 403, "platform_refused"},
		"not genuine":          {post(jsonType, body(public(j), picky, "rooted", j)), 403, "platform_refused"},
		"genuine":              {post(jsonType, body(public(j), picky, "genuine", j)), 201, ""},
	} {
		if tc.answer.status != tc.status || tc.answer.reason(t) != tc.reason {
			t.Errorf("%s: %d %s, want %d %s", name, tc.answer.status, tc.answer.body, tc.status, tc.reason)
		}
	}
}

func TestNegPlatformInProduction(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		edit   func(*provider.Config)
		status int
	}{
		"test mode": {func(*provider.Config) {}, 201},
		"production": {func(c *provider.Config) {
			c.TestMode, c.Platforms = false, map[string]provider.Platform{picky: {Verifier: pickyPlatform{}}}
		}, 403},
		"production without a verifier": {func(c *provider.Config) { c.TestMode, c.Platforms = false, nil }, 403},
	} {
		w := newWorld(t, tc.edit)
		a := (&wallet{w: w, tenant: "minato", key: newKey(t)}).register(t, provider.SoftwarePlatform, nil)
		if a.status != tc.status || a.status != 201 && a.reason(t) != string(provider.ReasonPlatformRefused) {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
}

// A database from a test is no way to attest its instances in production.
func TestNegPlatformWithdrawn(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		i := w.newWallet(t, "minato")
		c := w.configs["minato"]
		c.Platforms, c.TestMode = nil, false
		w.restart(t, c)
		if a := i.attest(t, nil); a.status != 403 || a.reason(t) != string(provider.ReasonPlatformRefused) {
			t.Errorf("%d %s", a.status, a.body)
		}
	})
}

// Status lists that attestations point to can't be forgotten.
func TestNegRevocationWithoutTheLists(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		i := w.newWallet(t, "minato")
		i.clientAttestation(t)
		c := w.configs["minato"]
		c.StatusLists = nil
		w.restart(t, c)
		if a := w.revoke(t, "minato", i.id, bearerToken, ""); a.status != 500 {
			t.Errorf("attestations stand: %d %s", a.status, a.body)
		}
		w.advance(time.Hour)
		if a := w.revoke(t, "minato", i.id, bearerToken, ""); a.status != 204 {
			t.Errorf("attestations have expired: %d %s", a.status, a.body)
		}
	})
}

func TestNegRevocation(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		i := w.newWallet(t, "minato")
		for name, tc := range map[string]struct {
			tenant, id, authorization, body string
			status                          int
			reason                          provider.Reason
		}{
			"F07 no token":         {"minato", i.id, "", "", 401, provider.ReasonUnauthorized},
			"F07 wrong token":      {"minato", i.id, bearerToken + "x", "", 401, provider.ReasonUnauthorized},
			"F07 empty token":      {"minato", i.id, "Bearer ", "", 401, provider.ReasonUnauthorized},
			"F07 another scheme":   {"minato", i.id, "Basic " + adminToken, "", 401, provider.ReasonUnauthorized},
			"unknown instance":     {"minato", "AAAA", bearerToken, "", 404, provider.ReasonInstanceUnknown},
			"unknown reason":       {"minato", i.id, bearerToken, `{"reason":"山田"}`, 400, provider.ReasonInvalidRequest},
			"body that isn't JSON": {"minato", i.id, bearerToken, `x`, 400, provider.ReasonInvalidRequest},
			"F07 another tenant":   {"shibuya", i.id, bearerToken, "", 404, provider.ReasonInstanceUnknown},
		} {
			a := w.revoke(t, tc.tenant, tc.id, tc.authorization, tc.body)
			if a.status != tc.status || a.reason(t) != string(tc.reason) || (a.header.Get("WWW-Authenticate") == "Bearer") != (a.status == 401) {
				t.Errorf("%s: %d %s", name, a.status, a.body)
			}
		}
		if a := i.attest(t, nil); a.status != 200 {
			t.Errorf("revoked by one of these: %d %s", a.status, a.body)
		}
		if a := w.revoke(t, "minato", i.id, bearerToken, ""); a.status != 204 {
			t.Errorf("honest: %d %s", a.status, a.body)
		}
	})
}

func TestNegStatusList(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		uri := strings.TrimPrefix(w.newWallet(t, "minato").clientAttestation(t).Statuses[0].URI, origin)
		for path, want := range map[string]int{
			uri: 200, "/minato/status-lists/x": 404, strings.Replace(uri, "minato", "shibuya", 1): 404,
		} {
			if a := w.do(t, httptest.NewRequest(http.MethodGet, path, nil)); a.status != want {
				t.Errorf("%s: %d", path, a.status)
			}
		}
	})
}

func TestStoresAway(t *testing.T) {
	t.Parallel()
	for name, cut := range map[string]func(*world) error{
		"database": func(w *world) error { return w.db.Close() },
		"sessions": func(w *world) error { return w.backend.Close() },
	} {
		w := newWorld(t, nil)
		i := w.newWallet(t, "minato")
		if err := cut(w); err != nil {
			t.Fatal(err)
		}
		if a := i.attest(t, nil); a.status != 503 || a.reason(t) != "temporarily_unavailable" || a.header.Get("Retry-After") == "" {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
}
