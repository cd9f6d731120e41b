package oidfwallet_test

import (
	"crypto/ecdsa"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/internal/fetch"
	"github.com/tegata-id/tegata/wallet/holder"
)

// variant is a combination that the suite has.
type variant struct {
	mdoc, deferred, encrypted bool
	// details has the token response list credential identifiers.
	details, preAuthorized, byReference bool
	// proof is "jwt", "jwt.keyattest" or "attestation".
	proof string
}

func (v variant) String() string {
	name := []string{"sd_jwt_vc", "immediate", "plain", "scope", "authorization_code", "by_value", v.proof}
	for i, other := range []string{"mdoc", "deferred", "encrypted", "details", "pre_authorized_code", "by_reference"} {
		if []bool{v.mdoc, v.deferred, v.encrypted, v.details, v.preAuthorized, v.byReference}[i] {
			name[i] = other
		}
	}
	return strings.Join(name, "-")
}

// issuer is the suite's issuer with its authorization server. The functions
// change what it says and may be nil.
type issuer struct {
	*peer
	variant
	encryption *ecdsa.PrivateKey

	// challenges has the authorization server ask for attestation challenges,
	// noNonces has both servers accept DPoP proofs without a nonce.
	challenges, noNonces bool
	editMetadata         func(object)
	editServer           func(object)
	editCallback         func(url.Values)
	editToken            func(object)
	editOffer            func(object)
	editSDJWT            func(n int, payload object)
	editAnswer           func(object)
	// answer answers a path in the issuer's place.
	answer map[string]http.HandlerFunc

	pushed     url.Values
	token      string
	cNonce     string
	challenge  string
	nonces     map[string]string
	seen       map[string]bool
	dpopKey    string
	waiting    []byte
	polls      int
	requested  int
	events     []string
	identities map[string]bool
}

func newIssuer(t *testing.T, v variant) *issuer {
	t.Helper()
	s := &issuer{
		variant: v, encryption: newKey(), token: rand.Text(), answer: map[string]http.HandlerFunc{},
		nonces: map[string]string{}, seen: map[string]bool{}, identities: map[string]bool{},
	}
	mux := http.NewServeMux()
	for path, handler := range map[string]http.HandlerFunc{
		"GET /.well-known/openid-credential-issuer" + alias:                            s.metadata,
		"GET /.well-known/oauth-authorization-server" + strings.TrimSuffix(alias, "/"): s.serverMetadata,
		"GET " + alias + "offer":         func(rw http.ResponseWriter, _ *http.Request) { write(rw, 200, s.offer()) },
		"GET " + alias + "authorize":     s.authorize,
		"POST " + alias + "par":          s.par,
		"POST " + alias + "challenge":    s.giveChallenge,
		"POST " + alias + "token":        s.giveToken,
		"POST " + alias + "nonce":        s.giveNonce,
		"POST " + alias + "credential":   s.credential,
		"POST " + alias + "deferred":     s.poll,
		"POST " + alias + "notification": s.notification,
	} {
		_, bare, _ := strings.Cut(path, " ")
		mux.HandleFunc(path, func(rw http.ResponseWriter, r *http.Request) {
			if instead := s.answer[strings.TrimPrefix(bare, alias)]; instead != nil {
				instead(rw, r)
				return
			}
			handler(rw, r)
		})
	}
	s.peer = newPeer(t, mux)
	return s
}

func write(rw http.ResponseWriter, status int, v any) {
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(status)
	_, _ = rw.Write(fine(json.Marshal(v)))
}

// demand reports what the wallet should not have done and refuses it.
func (s *issuer) demand(rw http.ResponseWriter, code string, err error) bool {
	if err == nil {
		return true
	}
	s.t.Errorf("the wallet: %v", err)
	write(rw, 400, object{"error": code})
	return false
}

// first returns the first error.
func first(list ...error) error {
	for _, err := range list {
		if err != nil {
			return err
		}
	}
	return nil
}

