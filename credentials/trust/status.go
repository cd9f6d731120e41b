package trust

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/tegata-id/tegata/credentials"
)

// CertRef names a certificate whose revocation is looked up: either one at
// hand, made by [NewCertRef], or one of which no more than this was kept. It is
// personal data where the certificate is a citizen's.
type CertRef struct {
	// Issuer is the certificate of the CA. It has to be trusted already, and
	// its key to have signed the certificate: CAs of one name are told apart by
	// it.
	Issuer *x509.Certificate
	// Serial is the serial number, positive.
	Serial *big.Int
	// Partitions are those on whose revocation lists the certificate would
	// stand, each alone enough; see [Partitions]. Only revocation lists need it,
	// and only where Certificate was not kept; empty stands for the CA's
	// undivided list.
	Partitions []string
	// CA says that it is itself a CA certificate.
	CA bool
	// OperatorHandle is what a platform operator named the certificate when it
	// was first asked about it; see [CertStatus]. Only operators need it, and
	// only where Certificate was not kept.
	OperatorHandle string
	// Certificate is the certificate itself, or nil.
	Certificate *x509.Certificate
}

// NewCertRef names a certificate at hand whose issuer was verified. Partitions
// is left for [CRLChecker] to read off the certificate.
func NewCertRef(cert, issuer *x509.Certificate) CertRef {
	return CertRef{Issuer: issuer, Serial: cert.SerialNumber, CA: cert.IsCA, Certificate: cert}
}

// validate returns nil if there is enough to look something up.
func (r CertRef) validate() error {
	if r.Issuer == nil || r.Serial == nil || r.Serial.Sign() <= 0 {
		return fail(ReasonConfiguration, "revocation cannot be looked up without issuer and serial number")
	}
	return nil
}

// statusKey tells certificates apart: by the issuer's key, never its name.
type statusKey struct {
	issuer [sha256.Size]byte
	serial string
}

func (r CertRef) key() statusKey {
	return statusKey{sha256.Sum256(r.Issuer.RawSubjectPublicKeyInfo), string(r.Serial.Bytes())}
}

// CertStatus is what is known of a certificate: revoked or, as long as
// NextUpdate lies ahead, not.
type CertStatus struct {
	// Revoked is true for certificates on hold as well.
	Revoked bool
	// Revocation is when and why; the zero value if Revoked is false.
	Revocation Revoked
	// ThisUpdate is the time at which the source knew it to be so.
	ThisUpdate time.Time
	// NextUpdate is when the answer stops being good: that of the source, or
	// earlier if the checker is configured so. Callers don't have to compare
	// it, since an answer past it is given for revoked certificates only.
	NextUpdate time.Time
	// OperatorHandle is set in the answers of a platform operator: keep it for
	// [CertRef]. It is personal data.
	OperatorHandle string
}

// StatusChecker says whether a certificate is revoked. [CRLChecker],
// [OCSPChecker] and [OperatorChecker] are the ones made here, and [Fallback]
// asks several.
//
// An answer without an error is one that may be acted upon: revoked, or not
// revoked by evidence that was verified and is fresh. Errors are [*Error] with
// one of the reasons that begin with "revocation", or the context's error. What
// is known to be revoked is never an error, however old the evidence.
type StatusChecker interface {
	Status(ctx context.Context, ref CertRef) (CertStatus, error)
}

// Unavailable says what counts while a source is out of reach or offers nothing
// acceptable. Either way a certificate is only ever found good by evidence that
// is fresh, and what is known to be revoked stays so.
type Unavailable int

// The stances on unavailability. The zero value is none.
const (
	// UseFresh lets earlier evidence serve until it ends.
	UseFresh Unavailable = iota + 1
	// HardFail lets nothing be found good from the moment that newer evidence
	// was due (see RefreshAfter of the checkers) and could not be had.
	HardFail
)

func (u Unavailable) validate() error {
	if u != UseFresh && u != HardFail {
		return errors.New("no stance on unavailability")
	}
	return nil
}

// CheckedBy is the stance that a certificate path is good if no certificate
// below the anchor is revoked, as the checker says. [CRLChecker],
// [OCSPChecker], [OperatorChecker] and the result of [Fallback] are stances by
// themselves.
func CheckedBy(checker StatusChecker) Revocation { return checkedBy{checker} }

type checkedBy struct{ checker StatusChecker }

func (c checkedBy) check(ctx context.Context, chain []*x509.Certificate) (credentials.Check, error) {
	return checkStatus(ctx, c.checker, chain)
}

func (c checkedBy) configured() error {
	if c.checker == nil {
		return errors.New("there is nothing to look revocation up with")
	}
	if inner, ok := c.checker.(interface{ configured() error }); ok {
		return inner.configured()
	}
	return nil
}

// checkStatus judges every certificate of a chain but the anchor, which is
// last.
func checkStatus(ctx context.Context, checker StatusChecker, chain []*x509.Certificate) (credentials.Check, error) {
	for i, cert := range chain[:len(chain)-1] {
		status, err := checker.Status(ctx, NewCertRef(cert, chain[i+1]))
		if err != nil {
			return credentials.Check{}, err
		}
		if status.Revoked {
			return credentials.Check{}, fail(ReasonRevoked, "a certificate of the path is revoked")
		}
	}
	return credentials.Check{
		Name: "certificate_revocation", Detail: fmt.Sprintf("%d certificates are not revoked", len(chain)-1),
	}, nil
}

// Fallback asks the checkers in order until one answers. Only where evidence is
// unavailable or stale is the next one asked: evidence that is wrong, or a
// responder that does not know the certificate, is not passed over. It fails
// with what the first one said.
func Fallback(checkers ...StatusChecker) StatusChecker { return fallback(checkers) }

type fallback []StatusChecker

// Status implements [StatusChecker].
func (f fallback) Status(ctx context.Context, ref CertRef) (CertStatus, error) {
	if err := f.configured(); err != nil {
		return CertStatus{}, &Error{Reason: ReasonConfiguration, Detail: "revocation", Err: err}
	}
	var first error
	for _, checker := range f {
		status, err := checker.Status(ctx, ref)
		if err == nil {
			return status, nil
		}
		if first == nil {
			first = err
		}
		var e *Error
		if !errors.As(err, &e) || (e.Reason != ReasonRevocationUnavailable && e.Reason != ReasonRevocationStale) {
			return CertStatus{}, err
		}
	}
	return CertStatus{}, first
}

func (f fallback) configured() error {
	if len(f) == 0 {
		return errors.New("there is nothing to look revocation up with")
	}
	var faults []error
	for _, checker := range f {
		faults = append(faults, checkedBy{checker}.configured())
	}
	return errors.Join(faults...)
}

func (f fallback) check(ctx context.Context, chain []*x509.Certificate) (credentials.Check, error) {
	return checkStatus(ctx, f, chain)
}
