package trust

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"sync"
	"time"

	"github.com/tegata-id/tegata/credentials"
)

// CRLSource gets revocation lists. It need not check them. Its errors end up in
// logs, where the partition, which tells a citizen's municipality, must not be.
type CRLSource interface {
	// CRL returns the newest list, in DER, that issuer published for a
	// partition (see [Partitions]). For partitions with the prefix "uri:" the
	// rest is the address; where lists for directory names ("dn:") and for
	// undivided CAs ("") are to be found is the operator's to say.
	CRL(ctx context.Context, issuer *x509.Certificate, partition string) ([]byte, error)
}

// CRLSourceFunc is a function as a [CRLSource].
type CRLSourceFunc func(ctx context.Context, issuer *x509.Certificate, partition string) ([]byte, error)

// CRL implements [CRLSource].
func (f CRLSourceFunc) CRL(ctx context.Context, issuer *x509.Certificate, partition string) ([]byte, error) {
	return f(ctx, issuer, partition)
}

// CRLChecker checks certificates against revocation lists and remembers the
// lists until they expire. It is a [Revocation] and safe for concurrent use.
// The fields may be set before first use.
//
// When the source fails, the list at hand serves until its nextUpdate; after
// that nothing is found good any more, but what was revoked stays so. A list
// with a lower number or an earlier thisUpdate than one seen before is never
// taken. That memory lasts as long as the process.
type CRLChecker struct {
	// RefreshAfter is how long a list serves before the source is asked for a
	// newer one; 1 h by default.
	RefreshAfter time.Duration
	// MaxAge, if not zero, is how old a list's thisUpdate may be even though
	// its nextUpdate lies ahead.
	MaxAge time.Duration
	// MaxValidity is how long after thisUpdate a list's nextUpdate may lie; 400
	// days by default. Lists with a longer validity are refused, since they
	// could be held back for as long.
	MaxValidity time.Duration

	source CRLSource
	now    func() time.Time

	mu    sync.Mutex
	lists map[listKey]*heldList
}

type listKey struct {
	issuer    [sha256.Size]byte // of the issuer's public key: names are shared by generations
	partition string
}

// heldList is the newest list of one partition. turn is taken while it is
// looked at or renewed.
type heldList struct {
	turn chan struct{}
	list *CRL
	// renewAt is when the source is asked again although the list is good.
	renewAt time.Time
	// state is for those who don't have the turn.
	state crlState
}

// NewCRLChecker returns a checker that gets its lists from source.
func NewCRLChecker(source CRLSource, now func() time.Time) *CRLChecker {
	return &CRLChecker{RefreshAfter: time.Hour, MaxValidity: maxCRLValidity, source: source, now: now, lists: map[listKey]*heldList{}}
}

func (c *CRLChecker) configured() error {
	if c == nil || c.source == nil || c.now == nil || c.lists == nil {
		return errors.New("the CRL checker was not made by NewCRLChecker with a source and a clock")
	}
	return nil
}

// check implements [Revocation].
func (c *CRLChecker) check(ctx context.Context, chain []*x509.Certificate) (credentials.Check, error) {
	for i, cert := range chain[:len(chain)-1] {
		if err := c.checkOne(ctx, cert, chain[i+1]); err != nil {
			return credentials.Check{}, err
		}
	}
	return credentials.Check{
		Name: "certificate_revocation", Detail: fmt.Sprintf("%d certificates are on no revocation list", len(chain)-1),
	}, nil
}

func (c *CRLChecker) checkOne(ctx context.Context, cert, issuer *x509.Certificate) error {
	partitions, err := Partitions(cert)
	if err != nil {
		return &Error{Reason: ReasonRevocationUnavailable, Detail: "certificate", Err: err}
	}
	if len(partitions) == 0 {
		partitions = []string{""}
	}
	var first error
	for _, partition := range partitions {
		_, revoked, err := c.lookup(ctx, issuer, partition, cert.SerialNumber, cert.IsCA)
		if revoked {
			return fail(ReasonRevoked, "a certificate of the path is revoked")
		}
		if err == nil {
			return nil
		}
		if first == nil {
			first = err
		}
	}
	return first
}