// want is an error unless the condition holds.
func want(condition bool, format string, args ...any) error {
	if condition {
		return nil
	}
	return fmt.Errorf(format, args...)
}

func (s *issuer) configuration() string {
	if s.mdoc {
		return "org.iso.18013.5.1.mDL"
	}
	return "eu.europa.ec.eudi.pid.1"
}

func (s *issuer) metadata(rw http.ResponseWriter, _ *http.Request) {
	kind, _, keyattest := strings.Cut(s.proof, ".")
	proof := object{"proof_signing_alg_values_supported": []string{"ES256"}}
	if keyattest || kind == "attestation" {
		proof["key_attestations_required"] = object{}
	}
	c := object{
		"format": "dc+sd-jwt", "vct": vct, "scope": "pid", "cryptographic_binding_methods_supported": []string{"jwk"},
		"credential_signing_alg_values_supported": []string{"ES256"}, "proof_types_supported": object{kind: proof},
	}
	if s.mdoc {
		delete(c, "vct")
		c["format"], c["doctype"], c["cryptographic_binding_methods_supported"] = "mso_mdoc", doctype, []string{"cose_key"}
		c["credential_signing_alg_values_supported"] = []int{-7}
	}
	m := object{
		"credential_issuer": s.id, "credential_endpoint": s.id + "credential", "nonce_endpoint": s.id + "nonce",
		"notification_endpoint": s.id + "notification", "deferred_credential_endpoint": s.id + "deferred",
		"batch_credential_issuance":           object{"batch_size": 10},
		"credential_configurations_supported": object{s.configuration(): c},
		"unknown_parameter":                   object{"a": 1},
	}
	if s.encrypted {
		jwk := jwkOf(&s.encryption.PublicKey)
		jwk["kid"], jwk["use"], jwk["alg"] = "enc", "enc", "ECDH-ES"
		m["credential_request_encryption"] = object{
			"jwks": object{"keys": []any{jwk}}, "enc_values_supported": []string{"A128GCM", "A256GCM"}, "encryption_required": true,
		}
		m["credential_response_encryption"] = object{
			"alg_values_supported": []string{"ECDH-ES"}, "enc_values_supported": []string{"A128GCM", "A256GCM"}, "encryption_required": true,
		}
	}
	if s.editMetadata != nil {
		s.editMetadata(m)
	}
	write(rw, 200, m)
}

func (s *issuer) serverMetadata(rw http.ResponseWriter, _ *http.Request) {
	m := object{
		"issuer": s.id, "authorization_endpoint": s.id + "authorize", "token_endpoint": s.id + "token",
		"pushed_authorization_request_endpoint": s.id + "par", "require_pushed_authorization_requests": true,
		"authorization_response_iss_parameter_supported": true, "code_challenge_methods_supported": []string{"S256"},
		"dpop_signing_alg_values_supported": []string{"ES256"}, "response_types_supported": []string{"code"},
		"grant_types_supported":                 []string{"authorization_code", "urn:ietf:params:oauth:grant-type:pre-authorized_code"},
		"token_endpoint_auth_methods_supported": []string{"attest_jwt_client_auth"},
		"unknown_parameter":                     1,
	}
	if s.challenges {
		m["challenge_endpoint"] = s.id + "challenge"
	}
	if s.editServer != nil {
		s.editServer(m)
	}
	write(rw, 200, m)
}

func (s *issuer) offer() object {
	grants := object{"authorization_code": object{"issuer_state": "state of the issuer"}}
	if s.preAuthorized {
		grants = object{"urn:ietf:params:oauth:grant-type:pre-authorized_code": object{
			"pre-authorized_code": "pre", "tx_code": object{"input_mode": "numeric", "length": len(txCode)},
		}}
	}
	o := object{
		"credential_issuer": s.id, "credential_configuration_ids": []string{s.configuration()}, "grants": grants, "unknown": 1,
	}
	if s.editOffer != nil {
		s.editOffer(o)
	}
	return o
}

