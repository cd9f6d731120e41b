package holder_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
)

// TestSignedMetadata gives a wallet that trusts signers of metadata what it
// asked for, and other things in its place.
func TestSignedMetadata(t *testing.T) {
	t.Parallel()
	signed := func(edit func(*openid4vci.IssuerMetadata), key func(*world) *keys.Key) func(*world, http.ResponseWriter, *openid4vci.IssuerMetadata) {
		return func(w *world, rw http.ResponseWriter, m *openid4vci.IssuerMetadata) {
			edit(m)
			compact, err := openid4vci.SignMetadata(m, key(w), time.Now().Add(-time.Second), time.Time{})
			if err != nil {
				t.Error(err)
			}
			rw.Header().Set("Content-Type", openid4vci.MediaTypeSignedMetadata)
			_, _ = rw.Write([]byte(compact))
		}
	}
	keep := func(*openid4vci.IssuerMetadata) {}
	access := func(w *world) *keys.Key {
		key, err := w.ca.IssueVerifierAccess(trusttest.LeafOptions{DNSNames: []string{"127.0.0.1"}})
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	for name, tc := range map[string]struct {
		answer  func(w *world, rw http.ResponseWriter, m *openid4vci.IssuerMetadata)
		ok      bool
		refused bool // as signed metadata
	}{
		"as it should be":     {signed(keep, access), true, false},
		"of another issuer":   {signed(func(m *openid4vci.IssuerMetadata) { m.CredentialIssuer += "/b" }, access), false, true},
		"of an unknown party": {signed(keep, func(w *world) *keys.Key { return foreignSigner(t) }), false, true},
		"of a verifier":       {signed(keep, func(w *world) *keys.Key { return w.access }), false, true},
		"unsigned": {func(_ *world, rw http.ResponseWriter, m *openid4vci.IssuerMetadata) {
			writeJSON(rw, http.StatusOK, m)
		}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.wallet.MetadataTrust = policy(w.ca, trust.ProfileVerifierAccess)
			w.metadata = func(rw http.ResponseWriter, r *http.Request, m *openid4vci.IssuerMetadata) {
				if accept := r.Header.Get("Accept"); accept != "application/jwt" {
					t.Errorf("asked for %q", accept)
				}
				tc.answer(w, rw, m)
			}
			held, err := w.wallet.AcceptOffer(t.Context(), w.offer("sd"), w)
			if tc.ok != (err == nil) || tc.ok != (len(held) > 0) || tc.refused != errors.Is(err, openid4vci.ErrSignedMetadata) {
				t.Errorf("%d credentials, %v", len(held), err)
			}
		})
	}
}

func foreignSigner(t *testing.T) *keys.Key {
	t.Helper()
	ca, err := trusttest.NewCA(trusttest.CAOptions{NotBefore: time.Now().Add(-time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	key, err := ca.IssueVerifierAccess(trusttest.LeafOptions{DNSNames: []string{"127.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	return key
}
