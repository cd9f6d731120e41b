package issuer_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/mdoc"
	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/credentials/sdjwt"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
	"github.com/tegata-id/tegata/internal/database"
	"github.com/tegata-id/tegata/internal/httpd"
	"github.com/tegata-id/tegata/internal/session"
	"github.com/tegata-id/tegata/internal/statuslist"
	"github.com/tegata-id/tegata/issuer"
	"github.com/tegata-id/tegata/issuer/evidence"
	"github.com/tegata-id/tegata/issuer/oauth"
	"github.com/tegata-id/tegata/issuer/records"
	"github.com/tegata-id/tegata/issuer/source"
)

const (
	issuerID = "https://issuer.example/minato"
	tenant   = "minato"
	day      = 24 * time.Hour
)

// start is a Monday, 09:30 in Japan.
var start = time.Date(2026, 11, 23, 0, 30, 0, 0, time.UTC)

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// world is an issuer for both formats, whose keys are under two CAs.
type world struct {
	t        *testing.T
	now      time.Time
	ca, iaca *trusttest.CA
	db       *database.DB
	lists    *statuslist.Lists
	sessions *session.Store
	holders  []*ecdsa.PrivateKey
	// configurations are those of the issuers that are made.
	configurations []issuer.Configuration
	registers      source.Registers
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, now: start, configurations: issuer.Identity()}
	w.db = must(database.Open(t.Context(), database.Config{}))(t)
	t.Cleanup(func() { _ = w.db.Close() })
	if err := w.db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.lists = must(statuslist.New(statuslist.Config{Owner: "issuer", Keys: [][]byte{bytes.Repeat([]byte{1}, 32)}}))(t)
	w.sessions = session.New(session.NewMemory(w.clock, 0), session.NewRandomKeys(), tenant, w.clock)
	w.ca = must(trusttest.NewCA(trusttest.CAOptions{NotBefore: start.Add(-10 * day)}))(t)
	w.iaca = must(trusttest.NewCA(trusttest.CAOptions{NotBefore: start.Add(-10 * day), Profile: trusttest.IACA}))(t)
	w.holders = []*ecdsa.PrivateKey{must(keys.GenerateP256())(t), must(keys.GenerateP256())(t)}
	return w
}

func (w *world) clock() time.Time { return w.now }

// pair has a signer for each format, both with the same validity in time after
// start.
type pair map[credentials.Format]*keys.Key

func (w *world) signers(begins, ends time.Duration) pair {
	w.t.Helper()
	o := trusttest.LeafOptions{NotBefore: start.Add(begins).Truncate(time.Second), Lifetime: ends - begins}
	return pair{
		credentials.FormatSDJWTVC: must(w.ca.IssueSDJWTSigner(o))(w.t),
		credentials.FormatMdoc:    must(w.iaca.IssueMdocSigner(o))(w.t),
	}
}

// turn is a pair that signs from a time on.
type turn struct {
	pair
	from time.Duration // after start; zero means at once
}

