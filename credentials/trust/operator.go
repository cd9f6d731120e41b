package trust

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/tegata-id/tegata/credentials"
)

// A relying party of the private sector cannot ask JPKI itself. It asks a
// platform operator (プラットフォーム事業者), who is certified to. Each operator
// has an interface of its own; what they have in common is here.

// OperatorSource asks a platform operator. It authenticates the operator and
// itself, and translates. Its errors end up in logs, where the question and the
// answer, which name a citizen's certificate, must not be. An [*Error] keeps its
// reason; any other error means that the operator is unavailable.
type OperatorSource interface {
	Operator(ctx context.Context, question OperatorQuestion) (OperatorAnswer, error)
}

// OperatorSourceFunc is a function as an [OperatorSource].
type OperatorSourceFunc func(ctx context.Context, question OperatorQuestion) (OperatorAnswer, error)

// Operator implements [OperatorSource].
func (f OperatorSourceFunc) Operator(ctx context.Context, question OperatorQuestion) (OperatorAnswer, error) {
	return f(ctx, question)
}

// OperatorQuestion names a certificate: by itself, or by the handle that the
// operator gave it.
type OperatorQuestion struct {
	// Certificate is nil if Handle is set.
	Certificate *x509.Certificate
	Handle      string
	// Nonce is 26 letters and digits, new in every question. An
	// operator's interface that can return it shows that the answer is no
	// earlier one.
	Nonce string
}

// OperatorStatus is what an operator says of a certificate.
type OperatorStatus int

// The statuses. The zero value is none.
const (
	OperatorGood OperatorStatus = iota + 1
	OperatorRevoked
	// OperatorUnknown: the operator does not know the certificate or handle.
	OperatorUnknown
)

// OperatorAnswer is an answer as the source read it. Nothing in it has been
// judged.
type OperatorAnswer struct {
	Status OperatorStatus
	// Handle names the certificate in later questions. Operators that cannot
	// be asked again without the certificate leave it empty.
	Handle string
	// Nonce is that of the question; empty if the operator's interface has
	// none.
	Nonce string
	// Revocation belongs to OperatorRevoked.
	Revocation Revoked
	// ThisUpdate is when the operator learned of the status. NextUpdate is when
	// it will know better, zero if it does not say.
	ThisUpdate, NextUpdate time.Time
}

// OperatorOptions are what an [OperatorChecker] is made of. Source, Now and
// Cache.Unavailable are mandatory.
type OperatorOptions struct {
	Source OperatorSource
	Now    func() time.Time
	// NonceOptional admits answers without a nonce, for operators whose
	// interface has none. Another nonce than the one sent is never admitted.
	NonceOptional bool
	// ClockSkew is how far ahead the operator's clock may be: 0 to 5 minutes.
	ClockSkew time.Duration
	Cache     CacheOptions
}

// OperatorChecker looks certificates up with a platform operator and remembers
// the answers while they are good. It is a [StatusChecker] and a [Revocation],
// and safe for concurrent use. A revocation, once seen, is final as long as it
// is remembered, except for certificates on hold.
//
// It relies on the operator for whether a certificate was issued by the CA at
// all: only certificates whose path was verified may be looked up.
type OperatorChecker struct {
	options OperatorOptions
	cache   *statusCache
}

// NewOperatorChecker returns a checker. Errors say which option is missing or
// contradictory.
func NewOperatorChecker(o OperatorOptions) (*OperatorChecker, error) {
	if o.Source == nil {
		return nil, errors.New("trust: platform operator: no source")
	}
	if o.ClockSkew < 0 || o.ClockSkew > maxClockSkew {
		return nil, fmt.Errorf("trust: platform operator: the clock skew is not between 0 and %s", maxClockSkew)
	}
	cache, err := newStatusCache(o.Cache, o.Now)
	if err != nil {
		return nil, fmt.Errorf("trust: platform operator: %w", err)
	}
	o.Cache = cache.options
	return &OperatorChecker{options: o, cache: cache}, nil
}

// Status implements [StatusChecker]. It needs no more of ref than
// OperatorHandle; without one, Issuer, Serial and Certificate.
func (c *OperatorChecker) Status(ctx context.Context, ref CertRef) (CertStatus, error) {
	if err := c.configured(); err != nil {
		return CertStatus{}, &Error{Reason: ReasonConfiguration, Detail: "revocation", Err: err}
	}
	if ref.OperatorHandle != "" {
		key := statusKey{issuer: sha256.Sum256([]byte(ref.OperatorHandle))}
		return c.cache.status(ctx, key, func(ctx context.Context) (CertStatus, error) {
			return c.ask(ctx, OperatorQuestion{Handle: ref.OperatorHandle})
		})
	}
	if err := ref.validate(); err != nil {
		return CertStatus{}, err
	}
	if ref.Certificate == nil {
		return CertStatus{}, fail(ReasonRevocationUnavailable, "neither the certificate nor the platform operator's handle was kept")
	}
	return c.cache.status(ctx, ref.key(), func(ctx context.Context) (CertStatus, error) {
		return c.ask(ctx, OperatorQuestion{Certificate: ref.Certificate})
	})
}

func (c *OperatorChecker) configured() error {
	if c == nil || c.cache == nil {
		return errors.New("the operator checker was not made by NewOperatorChecker")
	}
	return nil
}

// check implements [Revocation].
func (c *OperatorChecker) check(ctx context.Context, chain []*x509.Certificate) (credentials.Check, error) {
	return checkStatus(ctx, c, chain)
}

// maxOperatorHandle is the longest handle, in bytes.
const maxOperatorHandle = 256

func (c *OperatorChecker) ask(ctx context.Context, question OperatorQuestion) (CertStatus, error) {
	question.Nonce = rand.Text()
	answer, err := c.options.Source.Operator(ctx, question)
	var e *Error
	if errors.As(err, &e) {
		return CertStatus{}, e
	}
	if err != nil {
		return CertStatus{}, &Error{Reason: ReasonRevocationUnavailable, Detail: "the platform operator could not be asked", Err: err}
	}
	if answer.Nonce != question.Nonce && (answer.Nonce != "" || !c.options.NonceOptional) {
		return CertStatus{}, fail(ReasonRevocationMismatch, "the platform operator answers another question")
	}
	if answer.Status == OperatorUnknown {
		return CertStatus{}, fail(ReasonRevocationUnknown, "the platform operator does not know the certificate")
	}
	if question.Handle != "" && answer.Handle != question.Handle {
		return CertStatus{}, fail(ReasonRevocationMismatch, "the platform operator answers about another certificate")
	}
	if len(answer.Handle) > maxOperatorHandle {
		return CertStatus{}, fail(ReasonRevocationInvalid, "the platform operator's handle is longer than %d bytes", maxOperatorHandle)
	}
	until, err := freshUntil(answer.ThisUpdate, answer.NextUpdate, c.options.Now(), c.options.ClockSkew, c.options.Cache.MaxAge, "the platform operator's answer")
	if err != nil {
		return CertStatus{}, err
	}
	status := CertStatus{ThisUpdate: answer.ThisUpdate, NextUpdate: until, OperatorHandle: answer.Handle}
	switch answer.Status {
	case OperatorGood:
		return status, nil
	case OperatorRevoked:
		status.Revoked, status.Revocation = true, answer.Revocation
		return status, nil
	}
	return CertStatus{}, fail(ReasonRevocationInvalid, "the platform operator says neither good nor revoked")
}
