package trust

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/trust/ocsp"
)

// OCSPSource carries requests to the OCSP responder of a CA. It need not check
// the responses. Its errors end up in logs, where neither the request nor the
// response, which name a citizen's certificate, must be.
type OCSPSource interface {
	// OCSP posts a request in DER and returns the response, of which no more
	// than [ocsp.MaxSize] bytes need to be read. Where the responder of an
	// issuer is to be found is the operator's to say: the address in a
	// certificate is the word of whoever presented it.
	OCSP(ctx context.Context, issuer *x509.Certificate, request []byte) ([]byte, error)
}

// OCSPSourceFunc is a function as an [OCSPSource].
type OCSPSourceFunc func(ctx context.Context, issuer *x509.Certificate, request []byte) ([]byte, error)

// OCSP implements [OCSPSource].
func (f OCSPSourceFunc) OCSP(ctx context.Context, issuer *x509.Certificate, request []byte) ([]byte, error) {
	return f(ctx, issuer, request)
}

// NonceStance says what is made of the nonce that ties a response to its
// request (RFC 9654).
type NonceStance int

// The stances on the nonce. The zero value is none.
const (
	// NonceRequired: one is sent and has to come back. Responders that make
	// their responses beforehand cannot do that.
	NonceRequired NonceStance = iota + 1
	// NonceOptional: one is sent; if any comes back it has to be that one.
	NonceOptional
	// NonceNone: none is sent and none may come back.
	NonceNone
)

// OCSPOptions are what an [OCSPChecker] is made of. Source, Now, Nonce and
// Cache.Unavailable are mandatory.
type OCSPOptions struct {
	Source OCSPSource
	Now    func() time.Time
	Nonce  NonceStance
	// Hash is that of the CertID in requests, SHA-256 by default. Some
	// responders know SHA-1 only, which does no harm here.
	Hash crypto.Hash
	// ClockSkew is how far ahead the responder's clock may be: 0 to 5 minutes.
	ClockSkew time.Duration
	// Responders looks up the revocation of responders whose certificates do
	// not say id-pkix-ocsp-nocheck. Without it such responders are refused.
	Responders StatusChecker
	Cache      CacheOptions
}

// OCSPChecker looks certificates up by OCSP and remembers the answers while
// they are good. It is a [StatusChecker] and a [Revocation], and safe for
// concurrent use.
//
// An answer counts if the CA's own key signed it or a responder that this key
// certified for the purpose, if it is fresh, and if it says exactly one thing
// about the certificate asked about. A revocation, once seen, is final as long
// as it is remembered, except for certificates on hold, where a later answer
// counts; an answer from before one that is remembered never counts.
type OCSPChecker struct {
	options OCSPOptions
	cache   *statusCache
}

// NewOCSPChecker returns a checker. Errors say which option is missing or
// contradictory.
func NewOCSPChecker(o OCSPOptions) (*OCSPChecker, error) {
	if o.Source == nil {
		return nil, errors.New("trust: OCSP: no source")
	}
	if o.Nonce != NonceRequired && o.Nonce != NonceOptional && o.Nonce != NonceNone {
		return nil, errors.New("trust: OCSP: no stance on the nonce")
	}
	if o.ClockSkew < 0 || o.ClockSkew > maxClockSkew {
		return nil, fmt.Errorf("trust: OCSP: the clock skew is not between 0 and %s", maxClockSkew)
	}
	switch o.Hash {
	case 0:
		o.Hash = crypto.SHA256
	case crypto.SHA1, crypto.SHA256, crypto.SHA384, crypto.SHA512:
	default:
		return nil, errors.New("trust: OCSP: unsupported hash algorithm")
	}
	cache, err := newStatusCache(o.Cache, o.Now)
	if err != nil {
		return nil, fmt.Errorf("trust: OCSP: %w", err)
	}
	o.Cache = cache.options
	return &OCSPChecker{options: o, cache: cache}, nil
}

// Status implements [StatusChecker]. It needs no more of ref than Issuer and
// Serial.
func (c *OCSPChecker) Status(ctx context.Context, ref CertRef) (CertStatus, error) {
	if err := c.configured(); err != nil {
		return CertStatus{}, &Error{Reason: ReasonConfiguration, Detail: "revocation", Err: err}
	}
	if err := ref.validate(); err != nil {
		return CertStatus{}, err
	}
	return c.cache.status(ctx, ref.key(), func(ctx context.Context) (CertStatus, error) { return c.ask(ctx, ref) })
}

func (c *OCSPChecker) configured() error {
	if c == nil || c.cache == nil {
		return errors.New("the OCSP checker was not made by NewOCSPChecker")
	}
	return nil
}

// check implements [Revocation].
func (c *OCSPChecker) check(ctx context.Context, chain []*x509.Certificate) (credentials.Check, error) {
	return checkStatus(ctx, c, chain)
}

func (c *OCSPChecker) ask(ctx context.Context, ref CertRef) (CertStatus, error) {
	id, err := ocsp.NewCertID(c.options.Hash, ref.Issuer, ref.Serial)
	if err != nil {
		return CertStatus{}, &Error{Reason: ReasonConfiguration, Detail: "OCSP request", Err: err}
	}
	request := ocsp.Request{CertIDs: []ocsp.CertID{id}}
	if c.options.Nonce != NonceNone {
		request.Nonce = make([]byte, 32)
		rand.Read(request.Nonce)
	}
	der, err := request.Marshal()
	if err != nil {
		return CertStatus{}, &Error{Reason: ReasonConfiguration, Detail: "OCSP request", Err: err}
	}
	raw, err := c.options.Source.OCSP(ctx, ref.Issuer, der)
	if err != nil {
		return CertStatus{}, &Error{Reason: ReasonRevocationUnavailable, Detail: "no OCSP response could be had", Err: err}
	}
	answer := ocspAnswer{ref: ref, id: id, nonce: request.Nonce, options: &c.options, now: c.options.Now()}
	return answer.judge(ctx, raw)
}
