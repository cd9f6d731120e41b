// Package register asks a register over HTTP what it knows of a person. The
// contract is the document openapi.Source: mutual TLS, matching by a pseudonym
// and the four basic attributes, one person or none.
package register

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/internal/fetch"
	"github.com/tegata-id/tegata/issuer/evidence"
	"github.com/tegata-id/tegata/issuer/source"
)

// The limits of the contract, in bytes.
const (
	MaxQuestion = 16 << 10
	MaxAnswer   = 256 << 10
)

// ErrAnswer says that an answer is not as the contract demands. Errors that wrap
// it quote nothing of the answer.
var ErrAnswer = errors.New("the register's answer breaks the contract")

// ErrMismatch says that a register answered with a record of other attributes
// than those of the evidence. It is a [source.ErrAmbiguous].
var ErrMismatch = fmt.Errorf("%w: its record has other attributes than the evidence", source.ErrAmbiguous)

// Outcome is what came of a lookup, for metrics.
type Outcome string

// The outcomes.
const (
	Found     Outcome = "found"
	None      Outcome = "none"
	Ambiguous Outcome = "ambiguous"
	// Mismatch is a record whose attributes are not those of the evidence.
	Mismatch Outcome = "mismatch"
	// Unavailable is a register out of reach, or one that says so.
	Unavailable Outcome = "unavailable"
	// Refused is a register that does not admit us or our request.
	Refused Outcome = "refused"
	// Invalid is an answer that breaks the contract.
	Invalid Outcome = "invalid"
	// Stale is a record that was last known to be so too long ago.
	Stale Outcome = "stale"
)

// Outcomes are all of them.
func Outcomes() []Outcome {
	return []Outcome{Found, None, Ambiguous, Mismatch, Unavailable, Refused, Invalid, Stale}
}

// A register that was out of reach several times in a row is left alone for a
// while, so that people get their answer at once and it can recover.
const (
	maxFailures = 5
	rest        = 10 * time.Second
)

// clockSkew is how far ahead the clock of a register may be.
const clockSkew = time.Minute

// Client makes requests. [fetch.Client] is one.
type Client interface {
	Allows(rawURL string) error
	Get(ctx context.Context, rawURL string, accept ...string) (*fetch.Response, error)
	Post(ctx context.Context, rawURL, contentType string, body []byte, headers http.Header) (*fetch.Response, error)
}

// Config is what a [Register] is made of. Every field is needed unless it says
// otherwise.
type Config struct {
	// URL is the address of the register without a slash at the end: https.
	URL string
	// Client authenticates both sides. It reads at most [MaxAnswer] bytes, and
	// its limits on time and concurrency are those of lookups.
	Client Client
	// PseudonymKey is the secret of this issuer for this register, 32 bytes.
	PseudonymKey []byte
	// MaxAge is how old what the register says may be.
	MaxAge time.Duration
	// Observe, if set, is told of every lookup.
	Observe func(Outcome)
	Now     func() time.Time
}

// Register is a register over HTTP. It is safe for concurrent use and is a
// [source.Register].
type Register struct {
	cfg Config

	mu       sync.Mutex
	failures int       // in a row
	until    time.Time // of the rest
}

// New returns a register. Nothing is asked yet.
func New(cfg Config) (*Register, error) {
	if len(cfg.PseudonymKey) != sha256.Size {
		return nil, errors.New("the key for pseudonyms must have 32 bytes")
	}
	if err := cfg.Client.Allows(cfg.URL); err != nil {
		return nil, fmt.Errorf("url: %w", err)
	}
	cfg.URL = strings.TrimSuffix(cfg.URL, "/")
	return &Register{cfg: cfg}, nil
}

// Claims implements [source.Register]. Nothing of an answer that is not about
// this person, or not as the contract demands, is returned.
func (r *Register) Claims(ctx context.Context, e *evidence.Evidence, p *source.Person, names []string) (source.Claims, error) {
	question, err := r.question(e, p, names)
	if err != nil {
		return nil, err
	}
	claims, outcome, err := r.lookUp(ctx, question, p)
	if r.cfg.Observe != nil {
		r.cfg.Observe(outcome)
	}
	return claims, err
}

// question makes a lookup.
func (r *Register) question(e *evidence.Evidence, p *source.Person, names []string) (*lookup, error) {
	certificate, err := e.OnCertificate()
	if err != nil {
		return nil, err
	}
	if p.Name == "" || len(names) == 0 {
		return nil, fmt.Errorf("%w: there is nobody, or nothing, to ask about", source.ErrAmbiguous)
	}
	var id [16]byte
	_, _ = rand.Read(id[:])
	q := &lookup{
		RequestID: jose.EncodeBase64(id[:]),
		Person: described{
			Name:      writtenOf(p.Name, p.NameSubstitutes),
			Address:   writtenOf(p.Address, p.AddressSubstitutes),
			BirthDate: dateText(p.BirthDate),
			Sex:       p.Sex,
		},
		// Several types may need the same.
		Claims: slices.Compact(slices.Sorted(slices.Values(names))),
	}
	if certificate != nil {
		q.Pseudonym = r.pseudonym(certificate.Pseudonym)
	}
	return q, nil
}

