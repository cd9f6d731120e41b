package holder

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/credentials/status"
	"github.com/tegata-id/tegata/credentials/trust"
)

// StatusChecker resolves status references. A *[status.Checker] is one, which
// keeps lists and fetches each once for everybody who waits for it.
type StatusChecker interface {
	Check(ctx context.Context, ref credentials.StatusRef) (status.Result, error)
}

// LastStatus is what the wallet last found in a status list.
type LastStatus struct {
	Value status.Value `json:"value"`
	// At is by the wallet's clock.
	At time.Time `json:"at"`
}

// Revoked reports whether the wallet knows that the issuer has withdrawn the
// credential.
func (h *Held) Revoked() bool { return h.LastStatus != nil && !h.LastStatus.Value.IsValid() }

// Upkeep says what [Wallet.Upkeep] found and did, with one copy of each batch.
type Upkeep struct {
	// Revoked was not known to be revoked before.
	Revoked []*Held
	// Renewed has come in the place of others.
	Renewed []*Held
}

// Upkeep looks up the status of everything that the wallet holds, and renews what
// its issuer's policy, or the wallet's own, says is due. It is to be called now and
// then and never because something is presented: whoever serves a status list, or
// issues, would learn when that is. What fails does not stop the rest; the error
// has all of it. While it runs, another call returns at once and does nothing.
func (w *Wallet) Upkeep(ctx context.Context) (Upkeep, error) {
	if !w.upkeep.TryLock() {
		return Upkeep{}, nil
	}
	defer w.upkeep.Unlock()
	held, err := w.Vault.List(ctx)
	if err != nil {
		return Upkeep{}, fmt.Errorf("vault: %w", err)
	}
	done, failed := w.lookUp(ctx, held)
	if held, err = w.Vault.List(ctx); err != nil {
		return done, errors.Join(append(failed, fmt.Errorf("vault: %w", err))...)
	}
	for _, b := range Batches(held) {
		if ctx.Err() != nil || !b.Due(w.Now()) {
			continue
		}
		renewed, err := w.Renew(ctx, b.Batch)
		if openid4vci.CodeOf(err) == openid4vci.CodeInvalidGrant {
			// The consent has ended: there is nothing to ask with any more.
			err = w.Vault.Amend(ctx, b.Batch, func(h *Held) { h.Refresh = nil })
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("renew %s: %w", b.Type, err))
		} else if len(renewed) > 0 {
			done.Renewed = append(done.Renewed, renewed[0])
		}
	}
	return done, errors.Join(failed...)
}

// lookUp finds out the status of every copy.
func (w *Wallet) lookUp(ctx context.Context, held []*Held) (done Upkeep, failed []error) {
	if w.Status == nil {
		return done, nil
	}
	for _, b := range Batches(held) {
		found := map[string]*LastStatus{}
		for _, h := range held {
			if h.Batch != b.Batch || h.Status == nil || !h.ValidAt(w.Now()) {
				continue
			}
			last, err := w.statusOf(ctx, h)
			if err != nil {
				failed = append(failed, fmt.Errorf("status of %s: %w", h.Type, err))
				break // the copies of a batch share their lists
			}
			found[h.ID] = last
		}
		if len(found) == 0 {
			continue
		}
		news := false
		err := w.Vault.Amend(ctx, b.Batch, func(h *Held) {
			if last := found[h.ID]; last != nil {
				news = news || !h.Revoked() && !last.Value.IsValid()
				h.LastStatus = last
			}
		})
		if err != nil {
			failed = append(failed, fmt.Errorf("vault: %w", err))
		} else if news {
			done.Revoked = append(done.Revoked, b.copy())
		}
	}
	return done, failed
}

// errForeignList says that a list is signed by somebody who has no say in the
// credential.
var errForeignList = errors.New("the status list is signed by another authority than the credential's")

func (w *Wallet) statusOf(ctx context.Context, h *Held) (*LastStatus, error) {
	result, err := w.Status.Check(ctx, *h.Status)
	if err != nil {
		return nil, err
	}
	if anchor, ok := w.anchorOf(h); !ok || result.Chain == nil || result.Chain.Anchor.Jurisdiction != anchor.Jurisdiction {
		return nil, errForeignList
	}
	return &LastStatus{Value: result.Value, At: w.Now()}, nil
}

// anchorOf returns the anchor that the credential was accepted under, if it is
// trusted still.
func (w *Wallet) anchorOf(h *Held) (trust.Anchor, bool) {
	policy := w.IssuerTrust[h.Format]
	if policy == nil || len(h.Chain) == 0 {
		return trust.Anchor{}, false
	}
	for _, anchor := range policy.Anchors {
		if anchor.Certificate.Equal(h.Chain[len(h.Chain)-1]) {
			return anchor, true
		}
	}
	return trust.Anchor{}, false
}

// Due reports whether new copies should be got now: when fewer are left unused, or
// less time, than the issuer's reuse policy wants (ETSI TS 119 472-3 section
// 4.2.4.2); without one, when none is left unused or a quarter of the time. What
// can't be renewed is never due, nor is what came just now and would come the same
// again.
func (b Batch) Due(now time.Time) bool {
	if b.Refresh == nil || b.Revoked() {
		return false
	}
	unused := 0
	if b.Reuse != nil && b.Reuse.Unused != nil {
		unused = *b.Reuse.Unused
	}
	if b.Copies > 1 && b.Unused <= unused && b.Unused < b.Copies {
		return true
	}
	if b.ValidUntil.IsZero() {
		return false
	}
	life, left := b.ValidUntil.Sub(b.ReceivedAt), b.ValidUntil.Sub(now)
	if b.Reuse != nil && b.Reuse.LifetimeLeft > 0 {
		// At most once in a quarter of the life.
		return left <= min(time.Duration(b.Reuse.LifetimeLeft)*time.Second, life*3/4)
	}
	return left <= life/4
}

// reuse returns the issuer's preferred way of showing the credential more than
// once, nil if it says nothing.
func reuse(c *openid4vci.Configuration) *openid4vci.ReuseOption {
	if c.Metadata == nil || c.Metadata.ReusePolicy == nil || c.Metadata.ReusePolicy.ID != openid4vci.ReusePolicyARF ||
		len(c.Metadata.ReusePolicy.Options) == 0 {
		return nil
	}
	option := c.Metadata.ReusePolicy.Options[0]
	return &option
}
