package holder_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/attestation"
	"github.com/tegata-id/tegata/credentials/dpop"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/mdoc"
	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/credentials/sdjwt"
	"github.com/tegata-id/tegata/credentials/trust"
)

func (w *world) issuerMetadata(rw http.ResponseWriter, r *http.Request) {
	proof := map[string]openid4vci.ProofType{openid4vci.ProofTypeJWT: {SigningAlgorithms: []string{"ES256"}}}
	attested := map[string]openid4vci.ProofType{openid4vci.ProofTypeJWT: {
		SigningAlgorithms: []string{"ES256"}, KeyAttestations: &openid4vci.KeyAttestationsRequired{},
	}}
	m := &openid4vci.IssuerMetadata{
		CredentialIssuer: w.base + w.tenant, CredentialEndpoint: w.base + "/credential",
		NonceEndpoint: w.base + "/nonce", DeferredCredentialEndpoint: w.base + "/deferred", NotificationEndpoint: w.base + "/notification",
		Batch: &openid4vci.Batch{Size: 10},
		Configurations: map[string]*openid4vci.Configuration{
			"sd": {
				Format: credentials.FormatSDJWTVC, Scope: "sd", VCT: vct,
				BindingMethods: []string{openid4vci.BindingJWK}, ProofTypes: proof,
			},
			"doc": {
				Format: credentials.FormatMdoc, Scope: "doc", Doctype: doctype,
				BindingMethods: []string{openid4vci.BindingCOSEKey}, ProofTypes: attested,
			},
		},
	}
	if w.tenant != "" {
		m.AuthorizationServers = []string{w.base}
	}
	if w.editIssuer != nil {
		w.editIssuer(m)
	}
	if w.metadata != nil {
		w.metadata(rw, r, m)
		return
	}
	writeJSON(rw, 200, m)
}

func (w *world) serverMetadata(rw http.ResponseWriter, _ *http.Request) {
	m := &openid4vci.AuthorizationServerMetadata{
		Issuer: w.base, AuthorizationEndpoint: w.base + "/authorize", TokenEndpoint: w.base + "/token",
		PAREndpoint: w.base + "/par", RequirePAR: true, IssParameterSupported: true,
		CodeChallengeMethodsSupported: []string{"S256"}, DPoPSigningAlgorithms: []string{"ES256"},
	}
	if w.editServer != nil {
		w.editServer(m)
	}
	writeJSON(rw, 200, m)
}

// client authenticates the wallet.
func (w *world) client(r *http.Request) bool {
	pair := [2][]string{r.Header.Values(attestation.HeaderClient), r.Header.Values(attestation.HeaderPoP)}
	if len(pair[0]) != 1 || len(pair[1]) != 1 {
		w.t.Errorf("%s: not exactly one client attestation and proof", r.URL.Path)
		return false
	}
	_, err := attestation.Verify(r.Context(), pair[0][0], pair[1][0], attestation.Expect{
		Audience: w.base, ClientID: r.PostFormValue("client_id"), Policy: policy(w.ca, trust.ProfileWalletProvider), Now: time.Now(),
	})
	if err != nil {
		w.t.Errorf("%s: %v", r.URL.Path, err)
	}
	return err == nil
}

// proof checks the DPoP header, and asks for a nonce as often as badDPoP says.
func (w *world) proof(rw http.ResponseWriter, r *http.Request, token string) (key string, ok bool) {
	v, err := dpop.Verify(r.Header.Get("DPoP"), dpop.Expect{Method: "POST", URL: w.base + r.URL.Path, AccessToken: token, Now: time.Now()})
	if err != nil {
		w.t.Errorf("%s: %v", r.URL.Path, err)
		writeJSON(rw, 400, map[string]string{"error": "invalid_dpop_proof"})
		return "", false
	}
	w.mu.Lock()
	w.asked[r.URL.Path]++
	asked := w.asked[r.URL.Path]
	w.mu.Unlock()
	if w.dpopAt != "" && w.dpopAt != r.URL.Path {
		return v.KeyThumbprint, true
	}
	if asked <= w.badDPoP {
		rw.Header().Set("DPoP-Nonce", fmt.Sprint("nonce-", asked))
		status := 400
		if token != "" {
			status = 401
			rw.Header().Set("WWW-Authenticate", `dpop error="use_dpop_nonce"`)
		}
		writeJSON(rw, status, map[string]string{"error": "use_dpop_nonce"})
		return "", false
	}
	if w.badDPoP > 0 && v.Nonce == "" {
		w.t.Errorf("%s: the DPoP nonce was not used", r.URL.Path)
	}
	return v.KeyThumbprint, true
}

