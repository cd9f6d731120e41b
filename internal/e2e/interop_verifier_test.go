package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/openid4vp"
	"github.com/tegata-id/tegata/internal/fetch"
	"github.com/tegata-id/tegata/wallet/holder"
)

// peerRequest is what the Node verifier is to ask.
type peerRequest struct {
	Format credentials.Format     `json:"format"`
	Prefix openid4vp.Prefix       `json:"prefix,omitempty"`
	Mode   openid4vp.ResponseMode `json:"mode"`
	// Form is value, get or post for signed requests, parameters for others, and
	// empty over the Digital Credentials API, for a page with the Origin.
	Form   string `json:"form"`
	Origin string `json:"origin,omitempty"`
	// Authorize adds transaction data.
	Authorize bool `json:"authorize"`
	// Fault is what is wrong with the request.
	Fault string `json:"fault,omitempty"`
}

func (r peerRequest) String() string {
	return strings.Join([]string{string(r.Format), string(r.Mode), string(r.Prefix), r.Form}, "/")
}

// peerResult is what the Node verifier made of the answer.
type peerResult struct {
	State   string          `json:"state"`
	Reason  string          `json:"reason"`
	Claims  json.RawMessage `json:"claims"`
	Fetched []string        `json:"fetched"`
}

// peerRequests returns every form in which the Node verifier can ask.
func peerRequests() (all []peerRequest) {
	for _, format := range []credentials.Format{credentials.FormatSDJWTVC, credentials.FormatMdoc} {
		for _, mode := range []openid4vp.ResponseMode{openid4vp.DirectPost, openid4vp.DirectPostJWT} {
			for _, prefix := range []openid4vp.Prefix{openid4vp.X509Hash, openid4vp.X509SanDNS} {
				for _, form := range []string{"value", "get", "post"} {
					all = append(all, peerRequest{Format: format, Prefix: prefix, Mode: mode, Form: form, Authorize: format == credentials.FormatSDJWTVC && form == "get"})
				}
			}
			all = append(all, peerRequest{Format: format, Prefix: openid4vp.RedirectURI, Mode: mode, Form: "parameters"})
		}
		for _, mode := range []openid4vp.ResponseMode{openid4vp.DCAPI, openid4vp.DCAPIJWT} {
			for _, prefix := range []openid4vp.Prefix{"", openid4vp.X509Hash} {
				all = append(all, peerRequest{Format: format, Prefix: prefix, Mode: mode, Origin: "https://bank.example"})
			}
		}
	}
	return all
}

// answered has a wallet answer a request and returns what the verifier made of
// it.
func (p *nodePeer) answered(t *testing.T, w *holder.Wallet, r peerRequest) (peerResult, error) {
	t.Helper()
	var transaction struct {
		ID, Link string
		Request  json.RawMessage
	}
	p.tell(t, "/transactions", r, &transaction)
	var err error
	if r.Mode.OverDCAPI() {
		protocol := openid4vp.ProtocolUnsigned
		if r.Prefix != "" {
			protocol = openid4vp.ProtocolSigned
		}
		var data json.RawMessage
		if data, err = w.PresentDCAPI(t.Context(), protocol, transaction.Request, r.Origin, holder.Approve()); err == nil {
			p.tell(t, "/transactions/"+transaction.ID+"/answer", data, &struct{}{})
		}
	} else {
		var outcome holder.Outcome
		outcome, err = w.Present(t.Context(), transaction.Link, holder.Approve())
		if want := "https://bank.example/return?code=" + transaction.ID; err == nil && outcome.RedirectURI != want {
			t.Errorf("the wallet goes to %q", outcome.RedirectURI)
		}
	}
	var result peerResult
	p.tell(t, "/transactions/"+transaction.ID, nil, &result)
	return result, err
}

// TestNodeVerifier has the wallet engine present what our issuer issued to a
// verifier of other people's libraries, which asks in every form that it has:
// format, client identifier prefix, request by value, by GET and by POST
// (encrypted to the wallet), with and without encryption of the answer, with
// transaction data, and over the Digital Credentials API.
func TestNodeVerifier(t *testing.T) {
	t.Parallel()
	p := startPeer(t, "verifier.mjs")
	vault := p.receive(t, cardOf(t, "hanako")).Vault
	presenter := p.presenter(t, vault)
	want := map[credentials.Format]string{
		credentials.FormatSDJWTVC: `{"name":"山田　花子","age_equal_or_over":{"18":true}}`,
		credentials.FormatMdoc:    `{"id.tegata.identity.jp.1":{"name":"山田　花子"},"org.iso.23220.1":{"age_over_18":true}}`,
	}
	fetched := map[string][]string{"get": {http.MethodGet}, "post": {http.MethodPost}}
	requests := peerRequests()
	if len(requests) != 36 {
		t.Errorf("%d combinations, and there are 36", len(requests))
	}
	t.Run("combinations", func(t *testing.T) {
		for _, r := range requests {
			t.Run(r.String(), func(t *testing.T) {
				t.Parallel()
				result, err := p.answered(t, presenter, r)
				if err != nil || result.State != "verified" {
					t.Fatalf("%s %s: %v", result.State, result.Reason, err)
				}
				if diff := cmp.Diff(decoded(t, want[r.Format]), decoded(t, string(result.Claims))); diff != "" {
					t.Error(diff)
				}
				if !slices.Equal(result.Fetched, fetched[r.Form]) {
					t.Errorf("fetched by %v", result.Fetched)
				}
			})
		}
	})
	t.Run("the wallet refuses", func(t *testing.T) { p.testWrongRequests(t, vault) })
	t.Run("the verifier refuses", func(t *testing.T) { p.testWrongAnswers(t, vault) })
}

