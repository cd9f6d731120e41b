package mdoc_test

import (
	"crypto/ecdsa"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/mdoc"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
)

const (
	docType  = "id.tegata.identity.jp.1"
	standard = "org.iso.23220.1"
)

var clock = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func now() time.Time { return clock }

func binding() credentials.Binding {
	return credentials.Binding{
		Mode: credentials.BindingRedirect, Nonce: "nonce", ClientID: "x509_san_dns:verifier.example",
		ResponseURI: "https://verifier.example/response", EncryptionKeyThumbprint: make([]byte, 32),
	}
}

// world is an issuer, a holder and a verifier that fit together.
type world struct {
	ca     *trusttest.CA
	signer *keys.Key
	holder *ecdsa.PrivateKey
	policy *trust.Policy
}

func newWorld(t testing.TB) *world {
	t.Helper()
	ca, err := trusttest.NewCA(trusttest.CAOptions{Profile: trusttest.IACA, NotBefore: clock.AddDate(0, -1, 0)})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{ca: ca, signer: newSigner(t, ca, trusttest.LeafOptions{})}
	if w.holder, err = keys.GenerateP256(); err != nil {
		t.Fatal(err)
	}
	w.policy = &trust.Policy{
		Anchors:    []trust.Anchor{ca.Anchor(credentials.FormatMdoc)},
		Profile:    trust.ProfileMdocSigner,
		Revocation: trust.NotChecked("test"),
		Now:        now,
	}
	return w
}

func newSigner(t testing.TB, ca *trusttest.CA, o trusttest.LeafOptions) *keys.Key {
	t.Helper()
	key, err := ca.IssueMdocSigner(o)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (w *world) verifier() *mdoc.Verifier { return &mdoc.Verifier{Trust: w.policy, Now: now} }

func (w *world) draft() credentials.Draft {
	return credentials.Draft{
		Type: docType,
		Claims: credentials.Object{
			docType: credentials.Object{
				"name":    credentials.Text("髙橋　花子"),
				"address": credentials.Text("東京都千代田区千代田一丁目1番"),
			},
			standard: credentials.Object{
				"birth_date":  credentials.FullDate{Year: 1971, Month: 9, Day: 1},
				"sex":         credentials.Int(2),
				"portrait":    credentials.Bytes{0xff, 0xd8},
				"age_over_20": credentials.Bool(true),
				"issued":      credentials.Time{Time: clock},
				"nested":      credentials.Array{credentials.Object{"a": credentials.Array{credentials.Int(-1), credentials.Null{}}}},
			},
		},
		HolderKey: w.holder.Public(),
		SignedAt:  clock.Add(-time.Hour), ValidFrom: clock.Add(-time.Hour), ValidUntil: clock.AddDate(0, 0, 30),
		Status: &credentials.StatusRef{URI: "https://issuer.example/status/1", Index: 4711},
	}
}

func (w *world) issue(t testing.TB) []byte {
	t.Helper()
	raw, err := mdoc.Issue(w.draft(), w.signer)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