func (w *world) push(rw http.ResponseWriter, r *http.Request) {
	if !w.client(r) {
		writeJSON(rw, 401, map[string]string{"error": "invalid_client"})
		return
	}
	w.mu.Lock()
	w.par = r.PostForm
	w.mu.Unlock()
	writeJSON(rw, 201, openid4vci.PARResponse{RequestURI: "urn:test:1", ExpiresIn: 60})
}

func (w *world) token(rw http.ResponseWriter, r *http.Request) {
	if !w.client(r) {
		writeJSON(rw, 401, map[string]string{"error": "invalid_client"})
		return
	}
	key, ok := w.proof(rw, r, "")
	if !ok {
		return
	}
	if r.PostForm.Get("grant_type") == openid4vci.GrantAuthorizationCode {
		if err := openid4vci.VerifyCodeVerifier(r.PostForm.Get("code_verifier"), w.par.Get("code_challenge")); err != nil {
			w.t.Error(err)
		}
		if key != w.par.Get("dpop_jkt") || r.PostForm.Get("redirect_uri") != redirectURI || r.PostForm.Get("code") != "the-code" {
			w.t.Error("the token request does not fit the pushed request")
		}
	}
	if r.PostForm.Get("grant_type") == openid4vci.GrantPreAuthorized &&
		(r.PostForm.Get("pre-authorized_code") != "pre" || r.PostForm.Get("tx_code") != "493536") {
		w.t.Errorf("token request %v", r.PostForm)
	}
	response := openid4vci.TokenResponse{AccessToken: "the-token", TokenType: "dpop", ExpiresIn: 300}
	if r.PostForm.Get("grant_type") == openid4vci.GrantRefreshToken {
		if r.PostForm.Get("refresh_token") != w.refreshToken {
			writeJSON(rw, 400, map[string]string{"error": "invalid_grant"})
			return
		}
	} else {
		response.RefreshToken = w.refreshToken
	}
	if w.tokenType != "" {
		response.TokenType = w.tokenType
	}
	if w.details {
		response.AuthorizationDetails = []openid4vci.AuthorizationDetail{
			{Type: openid4vci.DetailType, CredentialConfigurationID: "sd", CredentialIdentifiers: []string{"sd-1"}},
		}
	}
	writeJSON(rw, 200, response)
}

func (w *world) credential(rw http.ResponseWriter, r *http.Request) {
	if _, ok := w.proof(rw, r, "the-token"); !ok {
		return
	}
	if r.Header.Get("Authorization") != "DPoP the-token" {
		w.t.Error("the access token is not in the Authorization header")
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.t.Error(err)
	}
	if body = w.opened(r, body); body == nil {
		return
	}
	request, err := openid4vci.ParseCredentialRequest(body)
	if err != nil {
		w.t.Error(err)
		writeJSON(rw, 400, err)
		return
	}
	if w.proofs != nil && !w.proofs(request.Proofs) {
		w.t.Errorf("proofs of another type than the metadata ask for: %+v", request.Proofs)
	}
	if w.badNonces > 0 {
		w.badNonces--
		writeJSON(rw, 400, openid4vci.NewError(openid4vci.CodeInvalidNonce, ""))
		return
	}
	id := request.ConfigurationID
	if w.details != (request.CredentialIdentifier == "sd-1") {
		w.t.Errorf("credential_identifier %q", request.CredentialIdentifier)
	} else if w.details {
		id = "sd"
	}
	proven, err := openid4vci.VerifyProofs(r.Context(), request.Proofs, openid4vci.ProofExpect{
		Audience: w.base + w.tenant, ClientID: clientID, RequireNonce: true, MaxKeys: 10, Now: time.Now(), RequireKeyAttestation: id == "doc",
		KeyAttestation: &attestation.KeyExpect{Policy: policy(w.ca, trust.ProfileWalletProvider)},
	})
	if err != nil || proven.Nonce != "c-nonce" {
		w.t.Errorf("key proofs: %v", err)
		writeJSON(rw, 400, openid4vci.NewError(openid4vci.CodeInvalidProof, ""))
		return
	}
	response := &openid4vci.CredentialResponse{NotificationID: "n-" + id}
	for n, key := range proven.Keys {
		response.Credentials = append(response.Credentials, openid4vci.IssuedCredential{Credential: w.issue(id, credentials.Draft{HolderKey: key}, n)})
	}
	// Copies may come in any order.
	slices.Reverse(response.Credentials)
	if w.respond != nil {
		w.respond(response)
	}
	if w.deferrals > 0 {
		w.later = response
		writeJSON(rw, 202, openid4vci.CredentialResponse{TransactionID: "t-1", Interval: 5})
		return
	}
	w.deliver(rw, response, request.ResponseEncryption)
}

