package e2e_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/attestation"
	"github.com/tegata-id/tegata/credentials/dpop"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/credentials/openid4vp"
	"github.com/tegata-id/tegata/credentials/sdjwt"
	"github.com/tegata-id/tegata/credentials/status"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
	"github.com/tegata-id/tegata/internal/audit"
	"github.com/tegata-id/tegata/internal/database"
	"github.com/tegata-id/tegata/internal/session"
	"github.com/tegata-id/tegata/wallet/provider"
)

// typedToken is one kind of JWT of ours: an honest one, and what checks such a
// token. The check must accept as many tokens as it is given.
type typedToken struct {
	name, typ string
	// signer signs tokens of the kind.
	signer crypto.Signer
	make   func() (string, error)
	check  func(token string) error
}

// typeWorld makes one party do everything with two keys: one is certified by
// the only CA, which everybody trusts for everything, the other is the key of
// wallet, instance and holder. So nothing but the kind of a token can be the
// reason why it is turned away.
type typeWorld struct {
	t      *testing.T
	now    time.Time
	ca     *trusttest.CA
	signer *keys.Key
	holder *ecdsa.PrivateKey
}

const (
	tmIssuer   = "https://issuer.example"
	tmList     = "https://issuer.example/status-lists/1"
	tmNonce    = "nonce-of-everything"
	tmClientID = "https://wallet.example"
)