// issuer makes a replica with the pairs.
func (w *world) issuer(turns ...turn) *issuer.Issuer {
	w.t.Helper()
	signers := map[credentials.Format]issuer.Signer{}
	for format, issue := range map[credentials.Format]func(credentials.Draft, *keys.Key) (string, error){
		credentials.FormatSDJWTVC: sdjwt.Issue,
		credentials.FormatMdoc: func(d credentials.Draft, key *keys.Key) (string, error) {
			signed, err := mdoc.Issue(d, key)
			return jose.EncodeBase64(signed), err
		},
	} {
		var entries []keys.Entry
		for _, turn := range turns {
			e := keys.Entry{Key: turn.pair[format]}
			if turn.from != 0 {
				e.From = start.Add(turn.from)
			}
			entries = append(entries, e)
		}
		signers[format] = issuer.Signer{Keys: must(keys.NewRing(entries...))(w.t), Issue: issue}
	}
	publisher := must(statuslist.NewPublisher(statuslist.PublisherConfig{
		DB: w.db, Lists: w.lists, Now: w.clock, Log: slog.New(slog.DiscardHandler), Signer: unused{},
	}))(w.t)
	return must(issuer.New(issuer.Config{
		ID: issuerID, Tenant: tenant, Name: []issuer.Text{{Locale: "en", Text: "Test"}},
		Configurations: w.configurations, Registers: w.registers, Signers: signers, Sessions: w.sessions,
		Records:     &records.Records{DB: w.db, Lists: w.lists, Now: w.clock},
		StatusLists: publisher, StatusWindow: time.Minute, Secret: bytes.Repeat([]byte{2}, 32),
		BatchSize: 2, CredentialsPerGrant: 100, MaxValidity: 31 * day, RecheckInterval: time.Hour,
		OfferLifetime: time.Minute, Log: slog.New(slog.DiscardHandler), Now: w.clock,
	}))(w.t)
}

// unused signs nothing: status lists are not what is tested here.
type unused struct{ statuslist.Signer }

// access is a token that has just been given out.
func (w *world) access() *oauth.Access {
	w.t.Helper()
	id := rand.Text()
	limits := map[string]int{"identity_sd_jwt": 100, "identity_mdoc": 100}
	store := &records.Records{DB: w.db, Lists: w.lists, Now: w.clock}
	if err := store.StartGrant(w.t.Context(), tenant, records.Grant{
		ID: id, EvidenceKind: "back-office", Expires: w.now.Add(time.Hour).Truncate(time.Second), Limits: limits,
	}); err != nil {
		w.t.Fatal(err)
	}
	return &oauth.Access{
		GrantID: id, ClientID: "wallet", Configurations: []string{"identity_sd_jwt", "identity_mdoc"},
		Evidence: evidence.BackOffice(w.now), Person: &source.Person{Name: "山田　花子", Address: "東京都港区", Sex: 2},
	}
}

// request asks for a batch of two.
func (w *world) request(i *issuer.Issuer, configuration string) []byte {
	w.t.Helper()
	r := map[string]any{"credential_configuration_id": configuration}
	nonce := i.Nonce()
	var proofs []string
	for _, holder := range w.holders {
		proofs = append(proofs, must(openid4vci.SignProof(openid4vci.ProofOptions{Audience: issuerID, Nonce: nonce, Now: w.now}, holder))(w.t))
	}
	r["proofs"] = map[string]any{"jwt": proofs}
	return must(json.Marshal(r))(w.t)
}

// issued is a credential as its holder got it.
type issued struct {
	format credentials.Format
	raw    string
	holder *ecdsa.PrivateKey
}

var formats = map[credentials.Format]string{credentials.FormatSDJWTVC: "identity_sd_jwt", credentials.FormatMdoc: "identity_mdoc"}

// batch gets a batch of a format and checks it: verified now, all by want, and
// not beyond its end.
func (w *world) batch(i *issuer.Issuer, format credentials.Format, want pair) []issued {
	w.t.Helper()
	response, err := i.Credential(w.t.Context(), w.access(), w.request(i, formats[format]))
	if err != nil {
		w.t.Errorf("%s at %v: %v", format, w.now.Sub(start), err)
		return nil
	}
	var batch []issued
	for n, c := range response.Credentials {
		credential := issued{format, c.Credential, w.holders[n]}
		batch = append(batch, credential)
		v := w.verify(credential)
		if v == nil {
			continue
		}
		begins, ends := want[format].Validity()
		if !v.Chain[0].Equal(want[format].Leaf()) {
			w.t.Errorf("%s at %v: signed by another", format, w.now.Sub(start))
		}
		if v.ValidUntil.After(ends) || v.ValidUntil.After(w.now.Add(31*day)) || v.SignedAt.Before(begins) || v.SignedAt.After(w.now) {
			w.t.Errorf("%s at %v: signed %v, valid until %v; signer valid %v to %v", format, w.now.Sub(start), v.SignedAt, v.ValidUntil, begins, ends)
		}
		if japan := v.ValidUntil.In(time.FixedZone("JST", 9*3600)); japan.Weekday() != time.Monday || japan.Hour() != 0 {
			w.t.Errorf("%s: ends %v, off the grid", format, japan)
		}
	}
	if len(batch) != 2 {
		w.t.Errorf("%s: batch of %d", format, len(batch))
	}
	return batch
}

