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

// Recheck looks up the evidence whose check is due and makes the credentials
// INVALID that rest on revoked certificates. It returns how many it revoked.
// Evidence that could not be looked up is due again after a tenth of the
// interval; the errors are joined.
func (i *Issuer) Recheck(ctx context.Context) (revokedCredentials int, err error) {
	var failures []error
	for {
		due, err := i.cfg.Records.EvidenceToCheck(ctx, i.cfg.Tenant, recheckBatch)
		if err != nil {
			return revokedCredentials, errors.Join(append(failures, err)...)
		}
		n, failed, err := i.recheckAll(ctx, due)
		revokedCredentials += n
		failures = append(failures, failed...)
		if err != nil || ctx.Err() != nil {
			return revokedCredentials, errors.Join(append(failures, err)...)
		}
		if len(due) < recheckBatch {
			return revokedCredentials, errors.Join(failures...)
		}
	}
}

// recheckAll looks up several pieces of evidence at a time. What could not be
// looked up gets a new date: without it, it would come back for ever.
func (i *Issuer) recheckAll(ctx context.Context, due []records.Evidence) (revoked int, failures []error, err error) {
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(recheckConcurrency)
	for _, e := range due {
		group.Go(func() error {
			n, err := i.recheckOne(ctx, e)
			mu.Lock()
			revoked += n
			if err != nil {
				failures = append(failures, err)
			}
			mu.Unlock()
			if err == nil {
				return nil
			}
			next := i.cfg.Now().Add(max(i.retryInterval(), time.Second))
			return i.cfg.Records.PostponeCheck(ctx, i.cfg.Tenant, e.Pseudonym, next)
		})
	}
	err = group.Wait()
	return revoked, failures, err
}

func (i *Issuer) retryInterval() time.Duration { return i.cfg.RecheckInterval / recheckRetries }

func (i *Issuer) recheckOne(ctx context.Context, e records.Evidence) (int, error) {
	handle, err := i.sealer.Open(i.cfg.Tenant, e.Pseudonym, e.SealedHandle)
	if err != nil {
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
	group.Go(func() { every(ctx, max(i.retryInterval(), time.Second), i.recheckAndForget) })
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
	revoked, err := i.Recheck(ctx)
	if err != nil && ctx.Err() == nil {
		i.cfg.Log.LogAttrs(ctx, slog.LevelError, "recheck of evidence failed",
			slog.String("tenant", i.cfg.Tenant), slog.String("cause", err.Error()))
	}
	if revoked > 0 {
		i.cfg.Log.LogAttrs(ctx, slog.LevelInfo, "credentials revoked",
			slog.String("tenant", i.cfg.Tenant), slog.Int("count", revoked))
	}
	i.measureRecheck(ctx, err != nil)
	_, errDeferred := i.cfg.Records.ForgetDeferred(ctx, i.cfg.Tenant)
	_, errClaims := i.cfg.Records.ForgetClaims(ctx, i.cfg.Tenant)
	_, errEvidence := i.cfg.Records.ForgetEvidence(ctx, i.cfg.Tenant)
	if err := errors.Join(errDeferred, errClaims, errEvidence); err != nil && ctx.Err() == nil {
		i.cfg.Log.LogAttrs(ctx, slog.LevelError, "forgetting what has ended failed",
			slog.String("tenant", i.cfg.Tenant), slog.String("cause", err.Error()))
	}
}

// measureRecheck shows how far behind the rechecks are.
func (i *Issuer) measureRecheck(ctx context.Context, failed bool) {
	oldest, err := i.cfg.Records.OldestCheck(ctx, i.cfg.Tenant)
	if err != nil {
		return // what is wrong with the database shows elsewhere
	}
	var age time.Duration
	if !oldest.IsZero() {
		age = i.cfg.Now().Sub(oldest)
	}
	i.cfg.Metrics.rechecked(i.cfg.Tenant, failed, age)
}
