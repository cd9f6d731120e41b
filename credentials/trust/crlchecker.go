package trust

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"math/big"
	"sync"
	"time"

	"github.com/tegata-id/tegata/credentials"
)

// CRLChecker checks certificates against revocation lists and remembers the
// lists until they expire. It is a [StatusChecker] and a [Revocation], and safe
// for concurrent use. The fields may be set before first use.
//
// A list with a lower number or an earlier thisUpdate than one seen before is
// never taken. That memory lasts as long as the process.
type CRLChecker struct {
	// Unavailable is UseFresh by default: while the source fails, the list at
	// hand serves until its nextUpdate. After that nothing is found good any
	// more, but what was revoked stays so.
	Unavailable Unavailable
	// RefreshAfter is how long a list serves before the source is asked for a
	// newer one; 1 h by default.
	RefreshAfter time.Duration
	// RetryAfter is how long the source is left alone about a list after it
	// failed; 5 s by default, and never more than RefreshAfter.
	RetryAfter time.Duration
	// MaxAge, if not zero, is how old a list's thisUpdate may be even though
	// its nextUpdate lies ahead.
	MaxAge time.Duration
	// MaxValidity is how long after thisUpdate a list's nextUpdate may lie; 400
	// days by default. Lists with a longer validity are refused, since they
	// could be held back for as long.
	MaxValidity time.Duration
	// Timeout bounds one attempt to get a list; 30 s by default.
	Timeout time.Duration
	// MaxLists is how many lists are kept in memory; 2048 by default, enough
	// for every municipality of Japan. Those not looked into for longest are
	// dropped first, but for their number.
	MaxLists int

	source CRLSource
	now    func() time.Time
	flight *flight[listKey, *CRL]

	mu    sync.Mutex
	lists map[listKey]*heldList
}

// maxCRLAttempts is how many lists are fetched and read at once.
const maxCRLAttempts = 8

type listKey struct {
	issuer    [sha256.Size]byte // of the issuer's public key: names are shared by generations
	partition string
}

// heldList is the newest list of one partition.
type heldList struct {
	list *CRL // nil if none was had, or it was dropped
	// renewAt is when the source is asked again although the list is good.
	renewAt time.Time
	// failure is why the source could not be used last, which counts until
	// failUntil; nil after a success.
	failure   error
	failUntil time.Time
	// number and thisUpdate are of the newest list ever seen.
	number     *big.Int
	thisUpdate time.Time
	used       time.Time
}

// NewCRLChecker returns a checker that gets its lists from source.
func NewCRLChecker(source CRLSource, now func() time.Time) *CRLChecker {
	return &CRLChecker{
		Unavailable: UseFresh, RefreshAfter: time.Hour, RetryAfter: 5 * time.Second,
		MaxValidity: maxCRLValidity, Timeout: 30 * time.Second, MaxLists: 2048,
		source: source, now: now, flight: newFlight[listKey, *CRL](maxCRLAttempts), lists: map[listKey]*heldList{},
	}
}

func (c *CRLChecker) configured() error {
	if c == nil || c.source == nil || c.now == nil || c.lists == nil {
		return errors.New("the CRL checker was not made by NewCRLChecker with a source and a clock")
	}
	if c.RefreshAfter < 0 || c.RetryAfter < 0 || c.MaxAge < 0 || c.MaxValidity <= 0 || c.Timeout <= 0 || c.MaxLists <= 0 {
		return errors.New("a duration or limit of the CRL checker is not positive")
	}
	return c.Unavailable.validate()
}

// check implements [Revocation].
func (c *CRLChecker) check(ctx context.Context, chain []*x509.Certificate) (credentials.Check, error) {
	return checkStatus(ctx, c, chain)
}

