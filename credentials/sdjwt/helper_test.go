package sdjwt_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/sdjwt"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
)

const (
	testType = "urn:tegata:test:1"
	issuer   = "https://issuer.example/tenant"
)

var start = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

// world is an issuer, a holder and a verifier.
type world struct {
	ca       *trusttest.CA
	issuer   *keys.Key
	holder   *ecdsa.PrivateKey
	verifier *sdjwt.Verifier
	binding  credentials.Binding
	now      time.Time
}

func newWorld(t testing.TB) *world {
	t.Helper()
	ca, err := trusttest.NewCA(trusttest.CAOptions{NotBefore: start.AddDate(0, -1, 0)})
	if err != nil {
		t.Fatal(err)
	}
	key, err := ca.IssueSDJWTSigner(trusttest.LeafOptions{DNSNames: []string{"issuer.example"}})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{ca: ca, issuer: key, holder: newKey(t), now: start.Add(time.Minute)}
	w.binding = credentials.Binding{
		Mode: credentials.BindingRedirect, Nonce: "n-0S6_WzA2Mj", ClientID: "x509_san_dns:verifier.example",
		ResponseURI: "https://verifier.example/response",
	}
	w.verifier = &sdjwt.Verifier{
		Trust: &trust.Policy{
			Anchors: []trust.Anchor{ca.Anchor()}, Profile: trust.ProfileSDJWTIssuer,
			Revocation: trust.NotChecked("test"), Now: func() time.Time { return w.now },
		},
		Now: func() time.Time { return w.now }, RequireHolderBinding: true,
	}
	return w
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := keys.GenerateP256()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (w *world) draft() credentials.Draft {
	return credentials.Draft{
		Type: testType, Issuer: issuer, HolderKey: w.holder.Public(),
		SignedAt: start, ValidFrom: start, ValidUntil: start.AddDate(0, 0, 30),
		Status: &credentials.StatusRef{URI: "https://status.example/1", Index: 42},
		Claims: credentials.Object{
			"family_name": credentials.Text("辺見"),
			"birthdate":   credentials.FullDate{Year: 1980, Month: 2, Day: 29},
			"age":         credentials.Int(46),
			"adult":       credentials.Bool(true),
			"note":        credentials.Null{},
			"height":      credentials.Float(1.75),
			"portrait":    credentials.Bytes{0xff, 0xd8},
			"updated":     credentials.Time{Time: start},
			"address": credentials.Object{
				"region": credentials.Text("京都府"), "lines": credentials.Array{credentials.Text("一"), credentials.Text("二")},
			},
			"nationalities": credentials.Array{credentials.Text("JP"), credentials.Text("FR")},
			"pets":          credentials.Array{credentials.Object{"name": credentials.Text("Mike"), "kind": credentials.Text("cat")}},
			"nothing":       credentials.Array{},
			"empty":         credentials.Object{},
		},
	}
}

// asJSON is what the draft's claims are after a round trip.
func asJSON(t testing.TB, o credentials.Object) credentials.Value {
	t.Helper()
	v, err := credentials.FromJSON(o.JSON())
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func (w *world) issue(t testing.TB) string {
	t.Helper()
	raw, err := sdjwt.Issue(w.draft(), w.issuer)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// everything is a path that selects the whole credential.
var everything = []credentials.Path{{}}

func (w *world) present(t testing.TB, raw string, paths ...credentials.Path) string {
	t.Helper()
	out, err := sdjwt.Present(raw, paths, &w.binding, w.holder, w.now)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (w *world) verify(raw string) (*credentials.Verified, error) {
	return w.verifier.Verify(context.Background(), raw, w.binding)
}

// payload is a minimal honest payload for a test to spoil.
func (w *world) payload(t testing.TB) map[string]any {
	t.Helper()
	jwk, err := jose.NewJWK(w.holder.Public())
	if err != nil {
		t.Fatal(err)
	}
	return map[string]any{
		"vct": testType, "iat": start.Unix(), "exp": start.AddDate(0, 0, 30).Unix(), "cnf": map[string]any{"jwk": jwk},
	}
}

// sign makes an SD-JWT of any payload and any disclosures, in clear JSON.
func (w *world) sign(t testing.TB, payload any, disclosures ...string) string {
	t.Helper()
	encoded := make([]string, len(disclosures))
	for i, d := range disclosures {
		encoded[i] = jose.EncodeBase64([]byte(d))
	}
	return w.signEncoded(t, "dc+sd-jwt", payload, encoded...)
}

func (w *world) signEncoded(t testing.TB, typ string, payload any, disclosures ...string) string {
	t.Helper()
	data, err := json.Marshal(payload)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jose.Sign(jose.Header{Typ: typ, X5C: w.issuer.Chain}, data, w.issuer.Signer)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(append([]string{token}, disclosures...), "~") + "~"
}

// bind appends a KB-JWT with the given changes to header and payload.
func (w *world) bind(t testing.TB, presented string, change map[string]any) string {
	t.Helper()
	claims := map[string]any{
		"iat": w.now.Unix(), "aud": w.binding.Audience(), "nonce": w.binding.Nonce, "sd_hash": sdjwt.DigestOf(presented),
	}
	typ, key := "kb+jwt", w.holder
	for name, v := range change {
		switch {
		case name == "typ":
			typ = v.(string)
		case name == "key":
			key = v.(*ecdsa.PrivateKey)
		case v == nil:
			delete(claims, name)
		default:
			claims[name] = v
		}
	}
	data, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jose.Sign(jose.Header{Typ: typ}, data, key)
	if err != nil {
		t.Fatal(err)
	}
	return presented + token
}

// digest is the digest of a disclosure in clear JSON.
func digest(disclosure string) string { return sdjwt.DigestOf(jose.EncodeBase64([]byte(disclosure))) }

func wantReason(t testing.TB, err error, want sdjwt.Reason) {
	t.Helper()
	var e *sdjwt.Error
	if !errors.As(err, &e) || e.Reason != want {
		t.Errorf("error = %v, want reason %s", err, want)
	}
}

// with returns a copy of m with members replaced, or removed where nil.
func with(m, change map[string]any) map[string]any {
	out := map[string]any{}
	for name, v := range m {
		out[name] = v
	}
	for name, v := range change {
		if out[name] = v; v == nil {
			delete(out, name)
		}
	}
	return out
}

func newP384(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}
