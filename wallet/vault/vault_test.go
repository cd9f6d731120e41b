package vault_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/x509"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/mdoc"
	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/credentials/sdjwt"
	"github.com/tegata-id/tegata/credentials/status"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
	"github.com/tegata-id/tegata/wallet/holder"
	"github.com/tegata-id/tegata/wallet/vault"
)

var passphrase = []byte("correct horse battery staple")

// issuer signs credentials for the tests.
type issuer struct {
	ca, iaca *trusttest.CA
	sd, doc  *keys.Key
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var i issuer
	var err error
	begins := time.Now().Add(-time.Hour)
	i.ca, err = trusttest.NewCA(trusttest.CAOptions{NotBefore: begins})
	must(err)
	i.iaca, err = trusttest.NewCA(trusttest.CAOptions{Profile: trusttest.IACA, NotBefore: begins})
	must(err)
	i.sd, err = i.ca.IssueSDJWTSigner(trusttest.LeafOptions{NotBefore: begins})
	must(err)
	i.doc, err = i.iaca.IssueMdocSigner(trusttest.LeafOptions{NotBefore: begins})
	must(err)
	return &i
}

// held returns a credential that is bound to the key.
func (i *issuer) held(t *testing.T, format credentials.Format, id, batch string, key crypto.Signer) *holder.Held {
	t.Helper()
	start := time.Now().UTC().Truncate(time.Hour)
	d := credentials.Draft{
		Type: "urn:test:1", SignedAt: start, ValidFrom: start, ValidUntil: start.Add(24 * time.Hour),
		HolderKey: key.Public(), Status: &credentials.StatusRef{URI: "https://issuer.example/status", Index: 7},
		Claims: credentials.Object{"family_name": credentials.Text("山田"), "age": credentials.Int(41)},
	}
	h := &holder.Held{
		ID: id, Batch: batch, Issuer: "https://issuer.example", ConfigurationID: "c", Format: format, Key: key,
		ReceivedAt: start, ValidFrom: d.ValidFrom, ValidUntil: d.ValidUntil, Status: d.Status,
		Refresh: &holder.Refresh{Server: "https://issuer.example", Token: "the-refresh-token"},
		Names: holder.Names{
			Type:   []holder.Text{{Locale: "ja", Text: "試験"}},
			Claims: []holder.ClaimName{{Path: credentials.PathOf("age"), Name: []holder.Text{{Locale: "en", Text: "Age"}}}},
		},
		Reuse: &openid4vci.ReuseOption{Details: []string{"once_only"}, BatchSize: 2, LifetimeLeft: 3600},
	}
	if format == credentials.FormatMdoc {
		d.Type, d.Claims = "org.test.1", credentials.Object{"org.test.1": d.Claims}
		raw, err := mdoc.Issue(d, i.doc)
		if err != nil {
			t.Fatal(err)
		}
		h.Raw, h.Chain = jose.EncodeBase64(raw), []*x509.Certificate{i.doc.Leaf(), i.iaca.Certificate}
	} else {
		raw, err := sdjwt.Issue(d, i.sd)
		if err != nil {
			t.Fatal(err)
		}
		h.Raw, h.Chain = raw, []*x509.Certificate{i.sd.Leaf(), i.ca.Certificate}
	}
	h.Type, h.Claims = d.Type, d.Claims
	return h
}

func open(t *testing.T, path string) *vault.Vault {
	t.Helper()
	v, err := vault.Open(path, passphrase, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = v.Close() })
	return v
}

func newKey(t *testing.T, v holder.Vault) crypto.Signer {
	t.Helper()
	maker, ok := v.(interface {
		NewKey(ctx context.Context) (crypto.Signer, error)
	})
	if !ok {
		key, err := keys.GenerateP256()
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	key, err := maker.NewKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return key
}

var sameHeld = cmp.Options{
	cmpopts.EquateEmpty(),
	cmp.Comparer(func(a, b *x509.Certificate) bool { return a.Equal(b) }),
	cmp.Comparer(func(a, b crypto.Signer) bool {
		if a == nil || b == nil {
			return a == b
		}
		public, ok := a.Public().(*ecdsa.PublicKey)
		return ok && public.Equal(b.Public())
	}),
}

// TestVaults holds every vault to what a wallet expects of one.
func TestVaults(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	for name, reopen := range map[string]func(t *testing.T) func() holder.Vault{
		"memory": func(*testing.T) func() holder.Vault {
			m := &holder.Memory{}
			return func() holder.Vault { return m }
		},
		"file": func(t *testing.T) func() holder.Vault {
			path := filepath.Join(t.TempDir(), "vault")
			var last *vault.Vault
			return func() holder.Vault {
				if last != nil {
					if err := last.Close(); err != nil {
						t.Fatal(err)
					}
				}
				last = open(t, path)
				return last
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testVault(t, i, reopen(t))
		})
	}
}

// testVault closes and opens the vault between any two steps.
func testVault(t *testing.T, i *issuer, reopen func() holder.Vault) {
	v := reopen()
	batch := []*holder.Held{
		i.held(t, credentials.FormatSDJWTVC, "1", "a", newKey(t, v)),
		i.held(t, credentials.FormatSDJWTVC, "2", "a", newKey(t, v)),
	}
	single := i.held(t, credentials.FormatMdoc, "3", "b", newKey(t, v))
	if err := v.Add(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	if err := reopen().Add(t.Context(), []*holder.Held{single}); err != nil {
		t.Fatal(err)
	}
	got, err := reopen().List(t.Context())
	if diff := cmp.Diff(append(batch, single), got, sameHeld); err != nil || diff != "" {
		t.Fatal(err, diff)
	}
	seen := map[string]int{}
	for n := range 4 {
		h, err := reopen().Pick(t.Context(), "a", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if seen[h.ID]++; seen[h.ID] != n/2+1 || h.Uses != n/2+1 {
			t.Errorf("pick %d: copy %s for the %dth time, %d uses", n, h.ID, seen[h.ID], h.Uses)
		}
		digest := make([]byte, 32)
		signature, err := h.Key.Sign(nil, digest, crypto.SHA256)
		public, _ := h.Key.Public().(*ecdsa.PublicKey)
		if err != nil || !ecdsa.VerifyASN1(public, digest, signature) {
			t.Errorf("the key does not sign: %v", err)
		}
	}
	for name, pick := range map[string]func() (*holder.Held, error){
		"unknown batch": func() (*holder.Held, error) { return reopen().Pick(t.Context(), "z", time.Now()) },
		"too late":      func() (*holder.Held, error) { return reopen().Pick(t.Context(), "a", time.Now().Add(48*time.Hour)) },
		"too early":     func() (*holder.Held, error) { return reopen().Pick(t.Context(), "a", time.Now().Add(-48*time.Hour)) },
	} {
		if _, err := pick(); !errors.Is(err, holder.ErrNotHeld) {
			t.Errorf("%s: %v", name, err)
		}
	}
	want := holder.LastStatus{Value: status.Invalid, At: time.Now().UTC().Truncate(time.Second)}
	if err := reopen().Amend(t.Context(), "b", func(h *holder.Held) {
		h.LastStatus, h.Refresh, h.Type = &want, nil, "another"
	}); err != nil {
		t.Fatal(err)
	}
	single.LastStatus, single.Refresh = &want, nil
	for range 2 {
		if err := reopen().Remove(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
	}
	got, err = reopen().List(t.Context())
	if diff := cmp.Diff([]*holder.Held{single}, got, sameHeld); err != nil || diff != "" {
		t.Error(err, diff)
	}
}
