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
		// lenient wallets take what is not signed.
		lenient, unsigned bool
	}{
		"as it should be":     {answer: signed(keep, access), ok: true},
		"of another issuer":   {answer: signed(func(m *openid4vci.IssuerMetadata) { m.CredentialIssuer += "/b" }, access), refused: true},
		"of an unknown party": {answer: signed(keep, func(w *world) *keys.Key { return foreignSigner(t) }), refused: true},
		"of a verifier":       {answer: signed(keep, func(w *world) *keys.Key { return w.access }), refused: true},
		"unsigned":            {answer: plain},
		"taken unsigned":      {answer: plain, lenient: true, ok: true, unsigned: true},
		"taken where there is no signed form": {answer: func(w *world, rw http.ResponseWriter, m *openid4vci.IssuerMetadata) {
			if len(w.accepted) == 1 {
				rw.WriteHeader(http.StatusNotAcceptable)
				return
			}
			plain(w, rw, m)
		}, lenient: true, ok: true, unsigned: true},
		"signed by an unknown party, though unsigned would do": {
			answer: signed(keep, func(w *world) *keys.Key { return foreignSigner(t) }), lenient: true, refused: true,
		},
		"signed, though unsigned would do": {answer: signed(keep, access), lenient: true, ok: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.wallet.MetadataTrust, w.wallet.UnsignedMetadata = policy(w.ca, trust.ProfileVerifierAccess), tc.lenient
			w.metadata = func(rw http.ResponseWriter, r *http.Request, m *openid4vci.IssuerMetadata) {
				w.accepted = append(w.accepted, r.Header.Get("Accept"))
				tc.answer(w, rw, m)
			}
			offer, err := w.wallet.ReadOffer(t.Context(), w.offer("sd"))
			if tc.ok != (err == nil) || tc.refused != errors.Is(err, openid4vci.ErrSignedMetadata) || w.accepted[0] != "application/jwt" {
				t.Fatalf("asked for %q, %v", w.accepted, err)
			}
			if !tc.ok {
				return
			}
			if tc.unsigned != (offer.Signer() == nil) {
				t.Errorf("signed by %v", offer.Signer())
			}
			if held, err := offer.Accept(t.Context(), w); err != nil || len(held) == 0 {
				t.Errorf("%d credentials, %v", len(held), err)
			}
		})
	}
}

// plain answers with metadata that nobody signed.
func plain(_ *world, rw http.ResponseWriter, m *openid4vci.IssuerMetadata) {
	writeJSON(rw, http.StatusOK, m)
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