// pseudonym names a certificate to this register alone: what the issuer itself
// keeps would let the register be matched with the issuer's database, and two
// registers with one another.
func (r *Register) pseudonym(own string) string {
	mac := hmac.New(sha256.New, r.cfg.PseudonymKey)
	mac.Write([]byte("tegata register pseudonym v1\x00" + own))
	return jose.EncodeBase64(mac.Sum(nil))
}

func (r *Register) lookUp(ctx context.Context, q *lookup, p *source.Person) (source.Claims, Outcome, error) {
	body, err := json.Marshal(q)
	if err != nil || len(body) > MaxQuestion {
		return nil, Invalid, fmt.Errorf("%w: a question that is too long", source.ErrAmbiguous)
	}
	raw, outcome, err := r.post(ctx, body)
	if err != nil {
		return nil, outcome, err
	}
	answer, err := parseAnswer(raw, q)
	if err != nil {
		return nil, Invalid, fmt.Errorf("%w: %w", source.ErrUnavailable, err)
	}
	switch now := r.cfg.Now(); {
	case answer.Result == resultNone:
		return nil, None, source.ErrNoRecord
	case answer.Result == resultAmbiguous:
		return nil, Ambiguous, source.ErrAmbiguous
	case !answer.Person.fits(p):
		return nil, Mismatch, ErrMismatch
	case answer.asOf.After(now.Add(clockSkew)):
		return nil, Invalid, fmt.Errorf("%w: %w: a time that is still to come", source.ErrUnavailable, ErrAnswer)
	case answer.asOf.Before(now.Add(-r.cfg.MaxAge)):
		return nil, Stale, fmt.Errorf("%w: what it says is too old", source.ErrUnavailable)
	}
	return answer.claims, Found, nil
}

// post sends a lookup. One that did not get as far as the register is sent once
// more; a second answer to one that did would do no harm, but take as long.
func (r *Register) post(ctx context.Context, body []byte) ([]byte, Outcome, error) {
	if !r.admitted() {
		return nil, Unavailable, fmt.Errorf("%w: it was out of reach a moment ago", source.ErrUnavailable)
	}
	header := http.Header{"Accept": {"application/json"}}
	response, err := r.cfg.Client.Post(ctx, r.cfg.URL+"/lookups", "application/json", body, header)
	if unreached(err) {
		response, err = r.cfg.Client.Post(ctx, r.cfg.URL+"/lookups", "application/json", body, header)
	}
	outcome := outcomeOf(err)
	if err != nil && ctx.Err() != nil {
		return nil, outcome, fmt.Errorf("%w: %w", source.ErrUnavailable, ctx.Err()) // whoever asked went away
	}
	r.note(outcome == Unavailable)
	switch {
	case err != nil:
		return nil, outcome, fmt.Errorf("%w: %w", source.ErrUnavailable, err)
	case response.Status != http.StatusOK || response.ContentType != "application/json":
		return nil, Invalid, fmt.Errorf("%w: %w: another status or media type", source.ErrUnavailable, ErrAnswer)
	}
	return response.Body, Found, nil
}

// unreached reports whether no connection came about.
func unreached(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// outcomeOf tells failures apart by whose they are.
func outcomeOf(err error) Outcome {
	var status *fetch.StatusError
	switch {
	case err == nil:
		return Found
	case errors.Is(err, fetch.ErrTooLarge), errors.Is(err, fetch.ErrContentType), errors.Is(err, fetch.ErrRedirect):
		return Invalid
	case errors.As(err, &status) && status.Response.Status < 500 && status.Response.Status != http.StatusTooManyRequests:
		return Refused
	}
	return Unavailable
}

// admitted reports whether the register may be asked. After the rest one lookup
// at a time finds out whether it is back.
func (r *Register) admitted() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failures < maxFailures {
		return true
	}
	now := r.cfg.Now()
	if now.Before(r.until) {
		return false
	}
	r.until = now.Add(rest)
	return true
}

func (r *Register) note(failed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !failed {
		r.failures = 0
		return
	}
	if r.failures++; r.failures >= maxFailures {
		r.until = r.cfg.Now().Add(rest)
	}
}

// Known returns the names of the claims that the register says it has.
func (r *Register) Known(ctx context.Context) ([]string, error) {
	response, err := r.cfg.Client.Get(ctx, r.cfg.URL+"/claims", "application/json")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", source.ErrUnavailable, err)
	}
	return parseKnown(response.Body)
}