// Lookup says whether the end-entity certificate with the given serial number
// is revoked, for callers that kept no more than issuer key, partition and
// serial number. The issuer has to be trusted already. Errors are [*Error], or
// the context's error; what is known to be revoked is reported without one,
// however old the list.
func (c *CRLChecker) Lookup(ctx context.Context, issuer *x509.Certificate, partition string, serial *big.Int) (Revoked, bool, error) {
	if err := c.configured(); err != nil {
		return Revoked{}, false, &Error{Reason: ReasonConfiguration, Detail: "revocation", Err: err}
	}
	return c.lookup(ctx, issuer, partition, serial, false)
}

func (c *CRLChecker) lookup(ctx context.Context, issuer *x509.Certificate, partition string, serial *big.Int, ca bool) (Revoked, bool, error) {
	held := c.held(issuer, partition)
	select {
	case held.turn <- struct{}{}:
	case <-ctx.Done():
		return Revoked{}, false, ctx.Err()
	}
	defer func() { <-held.turn }()

	now := c.now()
	held.state.used.Store(now.Unix())
	var problem error
	if held.list == nil || c.fresh(held.list, now) != nil || !now.Before(held.renewAt) {
		held.renewAt = now.Add(c.RefreshAfter)
		if problem = c.renew(ctx, held, issuer, partition); problem != nil {
			// A source in trouble is not asked for every certificate.
			held.renewAt = now.Add(c.RefreshAfter / 60)
		}
		now = c.now()
	}
	if held.list == nil {
		return Revoked{}, false, problem
	}
	if err := held.list.Covers(partition, ca); err != nil {
		return Revoked{}, false, err
	}
	if r, ok := held.list.Revoked(serial); ok {
		return r, true, nil
	}
	if err := c.fresh(held.list, now); err != nil {
		if problem != nil {
			err = &Error{Reason: ReasonRevocationStale, Detail: "no current revocation list could be had", Err: problem}
		}
		return Revoked{}, false, err
	}
	return Revoked{}, false, nil
}

func (c *CRLChecker) held(issuer *x509.Certificate, partition string) *heldList {
	key := listKey{sha256.Sum256(issuer.RawSubjectPublicKeyInfo), partition}
	c.mu.Lock()
	defer c.mu.Unlock()
	held := c.lists[key]
	if held == nil {
		held = &heldList{turn: make(chan struct{}, 1)}
		c.lists[key] = held
	}
	return held
}

func (c *CRLChecker) fresh(list *CRL, now time.Time) error {
	if err := list.current(now); err != nil {
		return err
	}
	if c.MaxAge > 0 && now.Sub(list.thisUpdate) > c.MaxAge {
		return fail(ReasonRevocationStale, "revocation list is older than allowed")
	}
	return nil
}

// renew asks the source and takes its list if it is good and not older than
// the one at hand.
func (c *CRLChecker) renew(ctx context.Context, held *heldList, issuer *x509.Certificate, partition string) error {
	raw, err := c.source.CRL(ctx, issuer, partition)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return &Error{Reason: ReasonRevocationUnavailable, Detail: "no revocation list could be had", Err: err}
	}
	// The list may have been made while it was waited for.
	list, err := parseCurrentCRL(raw, issuer, c.now(), c.MaxValidity)
	if err != nil {
		return err
	}
	if err := list.Covers(partition, list.scope.onlyCAs); err != nil {
		return err
	}
	if old := held.list; old != nil && (list.number.Cmp(old.number) < 0 || list.thisUpdate.Before(old.thisUpdate)) {
		return fail(ReasonRevocationStale, "an older revocation list than before was offered")
	}
	held.list = list
	held.state.renewed(list)
	return nil
}