func (s *issuer) link() string {
	if s.byReference {
		return withQuery("haip-vci://", url.Values{"credential_offer_uri": {s.id + "offer"}})
	}
	return withQuery("openid-credential-offer://", url.Values{"credential_offer": {string(fine(json.Marshal(s.offer())))}})
}

// offered lets a wallet accept the offer.
func (s *issuer) offered() ([]*holder.Held, *holder.Wallet, error) {
	w := s.newWallet(fetch.Options{})
	held, err := w.AcceptOffer(s.t.Context(), s.link(), browser{s.peer})
	return held, w, err
}

// client holds the wallet to attestation-based client authentication.
func (s *issuer) client(r *http.Request) error {
	attested, pop := r.Header.Values("OAuth-Client-Attestation"), r.Header.Values("OAuth-Client-Attestation-PoP")
	if len(attested) != 1 || len(pop) != 1 {
		return fmt.Errorf("%d attestations and %d proofs", len(attested), len(pop))
	}
	header, a, err := readJWS("oauth-client-attestation+jwt", attested[0])
	if err != nil {
		return err
	}
	key, err := leafOf(header, s.ca.Certificate)
	if err != nil {
		return fmt.Errorf("client attestation: %w", err)
	}
	cnf, _ := a["cnf"].(object)
	instance, err := keyOf(cnf["jwk"])
	if err != nil {
		return err
	}
	_, p, err := readJWS("oauth-client-attestation-pop+jwt", pop[0])
	if err != nil {
		return err
	}
	exp, _ := a["exp"].(float64)
	id, now := text(a, "sub"), float64(time.Now().Unix())
	fresh := !s.seen[text(p, "jti")]
	s.seen[text(p, "jti")] = true
	return first(
		verify(key, attested[0]), verify(instance, pop[0]),
		want(text(a, "iss") == providerURL, "iss of the attestation is %v", a["iss"]),
		want(id == clientID && r.PostForm.Get("client_id") == id, "client_id %q, sub %q", r.PostForm.Get("client_id"), id),
		want(exp > now && exp < now+24*3600, "the attestation expires at %v", a["exp"]),
		want(p["iss"] == nil || text(p, "iss") == id, "iss of the proof is %v", p["iss"]),
		want(text(p, "aud") == s.id, "aud of the proof is %v", p["aud"]),
		want(text(p, "jti") != "" && fresh, "jti of the proof is missing or old"),
		recent(p),
		want(!s.challenges || s.challenge != "" && text(p, "challenge") == s.challenge, "challenge of the proof is %v, want %q", p["challenge"], s.challenge),
	)
}

// recent holds iat to the last five minutes.
func recent(claims object) error {
	iat, ok := claims["iat"].(float64)
	age := float64(time.Now().Unix()) - iat
	return want(ok && age < 300 && age > -300, "iat is %v", claims["iat"])
}

// dpop holds the wallet to RFC 9449. It asks for a nonce first.
func (s *issuer) dpop(rw http.ResponseWriter, r *http.Request, token string) (again bool, err error) {
	proof := r.Header.Values("DPoP")
	if len(proof) != 1 {
		return false, fmt.Errorf("%d DPoP proofs", len(proof))
	}
	header, p, err := readJWS("dpop+jwt", proof[0])
	if err != nil {
		return false, err
	}
	key, err := keyOf(header["jwk"])
	if err != nil {
		return false, err
	}
	print := b64.EncodeToString(thumbprint(key))
	if s.dpopKey == "" {
		s.dpopKey = print
	}
	ath := ""
	if token != "" {
		ath = b64.EncodeToString(digest([]byte(token)))
	}
	fresh := !s.seen[text(p, "jti")]
	s.seen[text(p, "jti")] = true
	if err := first(
		verify(key, proof[0]), recent(p),
		want(text(p, "htm") == r.Method && text(p, "htu") == s.base+r.URL.Path, "DPoP proof for %v %v", p["htm"], p["htu"]),
		want(text(p, "ath") == ath, "ath is %v", p["ath"]), want(fresh, "a DPoP proof came twice"),
		want(print == s.dpopKey, "another DPoP key"),
	); err != nil || s.noNonces {
		return false, err
	}
	place := "resource"
	if token == "" {
		place = "server"
	}
	if s.nonces[place] == "" || text(p, "nonce") != s.nonces[place] {
		err = want(s.nonces[place] == "", "DPoP nonce %v, want %q", p["nonce"], s.nonces[place])
		s.nonces[place] = rand.Text()
		rw.Header().Set("DPoP-Nonce", s.nonces[place])
		return true, err
	}
	return false, nil
}

