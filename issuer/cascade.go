package issuer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tegata-id/tegata/credentials/trust/jpki"
	"github.com/tegata-id/tegata/issuer/records"
)

const (
	// recheckBatch bounds how many pieces of evidence are read at once.
	recheckBatch = 500
	// recheckConcurrency bounds how many are looked up at the same time.
	recheckConcurrency = 16
	// recheckRetries is how often evidence that could not be looked up is tried
	// again within the interval of checks.
	recheckRetries = 10
)

// revoked asks for a certificate's status, and for the reason if it is revoked.
func (i *Issuer) revoked(ctx context.Context, h jpki.Handle) (revoked bool, reason string, err error) {
	ca := h.Issuer(i.cfg.JPKIAnchors)
	if ca == nil {
		return false, "", errors.New("the CA of the evidence is no longer an anchor")
	}
	status, err := i.cfg.Revocations.Status(ctx, h.CertRef(ca))
	if err != nil {
		return false, "", err
	}
	return status.Revoked, reasonName(status.Revocation.ReasonCode), nil
}

// recheck is something that the re-check job looks up: certificates one by one,
// or the status lists of wallet providers.
type recheck[T any] struct {
	// name is what the metrics and the log call it.
	name string
	// due returns at most limit of what is to be looked up now.
	due func(ctx context.Context, tenant string, limit int) ([]T, error)
	// lookUp makes the credentials INVALID that fall, and returns how many. If it
	// succeeds, e is no longer due.
	lookUp func(ctx context.Context, e T) (revoked int, err error)
	// postpone gives e a new date.
	postpone func(ctx context.Context, e T, next time.Time) error
	// oldest is when the one was looked up that has waited longest.
	oldest func(ctx context.Context, tenant string) (time.Time, error)
}

// Recheck looks up what is due of the evidence and makes the credentials INVALID
// that rest on revoked certificates, or were given to wallets that were revoked
// since. It returns how many it revoked. What could not be looked up is due again
// after a tenth of the interval; the errors are joined.
func (i *Issuer) Recheck(ctx context.Context) (revokedCredentials int, err error) {
	certificates, err := recheckDue(ctx, i, i.certificates())
	attestations, errAttestations := recheckDue(ctx, i, i.attestationLists())
	return certificates + attestations, errors.Join(err, errAttestations)
}

func recheckDue[T any](ctx context.Context, i *Issuer, what recheck[T]) (revoked int, err error) {
	var failures []error
	for {
		due, err := what.due(ctx, i.cfg.Tenant, recheckBatch)
		if err != nil {
			return revoked, errors.Join(append(failures, err)...)
		}
		n, failed, err := recheckAll(ctx, i, what, due)
		revoked += n
		failures = append(failures, failed...)
		if err != nil || ctx.Err() != nil {
			return revoked, errors.Join(append(failures, err)...)
		}
		if len(due) < recheckBatch {
			return revoked, errors.Join(failures...)
		}
	}
}

// recheckAll looks up several at a time. What could not be looked up gets a new
// date: without it, it would come back for ever.
func recheckAll[T any](ctx context.Context, i *Issuer, what recheck[T], due []T) (revoked int, failures []error, err error) {
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(recheckConcurrency)
	for _, e := range due {
		group.Go(func() error {
			n, err := what.lookUp(ctx, e)
			mu.Lock()
			revoked += n
			if err != nil {
				failures = append(failures, err)
			}
			mu.Unlock()
			if err == nil {
				return nil
			}
			return what.postpone(ctx, e, i.cfg.Now().Add(max(i.retryInterval(), time.Second)))
		})
	}
	err = group.Wait()
	return revoked, failures, err
}

func (i *Issuer) retryInterval() time.Duration { return i.cfg.RecheckInterval / recheckRetries }

// certificates are looked up one by one.
func (i *Issuer) certificates() recheck[records.Evidence] {
	return recheck[records.Evidence]{
		name: recheckedCertificate, due: i.cfg.Records.EvidenceToCheck, lookUp: i.recheckOne, oldest: i.cfg.Records.OldestCheck,
		postpone: func(ctx context.Context, e records.Evidence, next time.Time) error {
			return i.cfg.Records.PostponeCheck(ctx, i.cfg.Tenant, e.Pseudonym, next)
		},
	}
}

