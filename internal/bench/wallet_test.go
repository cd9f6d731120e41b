//go:build linux

package bench_test

import (
	"bytes"
	"crypto/ecdsa"
	"encoding/json"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/attestation"
	"github.com/tegata-id/tegata/credentials/dpop"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/openid4vci"
)

// wallet is an instance with an access token.
type wallet struct {
	v              *server
	instance, dpop *ecdsa.PrivateKey
	attestation    string
	configuration  string
	token          string
}

// authorize has a test person log in with JPKI and agree, and returns a wallet
// that may have credentials of the configuration.
func (v *server) authorize(t testing.TB, configuration string) *wallet {
	t.Helper()
	w := &wallet{v: v, instance: newKey(t), dpop: newKey(t), configuration: configuration}
	c := v.cfg.Provider.Keys.Attestation[0]
	key, err := keys.LoadFile(c.Key, c.Chain)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().Truncate(time.Minute)
	w.attestation, err = attestation.SignClientAttestation(attestation.ClientAttestation{
		Issuer: v.box.Provider, ClientID: v.cfg.Provider.ClientID, InstanceKey: w.instance.Public(),
		IssuedAt: now, ExpiresAt: now.Add(time.Hour),
	}, key)
	if err != nil {
		t.Fatal(err)
	}
	const callback = "https://wallet.example/callback"
	verifier := openid4vci.NewCodeVerifier()
	var pushed openid4vci.PARResponse
	w.post(t, "/par", url.Values{
		"response_type": {"code"}, "client_id": {v.cfg.Provider.ClientID}, "redirect_uri": {callback}, "scope": {configuration},
		"code_challenge": {openid4vci.CodeChallenge(verifier)}, "code_challenge_method": {"S256"},
	}, &pushed)
	code := v.login(t, v.box.Issuer+"/authorize?"+url.Values{"client_id": {v.cfg.Provider.ClientID}, "request_uri": {pushed.RequestURI}}.Encode())
	var token openid4vci.TokenResponse
	w.post(t, "/token", url.Values{
		"grant_type": {"authorization_code"}, "client_id": {v.cfg.Provider.ClientID}, "code": {code},
		"redirect_uri": {callback}, "code_verifier": {verifier},
	}, &token)
	w.token = token.AccessToken
	return w
}