func (s *issuer) giveChallenge(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if s.demand(rw, "invalid_request", first(err, want(len(body) == 0 && r.URL.RawQuery == "", "the challenge endpoint got %q and %q", body, r.URL.RawQuery))) {
		s.challenge = rand.Text()
		write(rw, 200, object{"attestation_challenge": s.challenge})
	}
}

func (s *issuer) par(rw http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); !s.demand(rw, "invalid_request", err) || !s.demand(rw, "invalid_client", s.client(r)) {
		return
	}
	f := r.PostForm
	if s.demand(rw, "invalid_request", first(
		want(f.Get("response_type") == "code" && f.Get("redirect_uri") == redirectURI, "pushed %v", f),
		want(f.Get("code_challenge_method") == "S256" && len(f.Get("code_challenge")) == 43, "PKCE: %v", f),
		want(f.Get("scope") == "pid" || f.Has("authorization_details"), "neither scope nor details: %v", f),
		want(f.Get("issuer_state") == "state of the issuer", "issuer_state %q", f.Get("issuer_state")),
		want(f.Get("state") != "" && !f.Has("request_uri"), "state or request_uri: %v", f),
	)) {
		s.pushed = f
		write(rw, 201, object{"request_uri": "urn:ietf:params:oauth:request_uri:" + rand.Text(), "expires_in": 60})
	}
}

func (s *issuer) authorize(rw http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if !s.demand(rw, "invalid_request", want(len(q) == 2 && q.Get("client_id") == clientID && q.Get("request_uri") != "", "authorization request %v", q)) {
		return
	}
	answer := url.Values{"code": {"the-code"}, "state": {s.pushed.Get("state")}, "iss": {s.id}}
	if s.editCallback != nil {
		s.editCallback(answer)
	}
	http.Redirect(rw, r, withQuery(redirectURI, answer), http.StatusFound)
}

func (s *issuer) giveToken(rw http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); !s.demand(rw, "invalid_request", err) || !s.demand(rw, "invalid_client", s.client(r)) {
		return
	}
	again, err := s.dpop(rw, r, "")
	if !s.demand(rw, "invalid_dpop_proof", err) {
		return
	}
	if again {
		write(rw, 400, object{"error": "use_dpop_nonce"})
		return
	}
	f := r.PostForm
	if s.preAuthorized {
		err = want(f.Get("pre-authorized_code") == "pre" && f.Get("tx_code") == txCode, "token request %v", f)
	} else {
		challenge := b64.EncodeToString(digest([]byte(f.Get("code_verifier"))))
		err = first(want(f.Get("grant_type") == "authorization_code" && f.Get("code") == "the-code" && f.Get("redirect_uri") == redirectURI, "token request %v", f),
			want(challenge == s.pushed.Get("code_challenge"), "the code_verifier is wrong"),
			want(!s.pushed.Has("dpop_jkt") || s.pushed.Get("dpop_jkt") == s.dpopKey, "dpop_jkt is of another key"))
	}
	if !s.demand(rw, "invalid_grant", err) {
		return
	}
	answer := object{"access_token": s.token, "token_type": "DPoP", "expires_in": 300, "unknown": 1}
	if s.details {
		answer["authorization_details"] = []any{object{
			"type": "openid_credential", "credential_configuration_id": s.configuration(), "credential_identifiers": []string{"identifier"}, "unknown": 1,
		}}
	}
	if s.editToken != nil {
		s.editToken(answer)
	}
	write(rw, 200, answer)
}

