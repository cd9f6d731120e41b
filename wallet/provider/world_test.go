package provider_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/status"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
	"github.com/tegata-id/tegata/internal/audit"
	"github.com/tegata-id/tegata/internal/database"
	"github.com/tegata-id/tegata/internal/database/databasetest"
	"github.com/tegata-id/tegata/internal/httpd"
	"github.com/tegata-id/tegata/internal/session"
	"github.com/tegata-id/tegata/internal/statuslist"
	"github.com/tegata-id/tegata/openapi"
	"github.com/tegata-id/tegata/openapi/openapitest"
	"github.com/tegata-id/tegata/wallet/provider"
)

const (
	origin     = "https://wallet.example"
	clientID   = "https://wallet.example/app"
	adminToken = "an operator's token for tests, long enough"
	picky      = "picky"
)

var start = time.Date(2026, 11, 23, 12, 0, 10, 0, time.UTC)

// clock is a clock that tests move.
type clock struct{ at atomic.Int64 }

func (c *clock) now() time.Time          { return time.Unix(c.at.Load(), 0) }
func (c *clock) advance(d time.Duration) { c.at.Add(int64(d / time.Second)) }

// pickyPlatform accepts one word of evidence.
type pickyPlatform struct{}

func (pickyPlatform) Verify(_ context.Context, e provider.PlatformEvidence) (a provider.Assurance, err error) {
	switch {
	case e.Evidence == "unknown":
		return a, provider.ErrPlatformUnavailable
	case e.Evidence != "genuine" || e.Challenge == "" || e.Key == nil || e.Platform != picky:
		return a, errors.New("not genuine")
	}
	return a, nil
}

// world is a CA and one server with the providers of two tenants on one
// database.
type world struct {
	clock
	ca      *trusttest.CA
	db      *database.DB
	backend *session.Memory
	log     *audit.Log
	server  http.Handler
	configs map[string]provider.Config
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

// ringOf returns the ring of one key.
func ringOf(t testing.TB, key *keys.Key) *keys.Ring {
	t.Helper()
	return must[*keys.Ring](t)(keys.NewRing(keys.Entry{Key: key}))
}

// newWorld makes the tenants "minato" and "shibuya", changed by edit.
func newWorld(t testing.TB, edit func(*provider.Config)) *world {
	t.Helper()
	return newWorldOn(t, databasetest.Open(t, database.Config{}), edit)
}

// each runs a test on every database.
func each(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	databasetest.Each(t, func(t *testing.T, db *database.DB) { test(t, newWorldOn(t, db, nil)) })
}

func newWorldOn(t testing.TB, db *database.DB, edit func(*provider.Config)) *world {
	t.Helper()
	w := &world{configs: map[string]provider.Config{}}
	w.at.Store(start.Unix())
	w.ca = must[*trusttest.CA](t)(trusttest.NewCA(trusttest.CAOptions{NotBefore: start.Add(-48 * time.Hour)}))
	w.db = db
	w.backend = session.NewMemory(w.now, 0)
	w.log = must[*audit.Log](t)(audit.New("wallet_provider", bytes.Repeat([]byte{2}, 32)))
	server := must[*httpd.Server](t)(httpd.New(httpd.Options{Name: "wallet", Origin: origin, Now: w.now}))
	sessionKeys := session.NewRandomKeys()
	for _, tenant := range []string{"minato", "shibuya"} {
		c := w.config(t, tenant, session.New(w.backend, sessionKeys, tenant, w.now))
		if edit != nil {
			edit(&c)
		}
		w.configs[tenant] = c
		provider.Mount(server, "/"+tenant, must[*provider.Provider](t)(provider.New(c)))
	}
	w.server = server.Handler()
	return w
}

// statusSigner signs the status lists of the provider with this base URL.
type statusSigner struct {
	base string
	keys *keys.Ring
	now  func() time.Time
}

func (s statusSigner) SignStatusList(_ context.Context, l statuslist.Unsigned) (statuslist.Signed, error) {
	return l.SignAt(s.now(), status.TokenOptions{URI: provider.StatusListURI(s.base, l.ListID)}, s.keys)
}

func (w *world) config(t testing.TB, tenant string, sessions *session.Store) provider.Config {
	t.Helper()
	base := origin + "/" + tenant
	lists := must[*statuslist.Lists](t)(statuslist.New(statuslist.Config{
		Owner: provider.StatusListOwner, Keys: [][]byte{bytes.Repeat([]byte{1}, 32)}, Size: statuslist.MinSize,
	}))
	publisher := must[*statuslist.Publisher](t)(statuslist.NewPublisher(statuslist.PublisherConfig{
		DB: w.db, Lists: lists, Now: w.now, Log: slog.New(slog.DiscardHandler),
		Signer: statusSigner{base, ringOf(t, must[*keys.Key](t)(w.ca.IssueStatusSigner(trusttest.LeafOptions{}))), w.now},
	}))
	return provider.Config{
		Tenant: tenant, Issuer: base, ClientID: clientID, WalletName: "手形ウォレット", WalletURL: clientID + "/about",
		Keys:      ringOf(t, must[*keys.Key](t)(w.ca.IssueWalletProvider(trusttest.LeafOptions{}))),
		Platforms: map[string]provider.Platform{provider.SoftwarePlatform: provider.NewSoftwarePlatform(), picky: {Verifier: pickyPlatform{}}},
		TestMode:  true, DB: w.db, Sessions: sessions, Audit: w.log,
		StatusLists: &provider.StatusLists{Lists: lists, Publisher: publisher},
		Secret:      bytes.Repeat([]byte{3}, 32), AdminToken: adminToken, MaxKeys: 5, Now: w.now,
	}
}

// restart puts one tenant's provider with another configuration on the same
// stores.
func (w *world) restart(t testing.TB, c provider.Config) {
	t.Helper()
	server := must[*httpd.Server](t)(httpd.New(httpd.Options{Name: "wallet", Origin: origin, Now: w.now}))
	provider.Mount(server, "/"+c.Tenant, must[*provider.Provider](t)(provider.New(c)))
	w.server = server.Handler()
}

func (w *world) policy(profile trust.Profile) *trust.Policy {
	return &trust.Policy{
		Anchors: []trust.Anchor{w.ca.Anchor()}, Profile: profile, Revocation: trust.NotChecked("test"), Now: w.now,
	}
}

// answer is what the server said.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a answer) decode(t testing.TB, v any) {
	t.Helper()
	if err := jose.UnmarshalJSON(a.body, v); err != nil {
		t.Fatalf("%d %s: %v", a.status, a.body, err)
	}
}