// opened returns the plain request, decrypted if the issuer has a key.
func (w *world) opened(r *http.Request, body []byte) []byte {
	if w.decrypt == nil {
		return body
	}
	if r.Header.Get("Content-Type") != "application/jwt" {
		w.t.Error("the request is not encrypted")
		return nil
	}
	e, err := jose.ParseEncrypted(string(body))
	if err != nil || e.Header.Kid != "enc" {
		w.t.Errorf("request: kid or %v", err)
		return nil
	}
	plain, err := e.Decrypt(w.decrypt, jose.A128GCM)
	if err != nil {
		w.t.Error(err)
	}
	return plain
}

// deliver answers, encrypted if that is wanted.
func (w *world) deliver(rw http.ResponseWriter, response *openid4vci.CredentialResponse, to *openid4vci.EncryptionParameters) {
	if to == nil || w.plain {
		writeJSON(rw, 200, response)
		return
	}
	plain, err := json.Marshal(response)
	if err != nil {
		w.t.Error(err)
	}
	compact, err := jose.Encrypt(plain, to.JWK, to.Enc, jose.EncryptOptions{})
	if err != nil {
		w.t.Error(err)
	}
	rw.Header().Set("Content-Type", "application/jwt")
	rw.Write([]byte(compact))
}

// deferred hands out what was not ready before, after some more waiting.
func (w *world) deferred(rw http.ResponseWriter, r *http.Request) {
	if _, ok := w.proof(rw, r, "the-token"); !ok {
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.t.Error(err)
	}
	if body = w.opened(r, body); body == nil {
		return
	}
	request, err := openid4vci.ParseDeferredRequest(body)
	if err != nil || request.TransactionID != "t-1" {
		w.t.Errorf("deferred request: %v", err)
		return
	}
	if w.deferrals--; w.deferrals > 0 {
		writeJSON(rw, 202, openid4vci.CredentialResponse{TransactionID: "t-1", Interval: 5})
		return
	}
	w.deliver(rw, w.later, request.ResponseEncryption)
}

// encrypt makes the issuer demand encryption both ways.
func (w *world) encrypt() {
	key, err := keys.GenerateP256()
	if err != nil {
		w.t.Fatal(err)
	}
	jwk, err := jose.NewJWK(key.Public())
	if err != nil {
		w.t.Fatal(err)
	}
	jwk.Kid, jwk.Alg, jwk.Use = "enc", jose.ECDHES, "enc"
	w.decrypt = key
	w.editIssuer = func(m *openid4vci.IssuerMetadata) {
		m.RequestEncryption = &openid4vci.RequestEncryption{
			Keys: openid4vci.KeySet{Keys: []jose.JWK{*jwk}}, Enc: []string{jose.A128GCM}, Required: true,
		}
		m.ResponseEncryption = &openid4vci.ResponseEncryption{
			Alg: []string{jose.ECDHES}, Enc: []string{jose.A128GCM, jose.A256GCM}, Required: true,
		}
	}
}

// issue signs one copy.
func (w *world) issue(id string, d credentials.Draft, n int) string {
	now := time.Now().Add(-time.Hour).UTC().Truncate(time.Hour)
	d.SignedAt, d.ValidFrom, d.ValidUntil = now, now, now.Add(240*time.Hour)
	d.Status = &credentials.StatusRef{URI: w.base + "/status", Index: uint64(1000 + n)}
	claims := credentials.Object{"family_name": credentials.Text("山田"), "age": credentials.Int(41)}
	d.Type, d.Claims = vct, claims
	if id == "doc" {
		d.Type, d.Claims = doctype, credentials.Object{doctype: claims}
	}
	if w.draft != nil {
		w.draft(n, &d)
	}
	if id == "doc" {
		document, err := mdoc.Issue(d, w.doc)
		if err != nil {
			w.t.Error(err)
		}
		return jose.EncodeBase64(document)
	}
	compact, err := sdjwt.Issue(d, w.sd)
	if err != nil {
		w.t.Error(err)
	}
	return compact
}

func (w *world) notification(rw http.ResponseWriter, r *http.Request) {
	if _, ok := w.proof(rw, r, "the-token"); !ok {
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.t.Error(err)
	}
	n, err := openid4vci.ParseNotificationRequest(body)
	if err != nil {
		w.t.Error(err)
		return
	}
	w.mu.Lock()
	w.events = append(w.events, n.NotificationID+" "+n.Event)
	w.mu.Unlock()
	rw.WriteHeader(http.StatusNoContent)
}