func (s *issuer) giveNonce(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if s.demand(rw, "invalid_request", first(err, want(len(body) == 0 && r.Header.Get("Authorization") == "", "the nonce endpoint got more than a POST"))) {
		s.cNonce = rand.Text()
		rw.Header().Set("Cache-Control", "no-store")
		write(rw, 200, object{"c_nonce": s.cNonce})
	}
}

// resource holds a request to the issuer to its token and returns its JSON, and
// the key for the answer.
func (s *issuer) resource(rw http.ResponseWriter, r *http.Request, encrypted bool) (object, bool) {
	again, err := s.dpop(rw, r, s.token)
	if again && err == nil {
		rw.Header().Set("WWW-Authenticate", `DPoP error="use_dpop_nonce", algs="ES256"`)
		rw.WriteHeader(http.StatusUnauthorized)
		return nil, false
	}
	body, readErr := io.ReadAll(r.Body)
	kind := "application/json"
	if encrypted {
		kind = "application/jwt"
	}
	if !s.demand(rw, "invalid_request", first(
		err, readErr, want(strings.EqualFold(r.Header.Get("Authorization"), "DPoP "+s.token), "Authorization %q", r.Header.Get("Authorization")),
		want(r.Header.Get("Content-Type") == kind, "Content-Type %q", r.Header.Get("Content-Type")),
		want(r.URL.RawQuery == "" && (encrypted || !strings.Contains(string(body), s.token)), "the token is elsewhere too"),
	)) {
		return nil, false
	}
	if encrypted {
		header, plain, err := decrypt(string(body), s.encryption)
		if !s.demand(rw, "invalid_encryption_parameters", first(err, want(text(header, "kid") == "enc", "kid %v", header["kid"]))) {
			return nil, false
		}
		body = plain
	}
	o, err := parse(body)
	if !s.demand(rw, "invalid_credential_request", first(err, want(encrypted == (o["credential_response_encryption"] != nil), "credential_response_encryption: %v", o))) {
		return nil, false
	}
	return o, true
}

// proofKeys holds the proofs to appendix F and returns the keys they name.
func (s *issuer) proofKeys(request object) ([]*ecdsa.PublicKey, error) {
	kind, _, keyattest := strings.Cut(s.proof, ".")
	proofs, _ := request["proofs"].(object)
	list, _ := proofs[kind].([]any)
	if len(proofs) != 1 || len(list) == 0 {
		return nil, fmt.Errorf("proofs %v, want %s", proofs, kind)
	}
	if kind == "attestation" {
		if len(list) != 1 {
			return nil, errors.New("not exactly one attestation")
		}
		return s.attested(list[0], false)
	}
	var out []*ecdsa.PublicKey
	for _, item := range list {
		proof, _ := item.(string)
		header, p, err := readJWS("openid4vci-proof+jwt", proof)
		if err != nil {
			return nil, err
		}
		key, err := keyOf(header["jwk"])
		if err != nil {
			return nil, err
		}
		if err := first(
			verify(key, proof), recent(p), want(header["kid"] == nil && header["x5c"] == nil, "header %v", header),
			want(text(p, "aud") == s.id, "aud of the proof is %v", p["aud"]), want(text(p, "nonce") == s.cNonce, "nonce of the proof is %v", p["nonce"]),
		); err != nil {
			return nil, err
		}
		if !keyattest {
			out = append(out, key)
			continue
		}
		attested, err := s.attested(header["key_attestation"], true)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(attested, func(k *ecdsa.PublicKey) bool { return k.Equal(key) }) {
			return nil, errors.New("the proof is by a key that is not attested")
		}
		out = append(out, attested...)
	}
	return out, nil
}

