package e2e_test

import (
	"context"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/status"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/verifier"
	"github.com/tegata-id/tegata/wallet/holder"
)

// TestRevocation ends a certificate and follows it to the relying party: the
// re-check finds it on the revocation list, the status list says INVALID of that
// person's credentials and of no others, and the verifier refuses.
func TestRevocation(t *testing.T) {
	t.Parallel()
	d := deploy(t, deployOptions{lists: time.Second, recheck: time.Second, window: time.Second})
	gone, stays := newCard(t, "hanako"), cardOf(t, "taro")
	moved, other := d.receive(t, gone), d.receive(t, stays)
	for format, query := range queries {
		for _, w := range []*holder.Wallet{moved, other} {
			if r := d.present(t, w, query); r.State != verifier.StateVerified {
				t.Fatalf("%s before: %s %v", format, r.State, r.Refusal)
			}
		}
	}
	if err := nation(t).Revoke(gone.SignatureCertificate(), 3); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(20 * time.Second)
	for d.invalid(t, moved) < 4 {
		if time.Now().After(deadline) {
			t.Fatal("the revocation is not published")
		}
		time.Sleep(100 * time.Millisecond)
	}
	if n := d.invalid(t, other); n != 0 {
		t.Errorf("%d credentials of somebody else are INVALID", n)
	}
	time.Sleep(2 * time.Second) // the verifier relies on the list it has for a window
	for format, query := range queries {
		if r := d.present(t, moved, query); r.State != verifier.StateRefused || r.Refusal == nil || r.Refusal.Reason != verifier.ReasonRevoked {
			t.Errorf("%s after: %s %v", format, r.State, r.Refusal)
		}
		if r := d.present(t, other, query); r.State != verifier.StateVerified {
			t.Errorf("%s of somebody else: %s %v", format, r.State, r.Refusal)
		}
	}
	if n := d.query(t, "SELECT COUNT(*) FROM issued_credentials WHERE revoked_at > 0"); n != 4 {
		t.Errorf("%d rows are revoked", n)
	}
	// What JPKI says is nobody else's business, and what is no longer needed goes.
	if n := d.query(t, "SELECT COUNT(*) FROM evidence"); n != 1 {
		t.Errorf("%d pieces of evidence are kept, want that of the other person", n)
	}
}

// invalid counts the credentials in a wallet that the status lists end, asked
// anew.
func (d *deployment) invalid(t *testing.T, w *holder.Wallet) int {
	t.Helper()
	checker := d.statusChecker(func(ctx context.Context, uri string, accept ...string) ([]byte, string, error) {
		response, err := w.HTTP.Get(ctx, uri, accept...)
		if err != nil {
			return nil, "", err
		}
		return response.Body, response.ContentType, nil
	})
	held, err := w.Vault.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, h := range held {
		result, err := checker.Check(t.Context(), *h.Status)
		if err != nil {
			t.Fatal(err)
		}
		if !result.Value.IsValid() {
			n++
		}
	}
	return n
}

// statusChecker trusts the issuer of the sandbox.
func (d *deployment) statusChecker(fetch func(ctx context.Context, uri string, accept ...string) ([]byte, string, error)) *status.Checker {
	return &status.Checker{
		Now: d.clock.Now, Fetch: fetch,
		Policy: &trust.Policy{
			Anchors: []trust.Anchor{d.box.IssuerAnchors[credentials.FormatSDJWTVC]}, Profile: trust.ProfileStatusSigner,
			Revocation: trust.NotChecked("the authorities of the sandbox publish no lists"), Now: d.clock.Now,
		},
	}
}