// verify checks a presentation now, as a relying party that trusts the CAs.
func (w *world) verify(c issued) *credentials.Verified {
	w.t.Helper()
	policy := func(profile trust.Profile, ca *trusttest.CA) *trust.Policy {
		return &trust.Policy{Anchors: []trust.Anchor{ca.Anchor()}, Profile: profile, Revocation: trust.NotChecked("test"), Now: w.clock}
	}
	b := credentials.Binding{
		Mode: credentials.BindingRedirect, Nonce: "n-0S6_WzA2Mj", ClientID: "x509_hash:x", ResponseURI: "https://verifier.example/response",
		EncryptionKeyThumbprint: make([]byte, 32),
	}
	var verified *credentials.Verified
	var err error
	if c.format == credentials.FormatMdoc {
		raw := must(jose.DecodeBase64(c.raw))(w.t)
		presented := must(mdoc.Present(raw, nil, b, c.holder))(w.t)
		verified, err = (&mdoc.Verifier{Trust: policy(trust.ProfileMdocSigner, w.iaca), Now: w.clock}).Verify(w.t.Context(), presented, b)
	} else {
		presented := must(sdjwt.Present(c.raw, nil, &b, c.holder, w.now))(w.t)
		verified, err = (&sdjwt.Verifier{Trust: policy(trust.ProfileSDJWTIssuer, w.ca), Now: w.clock}).Verify(w.t.Context(), presented, b)
	}
	if err != nil {
		w.t.Errorf("%s at %v: %v", c.format, w.now.Sub(start), err)
		return nil
	}
	return verified
}

// TestRotation walks through the life of two signers that overlap.
func TestRotation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old, next := w.signers(-day, 40*day), w.signers(10*day, 100*day)
	i := w.issuer(turn{old, 0}, turn{next, 20 * day})
	var held []issued
	for _, step := range []struct {
		at   time.Duration
		want pair
	}{
		{0, old},
		{15 * day, old}, // the old one ends within the longest validity
		{20*day - time.Second, old},
		{20 * day, next},
		{41 * day, next},
	} {
		w.now = start.Add(step.at)
		for format := range formats {
			for _, c := range held {
				if c.format == format && step.at <= 20*day {
					w.verify(c) // what was issued before the rotation
				}
			}
			held = append(held, w.batch(i, format, step.want)...)
		}
	}
}

// TestFirstHourOfASigner holds that no credential is dated before its signer.
func TestFirstHourOfASigner(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old, next := w.signers(-day, 40*day), w.signers(10*time.Minute, 100*day)
	i := w.issuer(turn{old, 0}, turn{next, 0})
	for _, step := range []struct {
		at   time.Duration
		want pair
	}{{9 * time.Minute, old}, {10 * time.Minute, next}, {20 * time.Minute, next}, {31 * time.Minute, next}} {
		w.now = start.Add(step.at)
		for format := range formats {
			w.batch(i, format, step.want)
		}
	}
}