// post sends a form to the authorization server.
func (w *wallet) post(t testing.TB, path string, form url.Values, answer any) {
	t.Helper()
	address := w.v.box.Issuer + path
	pop, err := attestation.SignPoP(attestation.PoP{
		ClientID: w.v.cfg.Provider.ClientID, Audience: w.v.box.Issuer, Now: time.Now(), Lifetime: time.Minute,
	}, w.instance)
	if err != nil {
		t.Fatal(err)
	}
	r := request(t, http.MethodPost, address, []byte(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set(attestation.HeaderClient, w.attestation)
	r.Header.Set(attestation.HeaderPoP, pop)
	r.Header.Set("DPoP", w.proof(t, address, ""))
	_, body := w.v.send(t, w.v.http, r)
	if err := json.Unmarshal(body, answer); err != nil {
		t.Fatal(err)
	}
}

func (w *wallet) proof(t testing.TB, address, token string) string {
	t.Helper()
	proof, err := dpop.Sign(dpop.ProofOptions{Method: http.MethodPost, URL: address, AccessToken: token, Now: time.Now()}, w.dpop)
	if err != nil {
		t.Fatal(err)
	}
	return proof
}

// login walks through the pages as the first test person and returns the code.
func (v *server) login(t testing.TB, address string) string {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := *v.http
	browser.Jar = jar
	visit := func(r *http.Request) (*url.URL, string) {
		for {
			r.Header.Set("Origin", v.box.Issuer)
			response, body := v.send(t, &browser, r)
			location, err := r.URL.Parse(response.Header.Get("Location"))
			if err != nil || response.Header.Get("Location") == "" {
				return nil, string(body)
			}
			if "https://"+location.Host != v.box.Issuer {
				return location, ""
			}
			r = request(t, http.MethodGet, location.String(), nil)
		}
	}
	form := func(path string, values url.Values) *http.Request {
		r := request(t, http.MethodPost, v.box.Issuer+path, []byte(values.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		return r
	}
	_, page := visit(request(t, http.MethodGet, address, nil))
	person := regexp.MustCompile(`name="person" value="([^"]+)"`).FindStringSubmatch(page)
	if person == nil {
		t.Fatalf("no test persons on the page: %s", page)
	}
	visit(form("/login/test", url.Values{"person": {html.UnescapeString(person[1])}}))
	location, page := visit(form("/review", url.Values{"decision": {"approve"}}))
	if location == nil || location.Query().Get("code") == "" {
		t.Fatalf("no code at %s: %s", location, page)
	}
	return location.Query().Get("code")
}

// ask prepares a request for n credentials.
func (w *wallet) ask(t testing.TB, n int) *http.Request {
	t.Helper()
	holders := make([]*ecdsa.PrivateKey, n)
	for i := range holders {
		holders[i] = newKey(t)
	}
	return w.askFor(t, holders)
}

// askFor prepares a request for a credential for each key.
func (w *wallet) askFor(t testing.TB, holders []*ecdsa.PrivateKey) *http.Request {
	t.Helper()
	var nonce openid4vci.NonceResponse
	_, body := w.v.send(t, w.v.http, request(t, http.MethodPost, w.v.box.Issuer+"/nonce", nil))
	if err := json.Unmarshal(body, &nonce); err != nil {
		t.Fatal(err)
	}
	asked := openid4vci.CredentialRequest{ConfigurationID: w.configuration, Proofs: &openid4vci.Proofs{}}
	for _, holder := range holders {
		proof, err := openid4vci.SignProof(openid4vci.ProofOptions{
			Audience: w.v.box.Issuer, Nonce: nonce.Nonce, ClientID: w.v.cfg.Provider.ClientID, Now: time.Now(),
		}, holder)
		if err != nil {
			t.Fatal(err)
		}
		asked.Proofs.JWT = append(asked.Proofs.JWT, proof)
	}
	body, err := json.Marshal(asked)
	if err != nil {
		t.Fatal(err)
	}
	address := w.v.box.Issuer + "/credential"
	r := request(t, http.MethodPost, address, body)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "DPoP "+w.token)
	r.Header.Set("DPoP", w.proof(t, address, w.token))
	return r
}

// sendAll sends requests, as many at once as there are wallets, and returns the
// bodies.
func (v *server) sendAll(t testing.TB, requests []*http.Request) [][]byte {
	t.Helper()
	bodies := make([][]byte, len(requests))
	var group sync.WaitGroup
	for first := range wallets {
		group.Go(func() {
			for i := first; i < len(requests); i += wallets {
				_, bodies[i] = v.send(t, v.http, requests[i])
			}
		})
	}
	group.Wait()
	return bodies
}

func (v *server) send(t testing.TB, client *http.Client, r *http.Request) (*http.Response, []byte) {
	t.Helper()
	response, err := client.Do(r)
	if err != nil {
		t.Error(err)
		return &http.Response{}, nil
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode > 399 {
		t.Errorf("%s: %d %s %v", r.URL.Path, response.StatusCode, body, err)
	}
	return response, body
}

func request(t testing.TB, method, address string, body []byte) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, address, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := keys.GenerateP256()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// count says how many claims a credential has hashed.
func count(t testing.TB, configuration, credential string) int {
	t.Helper()
	if strings.HasSuffix(configuration, "sd_jwt") {
		return strings.Count(credential, "~") - 1
	}
	raw := decode(t, credential)
	return bytes.Count(raw, []byte("elementIdentifier"))
}
