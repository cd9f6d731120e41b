package oidfwallet_test

import (
	"crypto/ecdsa"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/tegata-id/tegata/internal/e2e/wire"
	"github.com/tegata-id/tegata/internal/fetch"
	"github.com/tegata-id/tegata/wallet/holder"
)

// variant is a combination that the suite has.
type variant struct {
	mdoc, deferred, encrypted bool
	// details has the token response list credential identifiers.
	details, preAuthorized, byReference bool
	// walletInitiated is without an offer, dcapi with one over the Digital
	// Credentials API.
	walletInitiated, dcapi bool
	// proof is "jwt", "jwt.keyattest" or "attestation".
	proof string
}

func (v variant) String() string {
	name := []string{"sd_jwt_vc", "immediate", "plain", "scope", "authorization_code", "by_value", v.proof}
	if v.walletInitiated {
		name[5] = "wallet_initiated"
	}
	if v.dcapi {
		name[5] = "issuer_initiated_dc_api"
	}
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
		variant: v, encryption: wire.NewKey(), token: rand.Text(), answer: map[string]http.HandlerFunc{},
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
	_, _ = rw.Write(wire.JSON(v))
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

func (s *issuer) link() string {
	if s.byReference {
		return withQuery("haip-vci://", url.Values{"credential_offer_uri": {s.id + "offer"}})
	}
	return withQuery("openid-credential-offer://", url.Values{"credential_offer": {string(wire.JSON(s.offer()))}})
}

// offered lets a wallet accept the offer, or begin without one.
func (s *issuer) offered() ([]*holder.Held, *holder.Wallet, error) {
	w := s.newWallet(fetch.Options{})
	var offer *holder.Offer
	var err error
	switch {
	case s.walletInitiated:
		offer, err = w.AskIssuer(s.t.Context(), s.id, s.configuration())
	case s.dcapi:
		// What the suite sends along of the metadata is not the issuer's.
		o := s.offer()
		o["credential_issuer_metadata"] = object{"credential_issuer": s.id, "credential_endpoint": "https://10.0.0.1/"}
		o["authorization_server_metadata"] = object{"issuer": s.id, "token_endpoint": "https://10.0.0.1/"}
		offer, err = w.ReadOfferDCAPI(s.t.Context(), "openid4vci-v1", wire.JSON(o))
	default:
		offer, err = w.ReadOffer(s.t.Context(), s.link())
	}
	if err != nil {
		return nil, w, err
	}
	held, err := offer.Accept(s.t.Context(), browser{s.peer})
	return held, w, err
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
		want(f.Has("issuer_state") == !s.walletInitiated && (s.walletInitiated || f.Get("issuer_state") == "state of the issuer"), "issuer_state: %v", f),
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
		challenge := wire.Hash(f.Get("code_verifier"))
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
		header, plain, err := wire.Decrypt(string(body), s.encryption)
		if !s.demand(rw, "invalid_encryption_parameters", first(err, want(wire.Text(header, "kid") == "enc", "kid %v", header["kid"]))) {
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
		want(wire.Text(request, name) == value, "%s is %v", name, request[name]),
		want(only(request, name, "proofs", "credential_response_encryption"), "request %v", request),
	)) {
		return
	}
	s.cNonce = ""
	var issued []any
	for n, key := range slices.Backward(keys) { // in the reverse order
		s.requested++
		if s.identities[string(wire.Thumbprint(key))] {
			s.t.Error("the wallet: the same key twice")
		}
		s.identities[string(wire.Thumbprint(key))] = true
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
		s.waiting = wire.JSON(answer)
		s.reply(rw, 202, request, object{"transaction_id": "the-transaction", "interval": 1})
		return
	}
	s.reply(rw, 200, request, answer)
}

// poll makes the wallet come twice.
func (s *issuer) poll(rw http.ResponseWriter, r *http.Request) {
	request, ok := s.resource(rw, r, s.encrypted)
	if !ok || !s.demand(rw, "invalid_transaction_id", want(wire.Text(request, "transaction_id") == "the-transaction", "request %v", request)) {
		return
	}
	s.polls++
	if s.polls == 1 {
		s.reply(rw, 202, request, object{"transaction_id": "the-transaction", "interval": 1})
		return
	}
	s.reply(rw, 200, request, wire.Must(parse(s.waiting)))
}

// reply encrypts the answer if that was asked for.
func (s *issuer) reply(rw http.ResponseWriter, status int, request, answer object) {
	parameters, _ := request["credential_response_encryption"].(object)
	if parameters == nil {
		write(rw, status, answer)
		return
	}
	jwk, _ := parameters["jwk"].(object)
	jwe, err := wire.Encrypt(wire.JSON(answer), object{"enc": wire.Text(parameters, "enc")}, jwk, nil)
	if !s.demand(rw, "invalid_encryption_parameters", first(err, want(wire.Text(jwk, "alg") == "ECDH-ES", "key %v", jwk))) {
		return
	}
	rw.Header().Set("Content-Type", "application/jwt")
	rw.WriteHeader(status)
	_, _ = io.WriteString(rw, jwe)
}

func (s *issuer) notification(rw http.ResponseWriter, r *http.Request) {
	request, ok := s.resource(rw, r, false)
	if !ok || !s.demand(rw, "invalid_notification_request", want(wire.Text(request, "notification_id") == "the-notification", "request %v", request)) {
		return
	}
	s.events = append(s.events, wire.Text(request, "event"))
	rw.WriteHeader(http.StatusNoContent)
}