// attested reads a key attestation (appendix D).
func (s *issuer) attested(item any, expires bool) ([]*ecdsa.PublicKey, error) {
	jws, _ := item.(string)
	header, a, err := readJWS("key-attestation+jwt", jws)
	if err != nil {
		return nil, err
	}
	signer, err := leafOf(header, s.ca.Certificate)
	if err != nil {
		return nil, err
	}
	iat, _ := a["iat"].(float64)
	exp, hasExp := a["exp"].(float64)
	list, _ := a["attested_keys"].([]any)
	var out []*ecdsa.PublicKey
	for _, jwk := range list {
		key, err := keyOf(jwk)
		if err != nil {
			return nil, err
		}
		out = append(out, key)
	}
	now := float64(time.Now().Unix())
	return out, first(
		verify(signer, jws), want(len(out) > 0, "no attested keys"), want(iat > 0 && iat < now+60, "iat %v", a["iat"]),
		want(hasExp && exp > now || !expires && !hasExp, "exp %v", a["exp"]), want(text(a, "nonce") == s.cNonce, "nonce %v", a["nonce"]),
	)
}

func (s *issuer) credential(rw http.ResponseWriter, r *http.Request) {
	request, ok := s.resource(rw, r, s.encrypted)
	if !ok {
		return
	}
	name, value := "credential_configuration_id", s.configuration()
	if s.details {
		name, value = "credential_identifier", "identifier"
	}
	keys, err := s.proofKeys(request)
	if !s.demand(rw, "invalid_credential_request", first(err,
		want(text(request, name) == value, "%s is %v", name, request[name]),
		want(only(request, name, "proofs", "credential_response_encryption"), "request %v", request),
	)) {
		return
	}
	s.cNonce = ""
	var issued []any
	for n, key := range slices.Backward(keys) { // in the reverse order
		s.requested++
		if s.identities[string(thumbprint(key))] {
			s.t.Error("the wallet: the same key twice")
		}
		s.identities[string(thumbprint(key))] = true
		raw := ""
		if s.mdoc {
			raw = s.issueMdoc(key)
		} else {
			raw = s.issueSDJWT(key, func(p object) {
				if s.editSDJWT != nil {
					s.editSDJWT(n, p)
				}
			})
		}
		issued = append(issued, object{"credential": raw})
	}
	answer := object{"credentials": issued, "notification_id": "the-notification", "unknown": 1}
	if s.editAnswer != nil {
		s.editAnswer(answer)
	}
	if s.deferred {
		s.waiting = fine(json.Marshal(answer))
		s.reply(rw, 202, request, object{"transaction_id": "the-transaction", "interval": 1})
		return
	}
	s.reply(rw, 200, request, answer)
}

// poll makes the wallet come twice.
func (s *issuer) poll(rw http.ResponseWriter, r *http.Request) {
	request, ok := s.resource(rw, r, s.encrypted)
	if !ok || !s.demand(rw, "invalid_transaction_id", want(text(request, "transaction_id") == "the-transaction", "request %v", request)) {
		return
	}
	s.polls++
	if s.polls == 1 {
		s.reply(rw, 202, request, object{"transaction_id": "the-transaction", "interval": 1})
		return
	}
	s.reply(rw, 200, request, fine(parse(s.waiting)))
}

// reply encrypts the answer if that was asked for.
func (s *issuer) reply(rw http.ResponseWriter, status int, request, answer object) {
	parameters, _ := request["credential_response_encryption"].(object)
	if parameters == nil {
		write(rw, status, answer)
		return
	}
	jwk, _ := parameters["jwk"].(object)
	jwe, err := encrypt(fine(json.Marshal(answer)), jwk, text(parameters, "enc"))
	if !s.demand(rw, "invalid_encryption_parameters", first(err, want(text(jwk, "alg") == "ECDH-ES", "key %v", jwk))) {
		return
	}
	rw.Header().Set("Content-Type", "application/jwt")
	rw.WriteHeader(status)
	_, _ = io.WriteString(rw, jwe)
}

func (s *issuer) notification(rw http.ResponseWriter, r *http.Request) {
	request, ok := s.resource(rw, r, false)
	if !ok || !s.demand(rw, "invalid_notification_request", want(text(request, "notification_id") == "the-notification", "request %v", request)) {
		return
	}
	s.events = append(s.events, text(request, "event"))
	rw.WriteHeader(http.StatusNoContent)
}
