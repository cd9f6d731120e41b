package attestation_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/attestation"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
)

const (
	clientID  = "https://wallet.example"
	provider  = "https://provider.example"
	audience  = "https://issuer.example/tenant"
	challenge = "challenge-1"
	gone      = "\x00" // marks a member to leave out
)

var now = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

// world is a wallet provider, its CA and one wallet instance.
type world struct {
	ca       *trusttest.CA
	provider *keys.Key
	instance *ecdsa.PrivateKey
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := keys.GenerateP256()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newWorld(t testing.TB) *world {
	t.Helper()
	ca, err := trusttest.NewCA(trusttest.CAOptions{NotBefore: now.Add(-24 * time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	key, err := ca.IssueWalletProvider(trusttest.LeafOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return &world{ca: ca, provider: key, instance: newKey(t)}
}

func (w *world) policy() *trust.Policy {
	return &trust.Policy{
		Anchors: []trust.Anchor{w.ca.Anchor()}, Profile: trust.ProfileWalletProvider,
		Revocation: trust.NotChecked("test"), Now: func() time.Time { return now },
	}
}

func (w *world) expect() attestation.Expect {
	return attestation.Expect{
		Audience: audience, ClientID: clientID, Issuers: []string{provider}, Policy: w.policy(), Now: now,
		CheckChallenge: func(c string) error {
			if c != challenge {
				return errStale
			}
			return nil
		},
	}
}

var errStale = errors.New("stale")

func (w *world) attestation() attestation.ClientAttestation {
	return attestation.ClientAttestation{
		Issuer: provider, ClientID: clientID, InstanceKey: w.instance.Public(),
		IssuedAt: now.Add(-time.Hour), NotBefore: now.Add(-time.Hour), ExpiresAt: now.Add(time.Hour),
		WalletName: "手形ウォレット", WalletLink: "https://wallet.example/about",
		Status: &credentials.StatusRef{URI: "https://provider.example/status/1", Index: 0},
	}
}

func pop() attestation.PoP {
	return attestation.PoP{ClientID: clientID, Audience: audience, Challenge: challenge, Now: now, Lifetime: time.Minute}
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

func TestClient(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, form := range []string{"draft 07", "without iss"} {
		t.Run(form, func(t *testing.T) {
			t.Parallel()
			a, p := w.attestation(), pop()
			if form != "draft 07" {
				a.Issuer, p.ClientID, p.Lifetime = "", "", 0
			}
			signed := must[string](t)(attestation.SignClientAttestation(a, w.provider))
			proof := must[string](t)(attestation.SignPoP(p, w.instance))
			client, err := attestation.Verify(context.Background(), signed, proof, w.expect())
			if err != nil {
				t.Fatal(err)
			}
			if client.PoPID == "" || client.Chain == nil || !w.instance.PublicKey.Equal(client.InstanceKey) {
				t.Errorf("%+v", client)
			}
			thumbprint := must[string](t)(jose.ThumbprintOf(w.instance.Public()))
			got := []any{client.ID, client.Issuer, client.InstanceKeyThumbprint, client.WalletName, client.WalletLink,
				client.Challenge, client.PoPIssuedAt, client.IssuedAt, client.ExpiresAt, client.Statuses}
			want := []any{clientID, a.Issuer, thumbprint, a.WalletName, a.WalletLink,
				challenge, now, a.IssuedAt, a.ExpiresAt, []credentials.StatusRef{*a.Status}}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			read, err := attestation.Read(signed)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(a, *read); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// forge signs claims with headers of the caller's choice.
func forge(t testing.TB, signer crypto.Signer, typ string, chain []*x509.Certificate, claims map[string]any) string {
	t.Helper()
	payload := must[[]byte](t)(json.Marshal(claims))
	return must[string](t)(jose.Sign(jose.Header{Typ: typ, X5C: chain}, payload, signer))
}

func patch(claims, change map[string]any) map[string]any {
	maps.Copy(claims, change)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == any(gone) })
	return claims
}

func (w *world) clientClaims(t testing.TB) map[string]any {
	jwk := must[*jose.JWK](t)(jose.NewJWK(w.instance.Public()))
	return map[string]any{
		"iss": provider, "sub": clientID, "iat": now.Unix(), "exp": now.Unix() + 300,
		"cnf": map[string]any{"jwk": jwk}, "unknown": map[string]any{"x": 1},
	}
}

func popClaims() map[string]any {
	return map[string]any{
		"iss": clientID, "aud": audience, "jti": "id", "iat": now.Unix(), "exp": now.Unix() + 60,
		"challenge": challenge, "unknown": 1,
	}
}

// TestNeg spoils one thing at a time; the cases with an empty want are the
// honest twins.
func TestNeg(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stranger := newWorld(t)
	jwk := must[*jose.JWK](t)(jose.NewJWK(w.instance.Public()))
	private := map[string]any{"jwk": map[string]any{"kty": "EC", "crv": "P-256", "x": jwk.X, "y": jwk.Y, "d": jwk.X}}
	const bad = attestation.CodeInvalidClientAttestation
	for _, tc := range []struct {
		name        string
		typ, popTyp string
		claims, pop map[string]any
		signer      *keys.Key
		popSigner   *ecdsa.PrivateKey
		edit        func(*attestation.Expect)
		want        string
	}{
		{name: "I20 honest"},
		{name: "I20 attestation signed by another key", signer: &keys.Key{Signer: newKey(t), Chain: w.provider.Chain}, want: bad},
		{name: "I20 attestation of an untrusted provider", signer: stranger.provider, want: bad},
		{name: "I20 attestation without x5c", signer: &keys.Key{Signer: w.provider.Signer}, want: bad},
		{name: "I20 anchor in x5c", signer: &keys.Key{Signer: w.provider.Signer, Chain: append(w.provider.Chain[:1:1], w.ca.Certificate)}, want: bad},
		{name: "I20 nobody trusted", edit: func(e *attestation.Expect) { e.Policy = nil }, want: bad},
		{name: "I20 attestation typ", typ: "JWT", want: bad},
		{name: "I20 attestation exp past", claims: map[string]any{"exp": now.Unix() - 600}, want: bad},
		{name: "I20 attestation exp within the skew", claims: map[string]any{"exp": now.Unix() - 10}},
		{name: "I20 attestation exp missing", claims: map[string]any{"exp": gone}, want: bad},
		{name: "I20 attestation exp string", claims: map[string]any{"exp": "4102444800"}, want: bad},
		{name: "I20 attestation nbf ahead", claims: map[string]any{"nbf": now.Unix() + 600}, want: bad},
		{name: "I20 attestation iat ahead", claims: map[string]any{"iat": now.Unix() + 600}, want: bad},
		{name: "I20 attestation iat missing", claims: map[string]any{"iat": gone}},
		{name: "I20 no sub", claims: map[string]any{"sub": gone}, want: bad},
		{name: "I20 no cnf", claims: map[string]any{"cnf": gone}, want: bad},
		{name: "I20 cnf without jwk", claims: map[string]any{"cnf": map[string]any{"kid": "x"}}, want: bad},
		{name: "I20 cnf private", claims: map[string]any{"cnf": private}, want: bad},
		{name: "ABC-18 another iss", claims: map[string]any{"iss": "https://other.example"}, want: bad},
		{name: "ABC-18 no iss", claims: map[string]any{"iss": gone}, pop: map[string]any{"iss": gone}},
		{name: "I20 status by an unknown mechanism", claims: map[string]any{"status": map[string]any{"x": 1}}, want: bad},
		{name: "I20 status list", claims: map[string]any{"status": map[string]any{"status_list": map[string]any{"idx": 1, "uri": "https://x.example"}}}},
		{name: "I20 status index negative", claims: map[string]any{"status": map[string]any{"status_list": map[string]any{"idx": -1, "uri": "https://x.example"}}}, want: bad},
		{name: "I20 attestation for another client_id", claims: map[string]any{"sub": "https://other.example"}, pop: map[string]any{"iss": gone}, want: attestation.CodeInvalidClient},
		{name: "I20 request without client_id", edit: func(e *attestation.Expect) { e.ClientID = "" }},
		{name: "ABC-10 attestation too old", edit: func(e *attestation.Expect) { e.MaxAttestationAge = time.Minute }, claims: map[string]any{"iat": now.Unix() - 61}, want: attestation.CodeUseFreshAttestation},
		{name: "ABC-10 attestation fresh", edit: func(e *attestation.Expect) { e.MaxAttestationAge = time.Minute }, claims: map[string]any{"iat": now.Unix() - 59}},
		{name: "I20 PoP by another key", popSigner: newKey(t), want: bad},
		{name: "I20 PoP typ", popTyp: attestation.TypeClient, want: bad},
		{name: "I20 PoP wrong aud", pop: map[string]any{"aud": "https://other.example"}, want: bad},
		{name: "I20 PoP aud is the token endpoint", pop: map[string]any{"aud": audience + "/token"}, want: bad},
		{name: "I20 PoP aud with a slash", pop: map[string]any{"aud": audience + "/"}, want: bad},
		{name: "I20 PoP aud array", pop: map[string]any{"aud": []string{audience, "https://other.example"}}, want: bad},
		{name: "I20 PoP aud missing", pop: map[string]any{"aud": gone}, want: bad},
		{name: "I20 PoP iss of another client", pop: map[string]any{"iss": "https://other.example"}, want: bad},
		{name: "I20 PoP jti missing", pop: map[string]any{"jti": gone}, want: bad},
		{name: "I20 PoP jti too long", pop: map[string]any{"jti": strings.Repeat("x", attestation.MaxIDLength+1)}, want: bad},
		{name: "I20 PoP iat missing", pop: map[string]any{"iat": gone}, want: bad},
		{name: "I20 PoP iat at the limit", pop: map[string]any{"iat": now.Unix() - 60}},
		{name: "I20 PoP iat beyond the limit", pop: map[string]any{"iat": now.Unix() - 61}, want: bad},
		{name: "I20 PoP iat 30 s ahead", pop: map[string]any{"iat": now.Unix() + 30}},
		{name: "I20 PoP iat 31 s ahead", pop: map[string]any{"iat": now.Unix() + 31}, want: bad},
		{name: "ABC-05 PoP too old with a stale challenge", pop: map[string]any{"iat": now.Unix() - 61, "challenge": "old"}, want: bad},
		{name: "I20 PoP exp past", pop: map[string]any{"exp": now.Unix() - 31}, want: bad},
		{name: "I20 PoP without exp", pop: map[string]any{"exp": gone}},
		{name: "I20 PoP challenge stale", pop: map[string]any{"challenge": "old"}, want: attestation.CodeUseChallenge},
		{name: "I20 PoP challenge missing", pop: map[string]any{"challenge": gone}, want: attestation.CodeUseChallenge},
		{name: "I20 PoP challenge not asked for", pop: map[string]any{"challenge": gone}, edit: func(e *attestation.Expect) { e.CheckChallenge = nil }},
		{name: "I20 no audience expected", pop: map[string]any{"aud": ""}, edit: func(e *attestation.Expect) { e.Audience = "" }, want: bad},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if tc.signer == nil {
				tc.signer = w.provider
			}
			if tc.popSigner == nil {
				tc.popSigner = w.instance
			}
			if tc.typ == "" {
				tc.typ = attestation.TypeClient
			}
			if tc.popTyp == "" {
				tc.popTyp = attestation.TypePoP
			}
			e := w.expect()
			if tc.edit != nil {
				tc.edit(&e)
			}
			signed := forge(t, tc.signer.Signer, tc.typ, tc.signer.Chain, patch(w.clientClaims(t), tc.claims))
			proof := forge(t, tc.popSigner, tc.popTyp, nil, patch(popClaims(), tc.pop))
			_, err := attestation.Verify(context.Background(), signed, proof, e)
			if got := attestation.CodeOf(err); got != tc.want || (err == nil) != (tc.want == "") {
				t.Errorf("code %q, error %v, want %q", got, err, tc.want)
			}
			if tc.want == attestation.CodeUseChallenge && !errors.Is(err, errStale) {
				t.Errorf("cause of %v is lost", err)
			}
		})
	}
}

func TestNegSelfSigned(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	// A provider whose certificate is its own anchor.
	template := &x509.Certificate{
		SerialNumber: w.provider.Leaf().SerialNumber, Subject: w.provider.Leaf().Subject,
		NotBefore: w.provider.Leaf().NotBefore, NotAfter: w.provider.Leaf().NotAfter, KeyUsage: x509.KeyUsageDigitalSignature,
	}
	der := must[[]byte](t)(x509.CreateCertificate(rand.Reader, template, template, w.provider.Signer.Public(), w.provider.Signer))
	cert := must[*x509.Certificate](t)(x509.ParseCertificate(der))
	e := w.expect()
	e.Policy.Anchors = []trust.Anchor{{Certificate: cert}}
	self := &keys.Key{Signer: w.provider.Signer, Chain: []*x509.Certificate{cert}}
	signed := must[string](t)(attestation.SignClientAttestation(w.attestation(), self))
	_, err := attestation.VerifyAttestation(context.Background(), signed, e)
	var untrusted *trust.Error
	if attestation.CodeOf(err) != attestation.CodeInvalidClientAttestation || !errors.As(err, &untrusted) {
		t.Errorf("HAIP-14 self-signed leaf: %v", err)
	}
}

func TestNegForm(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	signed := must[string](t)(attestation.SignClientAttestation(w.attestation(), w.provider))
	proof := must[string](t)(attestation.SignPoP(pop(), w.instance))
	if _, err := attestation.Verify(context.Background(), signed, proof, w.expect()); err != nil {
		t.Fatalf("honest twin: %v", err)
	}
	for name, pair := range map[string][2]string{
		"empty attestation": {"", proof},
		"empty PoP":         {signed, ""},
		"swapped":           {proof, signed},
		"bad signature":     {signed[:len(signed)-8] + "AAAAAAAA", proof},
		"bad PoP signature": {signed, proof[:len(proof)-8] + "AAAAAAAA"},
		"two in one header": {signed + "," + signed, proof},
		"too large":         {signed, proof + strings.Repeat("A", attestation.MaxSize)},
	} {
		t.Run("I20 "+name, func(t *testing.T) {
			t.Parallel()
			_, err := attestation.Verify(context.Background(), pair[0], pair[1], w.expect())
			if attestation.CodeOf(err) != attestation.CodeInvalidClientAttestation {
				t.Errorf("error %v", err)
			}
		})
	}
}

//go:embed testdata/wallet_attestation.jwt.txt
var walletAttestation string

//go:embed testdata/abca_client_attestation.txt
var draftAttestation string

//go:embed testdata/abca_pop.txt
var draftPoP string

func joined(s string) string { return strings.Join(strings.Fields(s), "") }

func TestPublishedExamples(t *testing.T) {
	t.Parallel()
	t.Run("TV-15", func(t *testing.T) {
		t.Parallel()
		compact := joined(walletAttestation)
		u := must[*jose.Unverified](t)(jose.Parse(compact))
		if _, err := u.Verify(u.Header.X5C[0].PublicKey); err != nil {
			t.Fatalf("signature: %v", err)
		}
		a := must[*attestation.ClientAttestation](t)(attestation.Read(compact))
		if a.ClientID != "https://wallet.example.com" || a.Issuer != "https://wallet-provider.example.com" || a.WalletName == "" {
			t.Errorf("%+v", a)
		}
		at := a.ExpiresAt.Add(-time.Minute)
		_, err := attestation.VerifyAttestation(context.Background(), compact, attestation.Expect{
			Audience: audience, Now: at,
			Policy: &trust.Policy{
				Anchors: []trust.Anchor{{Certificate: u.Header.X5C[0]}}, Profile: trust.ProfileWalletProvider,
				Revocation: trust.NotChecked("published example"), Now: func() time.Time { return at },
			},
		})
		var refused *trust.Error
		if !errors.As(err, &refused) {
			t.Errorf("a self-signed leaf was not refused as one: %v", err)
		}
	})
	t.Run("TV-18", func(t *testing.T) {
		t.Parallel()
		a := must[*attestation.ClientAttestation](t)(attestation.Read(joined(draftAttestation)))
		u := must[*jose.Unverified](t)(jose.Parse(joined(draftPoP)))
		payload, err := u.Verify(a.InstanceKey)
		if err != nil {
			t.Fatal(err)
		}
		want := `{"aud":"https://as.example.com","jti":"d25d00ab-552b-46fc-ae19-98f440f25064","iat":1772487595,"challenge":"5c1a9e10-29ff-4c2b-ae73-57c0957c09c4"}`
		if string(payload) != want || u.Header.Typ != attestation.TypePoP {
			t.Errorf("%s", payload)
		}
	})
}

func ExampleVerify() {
	// The provider and its CA; in life the server knows the CA alone.
	ca, _ := trusttest.NewCA(trusttest.CAOptions{NotBefore: now.Add(-time.Hour)})
	providerKey, _ := ca.IssueWalletProvider(trusttest.LeafOptions{})
	instance, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)

	signed, _ := attestation.SignClientAttestation(attestation.ClientAttestation{
		ClientID: "https://wallet.example", InstanceKey: instance.Public(), ExpiresAt: now.Add(time.Hour),
	}, providerKey)
	proof, _ := attestation.SignPoP(attestation.PoP{Audience: "https://as.example", Now: now}, instance)

	client, err := attestation.Verify(context.Background(), signed, proof, attestation.Expect{
		Audience: "https://as.example", Now: now,
		Policy: &trust.Policy{
			Anchors: []trust.Anchor{ca.Anchor()}, Profile: trust.ProfileWalletProvider,
			Revocation: trust.NotChecked("example"), Now: func() time.Time { return now },
		},
	})
	fmt.Println(client.ID, err)
	// Output: https://wallet.example <nil>
}

func FuzzRead(f *testing.F) {
	f.Add(joined(walletAttestation))
	f.Add(joined(draftAttestation))
	f.Add("e30.e30.AA")
	f.Fuzz(func(t *testing.T, s string) {
		a, err := attestation.Read(s)
		if err == nil && (a.ClientID == "" || a.InstanceKey == nil || a.ExpiresAt.IsZero()) {
			t.Errorf("%+v", a)
		}
		if err != nil && attestation.CodeOf(err) == "" {
			t.Errorf("error without a code: %v", err)
		}
	})
}