// Status implements [StatusChecker]. It needs no more of ref than Issuer,
// Serial, CA, and Partitions or Certificate.
func (c *CRLChecker) Status(ctx context.Context, ref CertRef) (CertStatus, error) {
	if err := c.configured(); err != nil {
		return CertStatus{}, &Error{Reason: ReasonConfiguration, Detail: "revocation", Err: err}
	}
	if err := ref.validate(); err != nil {
		return CertStatus{}, err
	}
	partitions := ref.Partitions
	if len(partitions) == 0 && ref.Certificate != nil {
		var err error
		if partitions, err = Partitions(ref.Certificate); err != nil {
			return CertStatus{}, &Error{Reason: ReasonRevocationUnavailable, Detail: "certificate", Err: err}
		}
	}
	if len(partitions) == 0 {
		partitions = []string{""}
	}
	var first error
	for _, partition := range partitions {
		status, err := c.lookup(ctx, ref, partition)
		if err == nil {
			return status, nil
		}
		if first == nil {
			first = err
		}
	}
	return CertStatus{}, first
}

// Lookup says whether the end-entity certificate with the given serial number
// is revoked, for callers that kept no more than issuer key, partition and
// serial number. It is [CRLChecker.Status] in other words.
func (c *CRLChecker) Lookup(ctx context.Context, issuer *x509.Certificate, partition string, serial *big.Int) (Revoked, bool, error) {
	status, err := c.Status(ctx, CertRef{Issuer: issuer, Serial: serial, Partitions: []string{partition}})
	return status.Revocation, status.Revoked, err
}

func (c *CRLChecker) lookup(ctx context.Context, ref CertRef, partition string) (CertStatus, error) {
	list, problem := c.list(ctx, ref.Issuer, partition)
	if list == nil {
		return CertStatus{}, problem
	}
	if err := list.Covers(partition, ref.CA); err != nil {
		return CertStatus{}, err
	}
	status := CertStatus{ThisUpdate: list.thisUpdate, NextUpdate: c.end(list)}
	if status.Revocation, status.Revoked = list.Revoked(ref.Serial); status.Revoked {
		return status, nil
	}
	var e *Error
	if problem != nil && !errors.As(problem, &e) {
		return CertStatus{}, problem // the context's error
	}
	if err := c.fresh(list, c.now()); err != nil {
		if problem != nil {
			err = &Error{Reason: ReasonRevocationStale, Detail: "no current revocation list could be had", Err: problem}
		}
		return CertStatus{}, err
	}
	if problem != nil && c.Unavailable == HardFail {
		return CertStatus{}, problem
	}
	return status, nil
}

// List returns the list of a partition, for those who go through all of it
// instead of asking for certificates: the one at hand or, if that is due, a
// newer one. It is current. Errors are [*Error], or the context's error.
func (c *CRLChecker) List(ctx context.Context, issuer *x509.Certificate, partition string) (*CRL, error) {
	if err := c.configured(); err != nil {
		return nil, &Error{Reason: ReasonConfiguration, Detail: "revocation", Err: err}
	}
	list, err := c.list(ctx, issuer, partition)
	if list == nil {
		return nil, err
	}
	if err := list.Covers(partition, false); err != nil {
		return nil, err
	}
	return list, c.fresh(list, c.now())
}

// list returns the list at hand, renewed if that is due. The error says why it
// could not be renewed; there may be a list nevertheless.
func (c *CRLChecker) list(ctx context.Context, issuer *x509.Certificate, partition string) (*CRL, error) {
	key := listKey{sha256.Sum256(issuer.RawSubjectPublicKeyInfo), partition}
	now := c.now()
	held := c.use(key, now)
	switch {
	case held.failure != nil && now.Before(held.failUntil):
		return held.list, held.failure
	case held.list != nil && c.fresh(held.list, now) == nil && now.Before(held.renewAt):
		return held.list, nil
	}
	list, err := c.flight.do(ctx, key, c.Timeout, func(ctx context.Context) (*CRL, error) {
		list, err := c.fetch(ctx, issuer, partition)
		if abandoned(ctx) {
			return nil, err
		}
		return c.keep(key, list, err)
	})
	if err != nil {
		return c.use(key, now).list, err
	}
	return list, nil
}