// reason returns the reason of a problem, and "" for any other answer.
func (a answer) reason(t testing.TB) string {
	t.Helper()
	if a.header.Get("Content-Type") != "application/problem+json" {
		return ""
	}
	var p httpd.Problem
	a.decode(t, &p)
	if p.Status != a.status {
		t.Errorf("problem of status %d in an answer of %d", p.Status, a.status)
	}
	return p.Reason
}

func (w *world) do(t testing.TB, r *http.Request) answer {
	t.Helper()
	// Each tenant of these tests has its name for a path.
	tenant, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	documented := must[*openapitest.Validator](t)(openapitest.New(openapi.Wallet, "/"+tenant))
	recorder := httptest.NewRecorder()
	documented.Handler(t, w.server).ServeHTTP(recorder, r)
	response := recorder.Result()
	return answer{response.StatusCode, response.Header, must[[]byte](t)(io.ReadAll(response.Body))}
}

func (w *world) post(t testing.TB, path string, body any) answer {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(must[[]byte](t)(json.Marshal(body))))
	r.Header.Set("Content-Type", "application/json")
	return w.do(t, r)
}

func (w *world) challenge(t testing.TB, tenant string) string {
	t.Helper()
	var response provider.ChallengeResponse
	w.do(t, httptest.NewRequest(http.MethodPost, "/"+tenant+"/challenges", nil)).decode(t, &response)
	if response.Challenge == "" || response.ExpiresIn != 300 {
		t.Fatalf("challenge: %+v", response)
	}
	return response.Challenge
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	return must[*ecdsa.PrivateKey](t)(keys.GenerateP256())
}

func newPublicKeys(t testing.TB, n int) []crypto.PublicKey {
	t.Helper()
	pubs := make([]crypto.PublicKey, n)
	for i := range pubs {
		pubs[i] = newKey(t).Public()
	}
	return pubs
}

// wallet is an instance of a tenant's wallet.
type wallet struct {
	w      *world
	tenant string
	key    *ecdsa.PrivateKey
	id     string
}

// newWallet registers a new instance.
func (w *world) newWallet(t testing.TB, tenant string) *wallet {
	t.Helper()
	i := &wallet{w: w, tenant: tenant, key: newKey(t)}
	a := i.register(t, provider.SoftwarePlatform, nil)
	var response provider.RegisterResponse
	a.decode(t, &response)
	if a.status != http.StatusCreated || response.InstanceID == "" || response.PlatformVerified {
		t.Fatalf("%d %+v", a.status, response)
	}
	i.id = response.InstanceID
	return i
}

// proof returns an honest proof, changed by edit.
func (i *wallet) proof(t testing.TB, purpose provider.Purpose, edit func(*provider.Proof)) string {
	t.Helper()
	p := provider.Proof{
		Audience: origin + "/" + i.tenant, Purpose: purpose, Challenge: i.w.challenge(t, i.tenant), IssuedAt: i.w.now(),
	}
	if edit != nil {
		edit(&p)
	}
	return must[string](t)(provider.SignProof(p, i.key))
}

func (i *wallet) register(t testing.TB, platform string, edit func(*provider.Proof)) answer {
	t.Helper()
	return i.w.post(t, "/"+i.tenant+"/instances", provider.RegisterRequest{
		InstanceKey: must[*jose.JWK](t)(jose.NewJWK(i.key.Public())), Platform: platform, PlatformEvidence: "genuine",
		Proof: i.proof(t, provider.PurposeRegister, edit),
	})
}

func (i *wallet) path(suffix string) string { return "/" + i.tenant + "/instances/" + i.id + suffix }

func (i *wallet) attest(t testing.TB, edit func(*provider.Proof)) answer {
	t.Helper()
	return i.w.post(t, i.path("/client-attestations"), provider.ClientAttestationRequest{
		Proof: i.proof(t, provider.PurposeClientAttestation, edit),
	})
}

func (i *wallet) attestKeys(t testing.TB, pubs []crypto.PublicKey, cNonce string) answer {
	t.Helper()
	return i.w.post(t, i.path("/key-attestations"), provider.KeyAttestationRequest{
		Proof: i.proof(t, provider.PurposeKeyAttestation, func(p *provider.Proof) { p.Keys, p.CNonce = pubs, cNonce }),
	})
}

// revoke asks for a revocation with the given Authorization header.
func (w *world) revoke(t testing.TB, tenant, id, authorization, body string) answer {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/"+tenant+"/admin/instances/"+id+"/revoke", strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	return w.do(t, r)
}