// TestNegNoSigner holds that nothing is signed in a gap between two signers, nor
// by one that ends before the next shared end of validity; that such a request
// uses nothing up, so that another replica that has a signer can answer it; and
// that issuing goes on after the gap.
func TestNegNoSigner(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old, next, spare := w.signers(-day, 20*day), w.signers(0, 100*day), w.signers(-day, 90*day)
	gap, honest := w.issuer(turn{old, 0}, turn{next, 30 * day}), w.issuer(turn{spare, 0})
	for _, step := range []struct {
		name string
		at   time.Duration
		want pair // nil: refused
	}{
		{"well before", 0, old},
		{"ends before the next Monday", 20*day - time.Hour, nil},
		{"has ended", 20*day + time.Second, nil},
		{"next is published only", 30*day - time.Second, nil},
		{"next signs", 30 * day, next},
	} {
		w.now = start.Add(step.at)
		for format, configuration := range formats {
			if step.want != nil {
				w.batch(gap, format, step.want)
				continue
			}
			access, request := w.access(), w.request(gap, configuration)
			_, err := gap.Credential(t.Context(), access, request)
			if !errors.Is(err, keys.ErrNoSigner) {
				t.Errorf("%s, %s: %v", step.name, format, err)
			}
			if _, err := honest.Credential(t.Context(), access, request); err != nil {
				t.Errorf("%s, %s: honest twin: %v", step.name, format, err)
			}
		}
	}
}

// TestVCIssuerMetadata holds that the keys of the SD-JWT VC signer, and no
// others, are published before they sign and for as long as they are valid.
func TestVCIssuerMetadata(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old, next, ended := w.signers(-day, 40*day), w.signers(10*day, 100*day), w.signers(-2*day, -day)
	i := w.issuer(turn{ended, 0}, turn{old, 0}, turn{next, 20 * day})
	for _, step := range []struct {
		at   time.Duration
		want []pair
	}{
		{0, []pair{old, next}}, // not valid yet, and published
		{20 * day, []pair{old, next}},
		{40*day + time.Second, []pair{next}},
		{101 * day, nil},
	} {
		w.now = start.Add(step.at)
		m := must(i.VCIssuerMetadata())(t)
		if m.Issuer != issuerID || m.JWKS.Keys == nil || len(m.JWKS.Keys) != len(step.want) {
			t.Fatalf("at %v: %+v", step.at, m)
		}
		for n, want := range step.want {
			key := want[credentials.FormatSDJWTVC]
			if thumbprint := must(jose.ThumbprintOf(key.Leaf().PublicKey))(t); m.JWKS.Keys[n].Kid != thumbprint {
				t.Errorf("at %v: key %d is %s, want %s", step.at, n, m.JWKS.Keys[n].Kid, thumbprint)
			}
		}
	}
}

// TestVCIssuerMetadataRoute holds that the well-known path stands in front of
// the issuer's own (SVC-09).
func TestVCIssuerMetadataRoute(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	i := w.issuer(turn{w.signers(-day, 40*day), 0})
	server := must(httpd.New(httpd.Options{Name: "issuer", Origin: "https://issuer.example", Now: w.clock}))(t)
	issuer.Mount(server, "/minato", i, oauth.New(oauth.Config{
		Issuer: issuerID, Sessions: w.sessions, Lifetimes: oauth.DefaultLifetimes, Now: w.clock,
	}), []byte("operator's token"))
	get := func(path string) *httptest.ResponseRecorder {
		response := httptest.NewRecorder()
		server.Handler().ServeHTTP(response, httptest.NewRequest(http.MethodGet, "https://issuer.example"+path, nil))
		return response
	}
	response := get("/.well-known/jwt-vc-issuer/minato")
	var m sdjwt.IssuerMetadata
	if err := json.Unmarshal(response.Body.Bytes(), &m); err != nil || response.Code != http.StatusOK || m.Issuer != issuerID || len(m.JWKS.Keys) != 1 {
		t.Errorf("%d %s, %v", response.Code, response.Body, err)
	}
	if cache := response.Header().Get("Cache-Control"); cache != "public, max-age=300" {
		t.Errorf("Cache-Control: %s", cache)
	}
	for _, path := range []string{"/.well-known/jwt-vc-issuer", "/minato/.well-known/jwt-vc-issuer"} {
		if response := get(path); response.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, response.Code)
		}
	}
}