func newTypeWorld(t *testing.T) *typeWorld {
	t.Helper()
	w := &typeWorld{t: t, now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
	w.ca = tmMust(trusttest.NewCA(trusttest.CAOptions{NotBefore: w.now.Add(-48 * time.Hour)}))(t)
	w.signer = tmMust(w.ca.IssueVerifierAccess(trusttest.LeafOptions{DNSNames: []string{"issuer.example"}}))(t)
	w.holder = tmMust(keys.GenerateP256())(t)
	return w
}

func tmMust[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func (w *typeWorld) clock() time.Time { return w.now }

func (w *typeWorld) policy(profile trust.Profile) *trust.Policy {
	return &trust.Policy{
		Anchors: []trust.Anchor{w.ca.Anchor()}, Profile: profile, Revocation: trust.NotChecked("test"), Now: w.clock,
	}
}

func (w *typeWorld) tokens(ctx context.Context) []typedToken {
	return append([]typedToken{
		w.keyProof(ctx), w.dpopProof(), w.clientAttestation(ctx), w.attestationPoP(ctx), w.keyAttestation(ctx),
		w.requestObject(ctx), w.statusToken(ctx), w.instanceProof(ctx),
	}, w.credential(ctx)...)
}

func (w *typeWorld) keyProof(ctx context.Context) typedToken {
	return typedToken{"key proof", openid4vci.TypeProof, w.holder, func() (string, error) {
		return openid4vci.SignProof(openid4vci.ProofOptions{Audience: tmIssuer, Nonce: tmNonce, Now: w.now}, w.holder)
	}, func(token string) error {
		_, err := openid4vci.VerifyProofs(ctx, &openid4vci.Proofs{JWT: []string{token}},
			openid4vci.ProofExpect{Audience: tmIssuer, RequireNonce: true, Now: w.now})
		return err
	}}
}

func (w *typeWorld) dpopProof() typedToken {
	return typedToken{"DPoP proof", dpop.Type, w.holder, func() (string, error) {
		return dpop.Sign(dpop.ProofOptions{Method: "POST", URL: tmIssuer + "/token", Now: w.now}, w.holder)
	}, func(token string) error {
		_, err := dpop.Verify(token, dpop.Expect{Method: "POST", URL: tmIssuer + "/token", Now: w.now})
		return err
	}}
}

func (w *typeWorld) attested() (string, error) {
	return attestation.SignClientAttestation(attestation.ClientAttestation{
		ClientID: tmClientID, InstanceKey: w.holder.Public(), IssuedAt: w.now, ExpiresAt: w.now.Add(time.Hour),
	}, w.signer)
}

func (w *typeWorld) clientAttestation(ctx context.Context) typedToken {
	return typedToken{"client attestation", attestation.TypeClient, w.signer.Signer, w.attested, func(token string) error {
		_, err := attestation.VerifyAttestation(ctx, token, attestation.Expect{
			ClientID: tmClientID, Policy: w.policy(trust.ProfileWalletProvider), Now: w.now,
		})
		return err
	}}
}

func (w *typeWorld) attestationPoP(ctx context.Context) typedToken {
	honest := tmMust(w.attested())(w.t)
	return typedToken{"proof of the client attestation", attestation.TypePoP, w.holder, func() (string, error) {
		return attestation.SignPoP(attestation.PoP{ClientID: tmClientID, Audience: tmIssuer, Now: w.now}, w.holder)
	}, func(token string) error {
		_, err := attestation.Verify(ctx, honest, token, attestation.Expect{
			Audience: tmIssuer, ClientID: tmClientID, Policy: w.policy(trust.ProfileWalletProvider), Now: w.now,
		})
		return err
	}}
}

func (w *typeWorld) keyAttestation(ctx context.Context) typedToken {
	return typedToken{"key attestation", attestation.TypeKey, w.signer.Signer, func() (string, error) {
		return attestation.SignKeyAttestation(attestation.KeyAttestation{
			Keys: []crypto.PublicKey{w.holder.Public()}, Nonce: tmNonce, IssuedAt: w.now, ExpiresAt: w.now.Add(time.Hour),
		}, w.signer)
	}, func(token string) error {
		_, err := attestation.VerifyKeyAttestation(ctx, token, attestation.KeyExpect{
			Policy: w.policy(trust.ProfileWalletProvider), Nonce: tmNonce, Now: w.now,
		})
		return err
	}}
}

func (w *typeWorld) requestObject(ctx context.Context) typedToken {
	client := openid4vp.X509HashClientID(w.signer.Leaf())
	encryption := tmMust(jose.NewJWK(w.holder.Public()))(w.t)
	return typedToken{"request object", openid4vp.RequestObjectType, w.signer.Signer, func() (string, error) {
		metadata, err := openid4vp.NewClientMetadata(encryption, "1")
		if err != nil {
			return "", err
		}
		issued, expires := jose.NewNumericDate(w.now), jose.NewNumericDate(w.now.Add(time.Minute))
		return openid4vp.SignRequest(&openid4vp.AuthorizationRequest{
			ClientID: client, ResponseType: openid4vp.ResponseTypeVPToken, ResponseMode: openid4vp.DirectPostJWT,
			ResponseURI: tmIssuer + "/responses/1", Nonce: tmNonce, State: "state", ClientMetadata: metadata,
			DCQLQuery: []byte(`{"credentials":[{"id":"a","format":"dc+sd-jwt","meta":{"vct_values":["urn:a"]}}]}`),
			Audience:  openid4vp.Audience{openid4vp.AudienceSelfIssued}, IssuedAt: &issued, Expires: &expires,
		}, w.signer)
	}, func(token string) error {
		_, err := openid4vp.ParseRequest(ctx, token, openid4vp.ParseOptions{
			ClientID: client, Trust: w.policy(trust.ProfileVerifierAccess), Now: w.clock,
		})
		return err
	}}
}

func (w *typeWorld) statusToken(ctx context.Context) typedToken {
	return typedToken{"status list token", status.TokenType, w.signer.Signer, func() (string, error) {
		list, err := status.NewList(64, 1)
		if err != nil {
			return "", err
		}
		return status.Sign(status.TokenOptions{URI: tmList, IssuedAt: w.now, Expires: w.now.Add(time.Hour)}, list, w.signer)
	}, func(token string) error {
		_, err := status.Verify(ctx, token, tmList, w.policy(trust.ProfileStatusSigner), w.now)
		return err
	}}
}

func (w *typeWorld) instanceProof(ctx context.Context) typedToken {
	db := tmMust(database.Open(ctx, database.Config{}))(w.t)
	w.t.Cleanup(func() { _ = db.Close() })
	if err := db.Migrate(ctx); err != nil {
		w.t.Fatal(err)
	}
	backend := session.NewMemory(w.clock, 0)
	instance := tmMust(jose.NewJWK(w.holder.Public()))(w.t)
	p := tmMust(provider.New(provider.Config{
		Tenant: "t", Issuer: tmIssuer, ClientID: tmClientID, WalletName: "手形ウォレット", WalletURL: tmClientID,
		Keys:      tmMust(keys.NewRing(keys.Entry{Key: w.signer}))(w.t),
		Platforms: map[string]provider.Platform{provider.SoftwarePlatform: provider.NewSoftwarePlatform()}, TestMode: true,
		DB: db, Sessions: session.New(backend, session.NewRandomKeys(), "t", w.clock),
		Audit:  tmMust(audit.New("issuer", bytes.Repeat([]byte{2}, 32)))(w.t),
		Secret: bytes.Repeat([]byte{3}, 32), AdminToken: strings.Repeat("operator", 8), Log: slog.New(slog.DiscardHandler), Now: w.clock,
	}))(w.t)
	return typedToken{"instance proof", provider.ProofType, w.holder, func() (string, error) {
		return provider.SignProof(provider.Proof{
			Audience: tmIssuer, Purpose: provider.PurposeRegister, Challenge: p.Challenge().Challenge, IssuedAt: w.now,
		}, w.holder)
	}, func(token string) error {
		_, _, err := p.Register(ctx, provider.RegisterRequest{Platform: provider.SoftwarePlatform, InstanceKey: instance, Proof: token})
		return err
	}}
}

// credential returns the issuer-signed JWT and the KB-JWT.
func (w *typeWorld) credential(ctx context.Context) []typedToken {
	issued := tmMust(sdjwt.Issue(credentials.Draft{
		Type: "urn:a", Claims: credentials.Object{"name": credentials.Text("手形花子")}, HolderKey: w.holder.Public(),
		SignedAt: w.now, ValidFrom: w.now, ValidUntil: w.now.Add(time.Hour),
	}, w.signer))(w.t)
	binding := credentials.Binding{
		Mode: credentials.BindingRedirect, Nonce: tmNonce, ClientID: "x509_hash:x", ResponseURI: tmIssuer + "/responses/1",
	}
	presented := tmMust(sdjwt.Present(issued, nil, &binding, w.holder, w.now))(w.t)
	verifier := &sdjwt.Verifier{Trust: w.policy(trust.ProfileSDJWTIssuer), Now: w.clock}
	jwt, disclosures, _ := strings.Cut(issued, "~")
	last := strings.LastIndexByte(presented, '~') + 1
	return []typedToken{
		{"issuer-signed JWT", "dc+sd-jwt", w.signer.Signer, func() (string, error) { return jwt, nil }, func(token string) error {
			_, err := verifier.VerifyIssued(ctx, token+"~"+disclosures)
			return err
		}},
		{"KB-JWT", "kb+jwt", w.holder, func() (string, error) { return presented[last:], nil }, func(token string) error {
			_, err := verifier.Verify(ctx, presented[:last]+token, binding)
			return err
		}},
	}
}

// retyped signs the token again under another typ.
func (k *typedToken) retyped(t *testing.T, token, typ string) string {
	t.Helper()
	u := tmMust(jose.Parse(token))(t)
	h := u.Header
	h.Typ = typ
	return tmMust(jose.Sign(h, u.UnverifiedPayload(), k.signer))(t)
}

// TestNegTypeMatrix gives every kind of JWT to everybody who expects another
// kind: once as it is, and once with all that is expected but the typ.
func TestNegTypeMatrix(t *testing.T) {
	t.Parallel()
	w := newTypeWorld(t)
	all := w.tokens(t.Context())
	if len(all) != 10 {
		t.Fatalf("%d kinds of tokens", len(all))
	}
	cells := 0
	for i := range all {
		expected := &all[i]
		honest := func() string { return tmMust(expected.make())(t) }
		if err := expected.check(honest()); err != nil {
			t.Errorf("honest twin: %s: %v", expected.name, err)
		}
		if err := expected.check(expected.retyped(t, honest(), expected.typ)); err != nil {
			t.Errorf("honest twin, signed again: %s: %v", expected.name, err)
		}
		for j := range all {
			if i == j {
				continue
			}
			other := &all[j]
			cells++
			if err := expected.check(tmMust(other.make())(t)); err == nil {
				t.Errorf("J08 %s was taken for a %s", other.name, expected.name)
			}
			if err := expected.check(expected.retyped(t, honest(), other.typ)); err == nil {
				t.Errorf("J08 %s with the typ of a %s was accepted", expected.name, other.name)
			}
		}
		for _, typ := range []string{"", "JWT", strings.ToUpper(expected.typ), "application/" + expected.typ, expected.typ + " ", expected.typ + "; a=b"} {
			if err := expected.check(expected.retyped(t, honest(), typ)); err == nil {
				t.Errorf("J08 %s with typ %q was accepted", expected.name, typ)
			}
		}
	}
	if want := len(all) * (len(all) - 1); cells != want {
		t.Errorf("%d cells, want %d", cells, want)
	}
	t.Logf("%d pairs of kinds", cells)
}
