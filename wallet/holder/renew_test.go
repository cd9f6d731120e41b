package holder_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/wallet/holder"
)

// TestRenew replaces one of two batches, without the person, and can do so again.
func TestRenew(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.refreshToken = "the-refresh-token"
	held := w.hold("sd", "doc")
	stays := held[len(held)-1].Batch
	var steps []string
	w.wallet.OnStep = func(s holder.Step) { steps = append(steps, s.From+" > "+s.To+": "+s.Name) }
	batch := held[0].Batch
	for range 2 {
		renewed, err := w.wallet.Renew(t.Context(), batch)
		if err != nil {
			t.Fatal(err)
		}
		if len(renewed) != 3 || renewed[0].ConfigurationID != "sd" || renewed[0].Batch == batch {
			t.Errorf("renewed %+v", renewed)
		}
		batches := map[string]int{}
		for _, h := range w.vault() {
			batches[h.Batch]++
			if h.Refresh == nil || *h.Refresh != (holder.Refresh{Server: w.base, Token: "the-refresh-token"}) {
				t.Errorf("refresh of %s: %+v", h.ConfigurationID, h.Refresh)
			}
		}
		batch = renewed[0].Batch
		if diff := cmp.Diff(map[string]int{batch: 3, stays: 3}, batches); diff != "" {
			t.Error(diff)
		}
	}
	want := []string{
		"wallet > issuer: issuer metadata",
		"wallet > authorization server: authorization server metadata",
		"wallet > authorization server: token",
		"wallet > issuer: nonce", "wallet > issuer: credential", "wallet > issuer: notification",
	}
	if diff := cmp.Diff(append(want, want...), steps); diff != "" {
		t.Error(diff)
	}
}

// TestNegRenew fails and leaves what is held; the honest twin is TestRenew.
func TestNegRenew(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		spoil func(w *world)
		want  func(err error) bool
	}{
		"the consent has ended": {
			func(w *world) { w.refreshToken = "another" },
			func(err error) bool { return openid4vci.CodeOf(err) == openid4vci.CodeInvalidGrant },
		},
		"another authorization server": {
			func(w *world) {
				w.editIssuer = func(m *openid4vci.IssuerMetadata) { m.AuthorizationServers = []string{"https://evil.example"} }
			},
			func(err error) bool { return err != nil },
		},
		"a token that is bound to no key": {
			func(w *world) { w.tokenType = "Bearer" }, func(err error) bool { return err != nil },
		},
		"a batch that is not there": {
			func(w *world) {
				for _, h := range w.vault() {
					_ = w.wallet.Vault.Remove(t.Context(), h.Batch)
				}
			},
			func(err error) bool { return errors.Is(err, holder.ErrNotHeld) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.refreshToken = "the-refresh-token"
			batch := w.hold("sd")[0].Batch
			test.spoil(w)
			before := ids(w.vault())
			if _, err := w.wallet.Renew(t.Context(), batch); !test.want(err) {
				t.Errorf("got %v", err)
			}
			if diff := cmp.Diff(before, ids(w.vault())); diff != "" {
				t.Error(diff)
			}
		})
	}
	t.Run("no refresh token", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		if _, err := w.wallet.Renew(t.Context(), w.hold("sd")[0].Batch); !errors.Is(err, holder.ErrNoRefresh) {
			t.Errorf("got %v", err)
		}
	})
}

func ids(held []*holder.Held) (out []string) {
	for _, h := range held {
		out = append(out, h.ID)
	}
	slices.Sort(out)
	return out
}