func (i *Issuer) recheckOne(ctx context.Context, e records.Evidence) (int, error) {
	var handle jpki.Handle
	if err := i.sealer.Open(i.cfg.Tenant, e.Pseudonym, e.SealedHandle, &handle); err != nil {
		return 0, err
	}
	if err := i.knowPart(ctx, handle); err != nil {
		return 0, err
	}
	revoked, reason, err := i.revoked(ctx, handle)
	if err != nil {
		return 0, fmt.Errorf("look up evidence: %w", err)
	}
	if !revoked {
		return 0, i.cfg.Records.MarkChecked(ctx, i.cfg.Tenant, e.Pseudonym, i.cfg.Now().Add(i.cfg.RecheckInterval))
	}
	return i.cfg.Records.RevokeByEvidence(ctx, i.cfg.Tenant, e.Pseudonym, reason)
}

// Run imports revocation lists, rechecks evidence and forgets what nothing rests
// on any more, until ctx ends. It begins at once: checks may have become due
// while nothing ran.
func (i *Issuer) Run(ctx context.Context) {
	var group sync.WaitGroup
	pace := max(i.retryInterval(), time.Second)
	group.Go(func() { every(ctx, pace, i.recheckAndForget) })
	// Apart, so that a wallet provider who is slow keeps no certificate waiting.
	group.Go(func() {
		every(ctx, pace, func(ctx context.Context) { recheckAndMeasure(ctx, i, i.attestationLists()) })
	})
	if i.cfg.CRLs != nil {
		group.Go(func() { every(ctx, i.cfg.CRLInterval, i.importAndMeasure) })
	}
	group.Wait()
}

// every calls job at once and then once in every interval until ctx ends.
func every(ctx context.Context, interval time.Duration, job func(context.Context)) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		job(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (i *Issuer) recheckAndForget(ctx context.Context) {
	recheckAndMeasure(ctx, i, i.certificates())
	_, errDeferred := i.cfg.Records.ForgetDeferred(ctx, i.cfg.Tenant)
	_, errClaims := i.cfg.Records.ForgetClaims(ctx, i.cfg.Tenant)
	_, errEvidence := i.cfg.Records.ForgetEvidence(ctx, i.cfg.Tenant)
	_, errAttestations := i.cfg.Records.ForgetAttestations(ctx, i.cfg.Tenant)
	if err := errors.Join(errDeferred, errClaims, errEvidence, errAttestations); err != nil && ctx.Err() == nil {
		i.cfg.Log.LogAttrs(ctx, slog.LevelError, "forgetting what has ended failed",
			slog.String("tenant", i.cfg.Tenant), slog.String("cause", err.Error()))
	}
}

// recheckAndMeasure is a round of rechecks, and shows how far behind they are.
func recheckAndMeasure[T any](ctx context.Context, i *Issuer, what recheck[T]) {
	revoked, err := recheckDue(ctx, i, what)
	if err != nil && ctx.Err() == nil {
		i.cfg.Log.LogAttrs(ctx, slog.LevelError, "recheck of evidence failed",
			slog.String("tenant", i.cfg.Tenant), slog.String("evidence", what.name), slog.String("cause", err.Error()))
	}
	if revoked > 0 {
		i.cfg.Log.LogAttrs(ctx, slog.LevelInfo, "credentials revoked",
			slog.String("tenant", i.cfg.Tenant), slog.String("evidence", what.name), slog.Int("count", revoked))
	}
	oldest, errOldest := what.oldest(ctx, i.cfg.Tenant)
	if errOldest != nil {
		return // what is wrong with the database shows elsewhere
	}
	var age time.Duration
	if !oldest.IsZero() {
		age = i.cfg.Now().Sub(oldest)
	}
	i.cfg.Metrics.rechecked(i.cfg.Tenant, what.name, err != nil, age)
}
