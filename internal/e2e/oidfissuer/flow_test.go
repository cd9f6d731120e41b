package oidfissuer_test

import (
	"crypto/ecdsa"
	"crypto/rand"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/internal/e2e/wire"
)

const grantPreAuthorized = "urn:ietf:params:oauth:grant-type:pre-authorized_code"

// exchange sends a token request.
func (c *wallet) exchange(t *testing.T, form url.Values, edits ...edit) *reply {
	t.Helper()
	return c.post(t, "token", form, true, edits...)
}

// accept checks a token response, keeps the token, and returns the credential
// identifiers in it.
func (c *wallet) accept(t *testing.T, r *reply) (identifiers []string) {
	t.Helper()
	o := r.json(t)
	c.token = wire.Text(o, "access_token")
	expires, _ := o["expires_in"].(float64)
	if r.status != http.StatusOK || !strings.EqualFold(wire.Text(o, "token_type"), "DPoP") || expires <= 0 || expires > 365*86400 {
		t.Fatalf("token: %d %s", r.status, r.body)
	}
	if len(c.token)*6 < 128 || entropy(c.token) < 96 || !strings.Contains(r.header.Get("Cache-Control"), "no-store") {
		t.Errorf("weak token %q, or one that may be cached (%s)", c.token, r.header.Get("Cache-Control"))
	}
	details, _ := o["authorization_details"].([]any)
	if c.rar != (len(details) > 0) {
		t.Errorf("authorization_details %v", o["authorization_details"])
	}
	for _, detail := range details {
		d, _ := detail.(object)
		ids, _ := d["credential_identifiers"].([]any)
		if wire.Text(d, "type") != "openid_credential" || wire.Text(d, "credential_configuration_id") == "" || len(ids) == 0 {
			t.Errorf("authorization detail %v", detail)
		}
		for _, id := range ids {
			identifiers = append(identifiers, id.(string))
		}
	}
	return identifiers
}

// offer has the operator make an offer and reads it as a wallet does: from the
// link, by value or by reference.
func (c *wallet) offer(t *testing.T, byReference bool) (offer object, txCode string) {
	t.Helper()
	request := object{"credential_configuration_ids": []string{c.configuration()}, "by_reference": byReference}
	if c.preAuthorized {
		request["grant"] = "pre-authorized_code"
		request["person"] = object{"name": "佐藤　健", "address": "北海道札幌市", "birth_date": "2001-05-05", "sex": 1}
	}
	made := c.w.send(t, http.MethodPost, c.w.identifier+"/admin/offers", http.Header{
		"Authorization": {"Bearer " + c.w.box.AdminToken}, "Content-Type": {"application/json"},
	}, wire.JSON(request)).json(t)
	link, err := url.Parse(wire.Text(made, "link"))
	if err != nil || (link.Scheme != "openid-credential-offer" && link.Scheme != "haip-vci") {
		t.Fatalf("link %q", wire.Text(made, "link"))
	}
	value, reference := link.Query().Get("credential_offer"), link.Query().Get("credential_offer_uri")
	if (value == "") == (reference == "") {
		t.Fatalf("link %q needs one of credential_offer and credential_offer_uri", link)
	}
	if reference != "" {
		r := c.w.send(t, http.MethodGet, reference, nil, nil)
		value = string(wire.JSON(r.json(t)))
	}
	if err := json.Unmarshal([]byte(value), &offer); err != nil {
		t.Fatal(err)
	}
	for name := range offer {
		if !slices.Contains([]string{"credential_issuer", "credential_configuration_ids", "grants"}, name) {
			t.Errorf("unknown member %s in the offer", name)
		}
	}
	if wire.Text(offer, "credential_issuer") != c.w.identifier {
		t.Errorf("credential_issuer %q", wire.Text(offer, "credential_issuer"))
	}
	return offer, wire.Text(made, "tx_code")
}

// grant returns what the offer has for a grant type.
func grant(t *testing.T, offer object, grantType string) object {
	t.Helper()
	grants, _ := offer["grants"].(object)
	o, ok := grants[grantType].(object)
	if !ok {
		t.Fatalf("no grant %s in %v", grantType, offer)
	}
	return o
}