// presenter returns a wallet with what another received, which answers all forms
// of requests.
func (p *nodePeer) presenter(t *testing.T, vault holder.Vault) *holder.Wallet {
	t.Helper()
	w := p.wallet(t)
	w.Vault, w.AcceptUnsigned = vault, true
	w.TransactionData = func(d openid4vp.TransactionData) error {
		if d.Type != "urn:example:payment" {
			return errors.New("unknown")
		}
		return nil
	}
	return w
}

func decoded(t *testing.T, raw string) (v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(raw), &v); err != nil {
		t.Fatalf("%q: %v", raw, err)
	}
	return v
}

// testWrongRequests sends requests that the wallet must not answer. Their honest
// twins are among the combinations.
func (p *nodePeer) testWrongRequests(t *testing.T, vault holder.Vault) {
	for fault, told := range map[string]string{
		"changed": "", "signature": "", "another client": "", "response elsewhere": "", "stranger": "",
		"expired": "invalid_request", "audience": "invalid_request",
	} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			r := peerRequest{Format: credentials.FormatSDJWTVC, Prefix: openid4vp.X509SanDNS, Mode: openid4vp.DirectPostJWT, Form: "get", Fault: fault}
			w := p.presenter(t, vault)
			if fault == "stranger" {
				w.VerifierTrust = p.newWallet(t).VerifierTrust
			}
			result, err := p.answered(t, w, r)
			state := "waiting"
			if told != "" {
				state = "error"
			}
			var refused *openid4vp.Error
			if !errors.As(err, &refused) || result.State != state || result.Reason != told {
				t.Errorf("%s %s: %v", result.State, result.Reason, err)
			}
		})
	}
}

// testWrongAnswers changes one bit of what the wallet posts.
func (p *nodePeer) testWrongAnswers(t *testing.T, vault holder.Vault) {
	for _, r := range peerRequests() {
		if r.Form != "get" || r.Prefix != openid4vp.X509Hash {
			continue
		}
		t.Run(r.String(), func(t *testing.T) {
			t.Parallel()
			w := p.presenter(t, vault)
			w.HTTP = spoiledAnswers{w.HTTP}
			result, err := p.answered(t, w, r)
			reason := map[bool]string{true: "decryption operation failed", false: "ignature"}[r.Mode.Encrypted()]
			if err == nil || result.State != "refused" || !strings.Contains(result.Reason, reason) || strings.Contains(result.Reason, "ISSUER") {
				t.Errorf("%s %s: %v", result.State, result.Reason, err)
			}
		})
	}
}

// spoiledAnswers changes one bit of every answer to a verifier: of the ciphertext,
// or of the holder's signature.
type spoiledAnswers struct{ holder.HTTP }

// Post implements holder.HTTP.
func (s spoiledAnswers) Post(ctx context.Context, address, contentType string, body []byte, headers http.Header) (*fetch.Response, error) {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, err
	}
	if jwe := form.Get("response"); jwe != "" {
		form.Set("response", flip(jwe, len(jwe)-60))
	}
	if token := form.Get("vp_token"); token != "" {
		var answers map[string][]string
		if err := json.Unmarshal([]byte(token), &answers); err != nil {
			return nil, err
		}
		for id, presentation := range answers {
			changed, err := spoilPresentation(presentation[0])
			if err != nil {
				return nil, err
			}
			answers[id] = []string{changed}
		}
		encoded, err := json.Marshal(answers)
		if err != nil {
			return nil, err
		}
		form.Set("vp_token", string(encoded))
	}
	return s.HTTP.Post(ctx, address, contentType, []byte(form.Encode()), headers)
}

// spoilPresentation changes the signature of the KB-JWT, or that of the device,
// which is the first string of 64 bytes in a response of ours.
func spoilPresentation(presentation string) (string, error) {
	if strings.Contains(presentation, "~") {
		return flip(presentation, len(presentation)-20), nil
	}
	response, err := jose.DecodeBase64(presentation)
	if err != nil {
		return "", err
	}
	at := strings.Index(string(response), "\x58\x40")
	if at < 0 {
		return "", errors.New("there is no signature of a device")
	}
	response[at+10] ^= 1
	return jose.EncodeBase64(response), nil
}
