package oidfissuer_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/internal/e2e/wire"
)

// negatives are the modules whose names begin with fail. Each case has its honest
// twin in happy-flow, and most go on to do it right.
func negatives(each func(string, []variant, func(*testing.T, *wallet))) {
	plain := []variant{
		{format: "sd_jwt_vc", auth: "client_attestation"}, {format: "mdoc", auth: "client_attestation"},
		{format: "sd_jwt_vc", auth: "private_key_jwt"}, {format: "sd_jwt_vc", auth: "client_attestation", encrypted: true},
		{format: "sd_jwt_vc", auth: "client_attestation", rar: true},
	}
	wrong := func(code string, spoilt func(t *testing.T, c *wallet, request object)) func(*testing.T, *wallet) {
		return func(t *testing.T, c *wallet) {
			t.Helper()
			identifiers := c.obtain(t)
			request := c.credentialRequest(t, identifiers, c.holder)
			spoilt(t, c, request)
			c.ask(t, request, false).refused(t, code)
			credentials, _ := c.received(t, c.ask(t, c.credentialRequest(t, identifiers, c.holder), false))
			c.check(t, credentials[0], &c.holder.PublicKey)
		}
	}
	each("fail-invalid-nonce", plain, wrong("invalid_nonce", func(t *testing.T, c *wallet, request object) {
		t.Helper()
		request["proofs"] = object{"jwt": []string{c.keyProof(t, c.holder, "a-nonce-that-nobody-gave-out", "", nil)}}
	}))
	each("fail-invalid-jwt-proof-signature", plain, wrong("invalid_proof", func(t *testing.T, c *wallet, request object) {
		t.Helper()
		request["proofs"] = object{"jwt": []string{wire.Spoil(c.keyProof(t, c.holder, c.nonce(t), "", nil))}}
	}))
	each("fail-missing-proof", plain, wrong("invalid_proof", func(_ *testing.T, _ *wallet, request object) { delete(request, "proofs") }))
	each("fail-unknown-credential-configuration", plain, wrong("unknown_credential_configuration", func(_ *testing.T, _ *wallet, request object) {
		delete(request, "credential_identifier")
		request["credential_configuration_id"] = "a-configuration-that-nobody-knows"
	}))
	each("fail-unknown-credential-identifier", plain, wrong("unknown_credential_identifier", func(_ *testing.T, _ *wallet, request object) {
		delete(request, "credential_configuration_id")
		request["credential_identifier"] = "an-identifier-that-nobody-knows"
	}))
	encrypted := []variant{{format: "sd_jwt_vc", auth: "client_attestation", encrypted: true}, {format: "mdoc", auth: "client_attestation", encrypted: true}}
	each("fail-unsupported-encryption-algorithm", encrypted, wrong("invalid_encryption_parameters", func(t *testing.T, _ *wallet, request object) {
		t.Helper()
		jwk := wire.JWK(&wire.NewKey().PublicKey)
		jwk["alg"], jwk["use"], jwk["kid"] = "UNSUPPORTED_ALG", "enc", "k"
		request["credential_response_encryption"] = object{"jwk": jwk, "enc": "A256GCM"}
	}))
	each("fail-on-access-token-in-query", plain, func(t *testing.T, c *wallet) {
		t.Helper()
		request := wire.JSON(c.credentialRequest(t, c.obtain(t), c.holder))
		address := c.endpoint("credential") + "?" + url.Values{"access_token": {c.token}}.Encode()
		header := http.Header{"Content-Type": {"application/json"}}
		header.Set("DPoP", c.proof(t, c.endpoint("credential"), c.token, nil, nil))
		if r := c.w.send(t, http.MethodPost, address, header, request); r.status < 400 || r.status > 499 {
			t.Errorf("%d %s", r.status, r.body)
		}
	})
	for name, spoilt := range badAttestations {
		each(name, []variant{{format: "sd_jwt_vc", auth: "client_attestation"}, {format: "sd_jwt_vc", auth: "client_attestation", preAuthorized: true}}, func(t *testing.T, c *wallet) {
			t.Helper()
			refusedClient(t, c, func(form url.Values, header http.Header) { spoilt(t, c, header) })
		})
	}
}

// badAttestations spoil the client authentication.
var badAttestations = map[string]func(t *testing.T, c *wallet, header http.Header){
	"fail-invalid-client-attestation-signature": func(t *testing.T, c *wallet, h http.Header) {
		t.Helper()
		h.Set("OAuth-Client-Attestation", wire.Spoil(c.attestation(t, nil)))
	},
	"fail-invalid-client-attestation-pop-signature": func(t *testing.T, c *wallet, h http.Header) {
		t.Helper()
		h.Set("OAuth-Client-Attestation-PoP", wire.Spoil(c.pop(t, c.instance, nil)))
	},
	"fail-client-attestation-exp-in-past": func(t *testing.T, c *wallet, h http.Header) {
		t.Helper()
		h.Set("OAuth-Client-Attestation", c.attestation(t, object{"exp": c.w.now().Add(-10 * time.Minute).Unix()}))
	},
	"fail-client-attestation-no-sub": func(t *testing.T, c *wallet, h http.Header) {
		t.Helper()
		h.Set("OAuth-Client-Attestation", c.attestation(t, object{"sub": nil}))
	},
	"fail-client-attestation-pop-wrong-aud": func(t *testing.T, c *wallet, h http.Header) {
		t.Helper()
		h.Set("OAuth-Client-Attestation-PoP", c.pop(t, c.instance, object{"aud": "https://other.example"}))
	},
	"fail-mismatched-client-attestation-pop-key": func(t *testing.T, c *wallet, h http.Header) {
		t.Helper()
		h.Set("OAuth-Client-Attestation-PoP", c.pop(t, wire.NewKey(), nil))
	},
}

// refusedClient sends the request that comes first in the variant's grant with
// client authentication that is wrong, and then right.
func refusedClient(t *testing.T, c *wallet, spoilt edit) {
	t.Helper()
	refusedBy := func(r *reply) {
		t.Helper()
		if r.status != http.StatusBadRequest && r.status != http.StatusUnauthorized {
			t.Errorf("status %d", r.status)
		}
		r.fails(t, "invalid_client", "invalid_request", "invalid_client_attestation", "use_fresh_attestation")
		if !strings.Contains(r.header.Get("Cache-Control"), "no-store") {
			t.Errorf("Cache-Control %q", r.header.Get("Cache-Control"))
		}
	}
	if !c.preAuthorized {
		refusedBy(c.push(t, spoilt))
		c.pushed(t, c.push(t))
		return
	}
	offer, txCode := c.offer(t, false)
	form := url.Values{
		"grant_type": {grantPreAuthorized}, "pre-authorized_code": {wire.Text(grant(t, offer, grantPreAuthorized), "pre-authorized_code")},
		"client_id": {c.id}, "tx_code": {txCode},
	}
	refusedBy(c.exchange(t, form, spoilt))
	c.accept(t, c.exchange(t, form))
}