// obtain gets an access token in the way of the variant, and the credential
// identifiers that come with it.
func (c *wallet) obtain(t *testing.T, edits ...edit) (identifiers []string) {
	t.Helper()
	if c.preAuthorized {
		offer, txCode := c.offer(t, c.encrypted) // both ways to hand it over
		g := grant(t, offer, grantPreAuthorized)
		form := url.Values{"grant_type": {grantPreAuthorized}, "pre-authorized_code": {wire.Text(g, "pre-authorized_code")}, "client_id": {c.id}}
		if tx, ok := g["tx_code"].(object); ok {
			if mode := wire.Text(tx, "input_mode"); mode != "" && mode != "numeric" && mode != "text" {
				t.Errorf("tx_code %v", tx)
			}
			form.Set("tx_code", txCode)
		}
		if c.rar {
			form.Set("authorization_details", c.request().Get("authorization_details"))
		}
		return c.accept(t, c.exchange(t, form, edits...))
	}
	if c.offered {
		offer, _ := c.offer(t, c.encrypted)
		c.issuerState = wire.Text(grant(t, offer, "authorization_code"), "issuer_state")
		if c.issuerState == "" {
			t.Error("the offer has no issuer_state")
		}
	}
	return c.accept(t, c.exchange(t, c.tokenForm(c.code(t, edits...)), edits...))
}

// nonce gets a c_nonce.
func (c *wallet) nonce(t *testing.T) string {
	t.Helper()
	r := c.w.send(t, http.MethodPost, c.endpoint("nonce"), nil, nil)
	nonce := wire.Text(r.json(t), "c_nonce")
	if r.status != http.StatusOK || nonce == "" || !strings.Contains(r.header.Get("Cache-Control"), "no-store") {
		t.Fatalf("nonce: %d %s", r.status, r.body)
	}
	if fresh := r.header.Get("DPoP-Nonce"); fresh != "" {
		c.dpopNonce = fresh
	}
	return nonce
}

// keyProof signs a proof of type jwt with what is changed.
func (c *wallet) keyProof(t *testing.T, key *ecdsa.PrivateKey, nonce, attestation string, changes object) string {
	t.Helper()
	claims := object{"aud": wire.Text(c.w.issuer, "credential_issuer"), "iat": c.w.now().Unix(), "nonce": nonce}
	if !c.preAuthorized {
		claims["iss"] = c.id
	}
	header := object{"typ": "openid4vci-proof+jwt", "jwk": wire.JWK(&key.PublicKey)}
	if attestation != "" {
		header["key_attestation"] = attestation
	}
	return wire.Sign(key, header, changed(claims, changes))
}

// proofs proves the keys in the way of the variant. spoilt may change the key
// attestation.
func (c *wallet) proofs(t *testing.T, spoilt func(string) string, keys ...*ecdsa.PrivateKey) object {
	t.Helper()
	nonce := c.nonce(t)
	var attestation string
	if c.proofType != "" {
		attestation = spoilt(c.keyAttestation(t, nonce, keys...))
	}
	if c.proofType == "attestation" {
		return object{"attestation": []string{attestation}}
	}
	var proofs []string
	for _, key := range keys {
		proofs = append(proofs, c.keyProof(t, key, nonce, attestation, nil))
	}
	return object{"jwt": proofs}
}

