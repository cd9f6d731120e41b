package holder

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/openid4vci"
)

// Held is a credential that the wallet holds, with the key it is bound to.
type Held struct {
	// ID is the wallet's own name for it. Copies that came together share
	// Batch: they differ in key and signature only.
	ID, Batch string
	// Issuer is the credential issuer identifier, ConfigurationID the
	// configuration in its metadata.
	Issuer, ConfigurationID string
	Format                  credentials.Format
	// Type is the vct or the doctype.
	Type string
	// Raw is the credential as it came: an SD-JWT, or base64url of an
	// IssuerSigned structure.
	Raw string
	// Key signs presentations; nil if the credential is bound to no key.
	Key crypto.Signer
	// Names are what people read in the place of Type and of the names of Claims.
	Names Names
	// Claims are all claims, whether disclosed or not.
	Claims credentials.Object
	// Chain is the issuer's chain as it was verified, with the anchor.
	Chain []*x509.Certificate
	// Status is nil if the credential cannot be revoked.
	Status *credentials.StatusRef
	// ReceivedAt is by the wallet's clock. ValidFrom and ValidUntil are zero
	// where the credential does not say.
	ReceivedAt, ValidFrom, ValidUntil time.Time
	// Refresh is nil if there is no refresh token. What came by one consent
	// shares it.
	Refresh *Refresh
	// Reuse is how the issuer wants the copies to be used and renewed, nil if it
	// does not say.
	Reuse *openid4vci.ReuseOption
	// LastStatus is nil if the status was never looked up.
	LastStatus *LastStatus
	// Uses counts the presentations.
	Uses int
}

// copy returns a copy that shares nothing that can be changed, except the key,
// which lives elsewhere in a real wallet.
func (h *Held) copy() *Held {
	c := *h
	c.Claims, _ = copyValue(h.Claims).(credentials.Object)
	c.Chain = slices.Clone(h.Chain)
	if h.Status != nil {
		status := *h.Status
		c.Status = &status
	}
	if h.Refresh != nil {
		refresh := *h.Refresh
		c.Refresh = &refresh
	}
	if h.LastStatus != nil {
		last := *h.LastStatus
		c.LastStatus = &last
	}
	return &c
}

func copyValue(v credentials.Value) credentials.Value {
	switch v := v.(type) {
	case credentials.Object:
		out := make(credentials.Object, len(v))
		for name, member := range v {
			out[name] = copyValue(member)
		}
		return out
	case credentials.Array:
		out := make(credentials.Array, len(v))
		for i, element := range v {
			out[i] = copyValue(element)
		}
		return out
	case credentials.Bytes:
		return slices.Clone(v)
	}
	return v
}

// Batch is what came together: copies that differ in key alone.
type Batch struct {
	// Held is one of the copies.
	*Held
	// Copies is how many there are, Unused how many were never shown.
	Copies, Unused int
}

// Batches groups what a vault lists, newest first.
func Batches(held []*Held) []Batch {
	var out []Batch
	at := map[string]int{}
	for _, h := range held {
		n, known := at[h.Batch]
		if !known {
			n = len(out)
			at[h.Batch] = n
			out = append(out, Batch{Held: h})
		}
		out[n].Copies++
		if h.Uses == 0 {
			out[n].Unused++
		}
	}
	slices.Reverse(out)
	return out
}

// ErrNotHeld says that the vault has nothing of a batch.
var ErrNotHeld = errors.New("no such credential")

// Vault stores credentials. What goes in and comes out is copied.
type Vault interface {
	// Add stores all of them or none.
	Add(ctx context.Context, held []*Held) error
	// List returns everything, in the order it was added.
	List(ctx context.Context) ([]*Held, error)
	// Pick returns, for a presentation, the copy of a batch that is valid now
	// and was presented least often, and counts one more use of it; the same
	// copy comes twice only when every other has been used as often. Without
	// any it is [ErrNotHeld].
	Pick(ctx context.Context, batch string, now time.Time) (*Held, error)
	// Amend has change look at every copy of a batch and keeps what it makes of
	// LastStatus and Refresh, of all copies or of none.
	Amend(ctx context.Context, batch string, change func(*Held)) error
	// Remove deletes a batch. One that is not there is no error.
	Remove(ctx context.Context, batch string) error
}

// Memory is a [Vault] that ends with the process. The zero value is ready.
type Memory struct {
	mu   sync.Mutex
	held []*Held
}

// Add implements [Vault].
func (m *Memory) Add(_ context.Context, held []*Held) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, h := range held {
		m.held = append(m.held, h.copy())
	}
	return nil
}

// List implements [Vault].
func (m *Memory) List(context.Context) ([]*Held, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make([]*Held, len(m.held))
	for i, h := range m.held {
		out[i] = h.copy()
	}
	return out, nil
}

// Pick implements [Vault].
func (m *Memory) Pick(_ context.Context, batch string, now time.Time) (*Held, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var least *Held
	for _, h := range m.held {
		if h.Batch == batch && h.ValidAt(now) && (least == nil || h.Uses < least.Uses) {
			least = h
		}
	}
	if least == nil {
		return nil, ErrNotHeld
	}
	least.Uses++
	return least.copy(), nil
}

// Amend implements [Vault].
func (m *Memory) Amend(_ context.Context, batch string, change func(*Held)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, h := range m.held {
		if h.Batch == batch {
			amended := h.copy()
			change(amended)
			h.LastStatus, h.Refresh = amended.LastStatus, amended.Refresh
		}
	}
	return nil
}

// Remove implements [Vault].
func (m *Memory) Remove(_ context.Context, batch string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.held = slices.DeleteFunc(m.held, func(h *Held) bool { return h.Batch == batch })
	return nil
}

// ValidAt reports whether the credential is valid at a time, by what it says.
func (h *Held) ValidAt(now time.Time) bool {
	return !now.Before(h.ValidFrom) && (h.ValidUntil.IsZero() || now.Before(h.ValidUntil))
}
