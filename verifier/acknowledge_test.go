package verifier_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/verifier"
)

// present begins a transaction of the bank on the same device, has a wallet answer
// it, and returns the address of the result with the response code.
func (s *site) present(acknowledge bool) (path, withCode string) {
	s.t.Helper()
	body := askBody(querySDJWT, verifier.SameDevice, redirect)
	if acknowledge {
		body = strings.Replace(body, "{", `{"acknowledge":true,`, 1)
	}
	tx := decode[created](s.t, wantCode(s.t, s.as(bankKey, http.MethodPost, "/api/transactions", body), http.StatusCreated))
	r := s.read(tx.Link, tx.RequestURI)
	reply := decode[verifier.Reply](s.t, wantCode(s.t, s.post(r.Parameters.ResponseURI, s.encrypted(r, s.presentSDJWT(r.binding()))), http.StatusOK))
	path = "/api/transactions/" + tx.ID
	return path, path + "?response_code=" + code(s.t, &reply)
}

// TestAcknowledge reads a result until it is acknowledged, or its time is over.
func TestAcknowledge(t *testing.T) {
	t.Parallel()
	s := newPartySite(t, parties())
	get := func(path string) *http.Response { return s.as(bankKey, http.MethodGet, path, "") }
	state := func(path string) verifier.State {
		return decode[verifier.Result](t, wantCode(t, get(path), http.StatusOK)).State
	}

	path, withCode := s.present(true)
	for range 3 {
		if r := decode[verifier.Result](t, wantCode(t, get(withCode), http.StatusOK)); r.State != verifier.StateVerified || len(r.Credentials) != 1 {
			t.Errorf("%+v", r)
		}
	}
	if got := state(path); got != verifier.StateWaiting {
		t.Errorf("without the response code: %s", got)
	}
	wantCode(t, get(path+"?response_code=another"), http.StatusBadRequest)
	wantCode(t, s.as(shopKey, http.MethodGet, withCode, ""), http.StatusNotFound)
	wantCode(t, s.as(bankKey, http.MethodDelete, path, ""), http.StatusNoContent)
	wantCode(t, get(withCode), http.StatusNotFound)

	_, withCode = s.present(true)
	s.advance(verifier.DefaultLifetimes.Result)
	if got := state(withCode); got != verifier.StateExpired {
		t.Errorf("when its time is over: %s", got)
	}

	// Without it, the result is handed out once.
	path, withCode = s.present(false)
	if got := state(withCode); got != verifier.StateVerified {
		t.Errorf("at first: %s", got)
	}
	wantCode(t, get(withCode), http.StatusBadRequest)
	if got := state(path); got != verifier.StateDelivered {
		t.Errorf("again: %s", got)
	}
}

// TestEncryptedResult opens a result with the key of the relying party.
func TestEncryptedResult(t *testing.T) {
	t.Parallel()
	key := must(keys.GenerateP256())(t)
	jwk := must(jose.NewJWK(key.Public()))(t)
	jwk.Kid = "bank-2026"
	list := parties()
	list[0].EncryptionKey = jwk
	s := newPartySite(t, list)
	path, withCode := s.present(false)
	waiting := text(t, wantCode(t, s.as(bankKey, http.MethodGet, path, ""), http.StatusOK))
	if strings.Contains(waiting, "encrypted") {
		t.Errorf("without the response code: %s", waiting)
	}
	raw := text(t, wantCode(t, s.as(bankKey, http.MethodGet, withCode, ""), http.StatusOK))
	var sealed, opened verifier.Result
	if err := json.Unmarshal([]byte(raw), &sealed); err != nil || strings.Contains(raw, "claims") || strings.Contains(raw, "花子") {
		t.Fatalf("%v %s", err, raw)
	}
	jwe := must(jose.ParseEncrypted(sealed.Encrypted))(t)
	if jwe.Header.Kid != jwk.Kid || jwe.Header.Enc != jose.A256GCM {
		t.Errorf("header: %+v", jwe.Header)
	}
	if err := json.Unmarshal(must(jwe.Decrypt(key, jose.A256GCM))(t), &opened); err != nil {
		t.Fatal(err)
	}
	if opened.ID != sealed.ID || opened.State != verifier.StateVerified || !strings.Contains(string(opened.Credentials[0].Claims), "手形花子") {
		t.Errorf("%+v", opened)
	}
	other := must(keys.GenerateP256())(t)
	if _, err := jwe.Decrypt(other, jose.A256GCM); err == nil {
		t.Error("another key opens it")
	}
}