// keyAttestation attests the keys with what the metadata demand.
func (c *wallet) keyAttestation(t *testing.T, nonce string, keys ...*ecdsa.PrivateKey) string {
	t.Helper()
	now := c.w.now()
	claims := object{"iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(), "nonce": nonce}
	var attested []object
	for _, key := range keys {
		attested = append(attested, wire.JWK(&key.PublicKey))
	}
	claims["attested_keys"] = attested
	types, _ := c.configured(t)["proof_types_supported"].(object)
	proofType, _ := types["attestation"].(object)
	required, _ := proofType["key_attestations_required"].(object)
	maps.Copy(claims, required)
	return wire.Sign(c.w.attester.key, object{"typ": "key-attestation+jwt", "x5c": c.w.attester.chain, "kid": "0"}, claims)
}

// credentialRequest asks for a credential for each key, by the identifier if
// there is one.
func (c *wallet) credentialRequest(t *testing.T, identifiers []string, keys ...*ecdsa.PrivateKey) object {
	t.Helper()
	request := object{"credential_configuration_id": c.configuration(), "proofs": c.proofs(t, func(s string) string { return s }, keys...)}
	if len(identifiers) > 0 {
		delete(request, "credential_configuration_id")
		request["credential_identifier"] = identifiers[0]
	}
	return request
}

// ask sends a credential request, encrypted if that is the variant, and returns
// the answer in clear. zip compresses both ways.
func (c *wallet) ask(t *testing.T, request object, zip bool, headers ...http.Header) *reply {
	t.Helper()
	if !c.encrypted {
		return c.protected(t, "credential", "application/json", wire.JSON(request), headers...)
	}
	key, enc := wire.NewKey(), "A256GCM"
	jwk := wire.JWK(&key.PublicKey)
	jwk["kid"], jwk["use"], jwk["alg"] = rand.Text(), "enc", "ECDH-ES"
	wanted := object{"jwk": jwk, "enc": enc}
	if zip {
		wanted["zip"] = "DEF"
	}
	if _, ok := request["credential_response_encryption"]; !ok {
		request = maps.Clone(request)
		request["credential_response_encryption"] = wanted
	}
	offered, _ := c.w.issuer["credential_request_encryption"].(object)
	set, _ := offered["jwks"].(object)
	keys, _ := set["keys"].([]any)
	to, _ := keys[0].(object)
	header := object{"enc": enc, "cty": "json"}
	if zip {
		header["zip"] = "DEF"
	}
	jwe, err := wire.Encrypt(wire.JSON(request), header, to, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := c.protected(t, "credential", "application/jwt", []byte(jwe), headers...)
	if r.status > 299 {
		return r // errors are never encrypted
	}
	if r.mediaType() != "application/jwt" {
		t.Errorf("encrypted response is %s", r.mediaType())
	}
	header, plain, err := wire.Decrypt(string(r.body), key)
	if err != nil {
		t.Fatal(err)
	}
	if wire.Text(header, "alg") != "ECDH-ES" || wire.Text(header, "enc") != enc || header["kid"] != jwk["kid"] || (wire.Text(header, "zip") == "DEF") != zip {
		t.Errorf("header of the response %v", header)
	}
	r.header.Set("Content-Type", "application/json")
	return &reply{r.status, r.header, plain}
}

// protected sends a request with the access token, again at most twice if a nonce
// is asked for.
func (c *wallet) protected(t *testing.T, endpoint, contentType string, body []byte, headers ...http.Header) *reply {
	t.Helper()
	address := c.endpoint(endpoint)
	for try := 0; ; try++ {
		header := http.Header{"Content-Type": {contentType}, "Authorization": {c.scheme + " " + c.token}}
		header.Set("DPoP", c.proof(t, address, c.token, nil, nil))
		for _, h := range headers {
			maps.Copy(header, h)
		}
		r := c.w.send(t, http.MethodPost, address, header, body)
		if nonce := r.header.Get("DPoP-Nonce"); nonce != "" {
			c.dpopNonce = nonce
		}
		if try == 2 || r.status != http.StatusUnauthorized || !strings.Contains(r.header.Get("WWW-Authenticate"), `error="use_dpop_nonce"`) {
			return r
		}
	}
}

// received checks a credential response and returns the credentials.
func (c *wallet) received(t *testing.T, r *reply) (credentials []string, notificationID string) {
	t.Helper()
	if r.status != http.StatusOK || r.header.Get("Date") == "" {
		t.Fatalf("credential: %d %s", r.status, r.body)
	}
	o := r.json(t)
	for name := range o {
		if !slices.Contains([]string{"credentials", "transaction_id", "notification_id", "interval"}, name) {
			t.Errorf("unknown member %s in the credential response", name)
		}
	}
	list, _ := o["credentials"].([]any)
	for _, entry := range list {
		e, _ := entry.(object)
		if len(e) != 1 || wire.Text(e, "credential") == "" {
			t.Fatalf("entry %v", entry)
		}
		credentials = append(credentials, wire.Text(e, "credential"))
	}
	if len(credentials) == 0 {
		t.Fatalf("no credentials in %s", r.body)
	}
	return credentials, wire.Text(o, "notification_id")
}

// notify tells the issuer what became of a credential.
func (c *wallet) notify(t *testing.T, id string, extra object) {
	t.Helper()
	body := object{"notification_id": id, "event": "credential_accepted"}
	maps.Copy(body, extra)
	if r := c.protected(t, "notification", "application/json", wire.JSON(body)); r.status/100 != 2 {
		t.Errorf("notification: %d %s", r.status, r.body)
	}
}

// refused checks an error of the credential endpoint: 400, in clear, with a
// registered code and nothing else in it.
func (r *reply) refused(t *testing.T, code string) {
	t.Helper()
	if r.status != http.StatusBadRequest {
		t.Errorf("status %d, want 400", r.status)
	}
	r.fails(t, code)
}
