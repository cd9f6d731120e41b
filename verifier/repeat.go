package verifier

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"

	"github.com/tegata-id/tegata/internal/session"
)

// maxIdempotencyKey is the longest idempotency key in bytes.
const maxIdempotencyKey = 255

// repeat is what a request with an idempotency key was answered.
type repeat struct {
	// Request is the SHA-256 of what was asked for.
	Request []byte
	Answer  Transaction
}

// startOnce begins a transaction unless the party did so before with the same
// key, which may be empty: the answer is then that of before. Of several requests
// at once, on whatever replica, all get the same answer.
func (v *Verifier) startOnce(ctx context.Context, p *Party, key string, r StartRequest) (*Transaction, error) {
	if key == "" {
		return v.startFor(ctx, p, r)
	}
	encoded, err := json.Marshal(r)
	if err != nil {
		return nil, refuse(CodeInvalidRequest, "the request is malformed", err)
	}
	sum := sha256.Sum256(encoded)
	name := p.ID + " " + key // identifiers have no space in them
	known, err := v.repeated(ctx, name, sum)
	if known != nil || err != nil {
		return known, err
	}
	t, err := v.startFor(ctx, p, r)
	if err != nil {
		return nil, err
	}
	err = v.repeats.Add(ctx, name, repeat{sum[:], *t})
	if errors.Is(err, session.ErrExists) {
		// Another was faster; nobody has seen this one.
		if err := v.cancelFor(ctx, p, t.ID); err != nil {
			return nil, err
		}
		if known, err = v.repeated(ctx, name, sum); known != nil || err != nil {
			return known, err
		}
	}
	if err != nil {
		return nil, refuse(CodeUnavailable, "try again later", err)
	}
	return t, nil
}

// repeated returns the earlier answer, nil if there is none.
func (v *Verifier) repeated(ctx context.Context, name string, request [sha256.Size]byte) (*Transaction, error) {
	before, _, err := v.repeats.Get(ctx, name)
	switch {
	case errors.Is(err, session.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, stored(err, CodeUnavailable, "try again later")
	case [sha256.Size]byte(before.Request) != request:
		return nil, refuse(CodeIdempotencyKey, "the idempotency key was used for another request", nil)
	}
	return &before.Answer, nil
}