// use returns a copy of what is held of a list and notes that it was wanted.
func (c *CRLChecker) use(key listKey, now time.Time) heldList {
	c.mu.Lock()
	defer c.mu.Unlock()
	held := c.lists[key]
	if held == nil {
		held = &heldList{}
		c.lists[key] = held
	}
	held.used = now
	return *held
}

// end is when a list stops being good.
func (c *CRLChecker) end(list *CRL) time.Time {
	// A list may be exactly as old as MaxAge.
	if limit := list.thisUpdate.Add(c.MaxAge + time.Nanosecond); c.MaxAge > 0 && limit.Before(list.nextUpdate) {
		return limit
	}
	return list.nextUpdate
}

func (c *CRLChecker) fresh(list *CRL, now time.Time) error {
	if err := list.current(now); err != nil {
		return err
	}
	if !now.Before(c.end(list)) {
		return fail(ReasonRevocationStale, "revocation list is older than allowed")
	}
	return nil
}

// fetch asks the source and checks what it offers by itself.
func (c *CRLChecker) fetch(ctx context.Context, issuer *x509.Certificate, partition string) (*CRL, error) {
	raw, err := c.source.CRL(ctx, issuer, partition)
	if err != nil {
		return nil, &Error{Reason: ReasonRevocationUnavailable, Detail: "no revocation list could be had", Err: err}
	}
	// The list may have been made while it was waited for.
	list, err := parseCurrentCRL(raw, issuer, c.now(), c.MaxValidity)
	if err != nil {
		return nil, err
	}
	return list, list.Covers(partition, list.scope.onlyCAs)
}

// keep takes a list if it is not older than any seen before.
func (c *CRLChecker) keep(key listKey, list *CRL, err error) (*CRL, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	held, now := c.lists[key], c.now()
	if err == nil {
		err = held.follows(list)
	}
	if err != nil {
		held.failure, held.failUntil = err, now.Add(min(c.RetryAfter, c.RefreshAfter))
		return nil, err
	}
	held.list, held.failure, held.renewAt = list, nil, now.Add(c.RefreshAfter)
	held.number, held.thisUpdate = list.number, list.thisUpdate
	c.makeRoom()
	return list, nil
}

// follows returns nil if the list may come after the newest seen before.
func (h *heldList) follows(list *CRL) error {
	if h.number == nil {
		return nil
	}
	order := list.number.Cmp(h.number)
	switch {
	case order < 0 || list.thisUpdate.Before(h.thisUpdate):
		return fail(ReasonRevocationStale, "an older revocation list than before was offered")
	case order == 0 && !list.thisUpdate.Equal(h.thisUpdate):
		return fail(ReasonRevocationInvalid, "two revocation lists have the same number")
	}
	return nil
}

// makeRoom drops the list that was not looked into for longest if there are too
// many.
func (c *CRLChecker) makeRoom() {
	count := 0
	var oldest *heldList
	for _, held := range c.lists {
		if held.list == nil {
			continue
		}
		count++
		if oldest == nil || held.used.Before(oldest.used) {
			oldest = held
		}
	}
	if count > c.MaxLists {
		oldest.list = nil
	}
}

// HeldCRL is what a [CRLChecker] can tell of a list that it holds. It says
// neither which CA nor which partition the list is of.
type HeldCRL struct {
	// ThisUpdate and NextUpdate are those of the list.
	ThisUpdate, NextUpdate time.Time
	// Used is when a certificate was last looked up in it.
	Used time.Time
}

// Held returns the lists at hand, in no order: for metrics.
func (c *CRLChecker) Held() []HeldCRL {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []HeldCRL
	for _, held := range c.lists {
		if held.list != nil {
			out = append(out, HeldCRL{ThisUpdate: held.list.thisUpdate, NextUpdate: held.list.nextUpdate, Used: held.used})
		}
	}
	return out
}
