package client_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/verifier/client"
)

// serve is a verifier that answers each request with the next of the answers.
func serve(t *testing.T, answers ...http.HandlerFunc) *client.Client {
	t.Helper()
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer key" || asked == len(answers) {
			t.Errorf("request %d: %v", asked, r.Header)
			return
		}
		asked++
		answers[asked-1](w, r)
	}))
	t.Cleanup(server.Close)
	return &client.Client{HTTP: server.Client(), BaseURL: server.URL, APIKey: "key"}
}

func say(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

// TestWait follows a stream that ends while the transaction still waits.
func TestWait(t *testing.T) {
	t.Parallel()
	waiting := say(200, "retry: 1000\nevent: state\ndata: {\"state\":\"waiting\"}\n\n: waiting\n\n")
	c := serve(t, waiting, waiting, say(200, "data: {\"state\":\"waiting\"}\n\ndata: {\"state\":\"refused\"}\n\n"))
	if state, err := c.Wait(t.Context(), "a"); err != nil || state != client.Refused {
		t.Errorf("%s %v", state, err)
	}
	for name, answer := range map[string]http.HandlerFunc{"nothing": say(200, ""), "no JSON": say(200, "data: x\n\n")} {
		if state, err := serve(t, answer).Wait(t.Context(), "a"); err == nil {
			t.Errorf("%s: %s", name, state)
		}
	}
}

func TestNegAnswers(t *testing.T) {
	t.Parallel()
	c := serve(t,
		say(429, `{"reason":"too_many_requests","detail":"more requests"}`, "Retry-After", "7"),
		say(502, "<html>"),
		say(200, `{"id":"a","state":"verified","encrypted":"a..b.c.d"}`))
	var problem *client.Error
	_, err := c.Create(t.Context(), client.Request{Preset: "age_check", Flow: client.CrossDevice})
	if !errors.As(err, &problem) || problem.Status != 429 || problem.Reason != "too_many_requests" || problem.RetryAfter != 7*time.Second {
		t.Errorf("%+v", err)
	}
	if err := c.Delete(t.Context(), "a"); !errors.As(err, &problem) || problem.Status != 502 {
		t.Errorf("%+v", err)
	}
	if _, err := c.Result(t.Context(), "a", ""); err == nil {
		t.Error("an encrypted result without a key")
	}
}

// TestEncryptedResult opens a result, and refuses that of another transaction.
func TestEncryptedResult(t *testing.T) {
	t.Parallel()
	key, err := keys.GenerateP256()
	if err != nil {
		t.Fatal(err)
	}
	jwk, err := jose.NewJWK(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := jose.Encrypt([]byte(`{"id":"a","state":"verified","credentials":[{"claims":{"x":1}}]}`), jwk, jose.A256GCM, jose.EncryptOptions{})
	if err != nil {
		t.Fatal(err)
	}
	answer := func(id string) http.HandlerFunc {
		body, err := json.Marshal(map[string]string{"id": id, "state": "verified", "encrypted": sealed})
		if err != nil {
			t.Fatal(err)
		}
		return say(200, string(body))
	}
	c := serve(t, answer("a"), answer("b"))
	c.DecryptionKey = key
	if r, err := c.Result(t.Context(), "a", ""); err != nil || len(r.Credentials) != 1 {
		t.Errorf("%+v %v", r, err)
	}
	if r, err := c.Result(t.Context(), "b", ""); err == nil {
		t.Errorf("%+v", r)
	}
}
