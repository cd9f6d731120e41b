package holder_test

import (
	"bytes"
	"context"
	"crypto"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/attestation"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/internal/audit"
	"github.com/tegata-id/tegata/internal/database"
	"github.com/tegata-id/tegata/internal/fetch"
	"github.com/tegata-id/tegata/internal/httpd"
	"github.com/tegata-id/tegata/internal/session"
	"github.com/tegata-id/tegata/wallet/holder"
	"github.com/tegata-id/tegata/wallet/provider"
)

// direct is an HTTP whose server is in the same process.
type direct struct{ handler http.Handler }

func (d direct) Get(context.Context, string, ...string) (*fetch.Response, error) {
	return nil, http.ErrNotSupported
}

func (d direct) Post(ctx context.Context, address, contentType string, body []byte, _ http.Header) (*fetch.Response, error) {
	request := httptest.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	request.Header.Set("Content-Type", contentType)
	recorder := httptest.NewRecorder()
	d.handler.ServeHTTP(recorder, request)
	response := &fetch.Response{Status: recorder.Code, Header: recorder.Header(), Body: recorder.Body.Bytes()}
	if response.Status > 299 {
		return nil, &fetch.StatusError{Response: response}
	}
	return response, nil
}

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// newProvider returns a client of a real wallet provider, what it reports, and
// a clock to move.
func newProvider(t *testing.T) (*holder.Provider, *[]string, *time.Time) {
	t.Helper()
	a := must[*authority](t)(newAuthority())
	at := time.Now().Truncate(time.Second)
	now := func() time.Time { return at }
	db := must[*database.DB](t)(database.Open(t.Context(), database.Config{}))
	t.Cleanup(func() { _ = db.Close() })
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	const origin = "https://provider.test.invalid"
	server := must[*httpd.Server](t)(httpd.New(httpd.Options{Name: "wallet", Origin: origin, Now: now}))
	provider.Mount(server, "/p", must[*provider.Provider](t)(provider.New(provider.Config{
		Tenant: "p", Issuer: origin + "/p", ClientID: clientID, Keys: must[*keys.Ring](t)(keys.NewRing(keys.Entry{Key: a.provider})), DB: db, TestMode: true,
		Platforms:  map[string]provider.Platform{provider.SoftwarePlatform: provider.NewSoftwarePlatform()},
		Sessions:   session.New(session.NewMemory(now, 0), session.NewRandomKeys(), "p", now),
		Audit:      must[*audit.Log](t)(audit.New("wallet_provider", bytes.Repeat([]byte{2}, 32))),
		Secret:     bytes.Repeat([]byte{3}, 32),
		AdminToken: strings.Repeat("x", 32), Now: now,
	})))
	var steps []string
	p := &holder.Provider{
		HTTP: direct{server.Handler()}, URL: origin + "/p", Platform: provider.SoftwarePlatform, Now: now,
		OnStep: func(s holder.Step) { steps = append(steps, s.Name) },
	}
	return p, &steps, &at
}

func TestClientAttestations(t *testing.T) {
	t.Parallel()
	p, steps, at := newProvider(t)
	get := func(server string) (string, crypto.PublicKey) {
		t.Helper()
		compact, instance, err := p.ClientAttestation(t.Context(), server)
		if err != nil {
			t.Fatal(err)
		}
		pop := must[string](t)(attestation.SignPoP(attestation.PoP{ClientID: clientID, Audience: server, Now: *at}, instance))
		a := must[*authority](t)(newAuthority())
		trusted := policy(a.ca, trust.ProfileWalletProvider)
		trusted.Now = func() time.Time { return *at }
		client, err := attestation.Verify(t.Context(), compact, pop, attestation.Expect{
			Audience: server, ClientID: clientID, Policy: trusted, Now: *at,
		})
		if err != nil {
			t.Fatal(err)
		}
		return compact, client.InstanceKey
	}
	first, firstKey := get("https://a.test.invalid")
	if again, _ := get("https://a.test.invalid"); again != first {
		t.Error("the attestation is not cached")
	}
	if len(*steps) != 4 {
		t.Errorf("steps %q, want a challenge and a request each for registration and attestation", *steps)
	}
	t.Run("HAIP-14 one attestation and key for one issuer", func(t *testing.T) {
		other, otherKey := get("https://b.test.invalid")
		if other == first || sameKey(firstKey, otherKey) || p.InstanceID("https://a.test.invalid") == p.InstanceID("https://b.test.invalid") {
			t.Error("two issuers can tell that it is the same wallet")
		}
	})
	t.Run("renewed before it expires", func(t *testing.T) {
		*at, *steps = at.Add(provider.DefaultLifetime-time.Minute), nil
		renewed, key := get("https://a.test.invalid")
		if len(*steps) != 2 {
			t.Errorf("steps %q, want no registration", *steps)
		}
		if renewed == first || !sameKey(firstKey, key) {
			t.Error("not a new attestation of the same key")
		}
	})
	t.Run("ABC-16 forgotten", func(t *testing.T) {
		if err := p.Forget(t.Context(), "https://a.test.invalid"); err != nil {
			t.Fatal(err)
		}
		if _, key := get("https://a.test.invalid"); sameKey(firstKey, key) {
			t.Error("the same key after it was forgotten")
		}
	})
}

func TestKeyAttestations(t *testing.T) {
	t.Parallel()
	p, _, at := newProvider(t)
	key := must[crypto.Signer](t)(newSigner())
	compact, err := p.KeyAttestation(t.Context(), "https://a.test.invalid", []crypto.PublicKey{key.Public()}, "c-nonce")
	if err != nil {
		t.Fatal(err)
	}
	a := must[*authority](t)(newAuthority())
	attested, err := attestation.VerifyKeyAttestation(t.Context(), compact, attestation.KeyExpect{
		Policy: policy(a.ca, trust.ProfileWalletProvider), Nonce: "c-nonce", RequireExpiry: true, Now: *at,
	})
	if err != nil || len(attested.Keys) != 1 || !sameKey(attested.Keys[0], key.Public()) {
		t.Errorf("attested %+v, %v", attested, err)
	}
}

func newSigner() (crypto.Signer, error) { return keys.GenerateP256() }

func sameKey(a, b crypto.PublicKey) bool {
	k, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(b)
}
