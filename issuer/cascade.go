package issuer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/tegata-id/tegata/credentials/trust/jpki"
	"github.com/tegata-id/tegata/issuer/records"
)

const (
	// recheckBatch bounds how many pieces of evidence are read at once.
	recheckBatch = 500
	// recheckRetries is how often evidence that could not be looked up is tried
	// again within the interval of checks.
	recheckRetries = 10
)

// revoked looks a certificate up in the revocation lists.
func (i *Issuer) revoked(ctx context.Context, h jpki.Handle) (bool, error) {
	ca := h.Issuer(i.cfg.JPKIAnchors)
	if ca == nil {
		return false, errors.New("the CA of the evidence is no longer an anchor")
	}
	_, revoked, err := i.cfg.Revocations.Lookup(ctx, ca, h.Partition, h.SerialNumber())
	return revoked, err
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
		for _, e := range due {
			n, err := i.recheckOne(ctx, e)
			revokedCredentials += n
			if err == nil {
				continue
			}
			failures = append(failures, err)
			// Without the new date it would come back for ever.
			next := i.cfg.Now().Add(max(i.retryInterval(), time.Second))
			if err := i.cfg.Records.PostponeCheck(ctx, i.cfg.Tenant, e.Pseudonym, next); err != nil {
				return revokedCredentials, errors.Join(append(failures, err)...)
			}
		}
		if len(due) < recheckBatch {
			return revokedCredentials, errors.Join(failures...)
		}
	}
}

func (i *Issuer) retryInterval() time.Duration { return i.cfg.RecheckInterval / recheckRetries }

func (i *Issuer) recheckOne(ctx context.Context, e records.Evidence) (int, error) {
	handle, err := i.sealer.Open(i.cfg.Tenant, e.Pseudonym, e.SealedHandle)
	if err != nil {
		return 0, err
	}
	revoked, err := i.revoked(ctx, handle)
	if err != nil {
		return 0, fmt.Errorf("look up evidence: %w", err)
	}
	if !revoked {
		return 0, i.cfg.Records.MarkChecked(ctx, i.cfg.Tenant, e.Pseudonym, i.cfg.Now().Add(i.cfg.RecheckInterval))
	}
	return i.cfg.Records.RevokeByEvidence(ctx, i.cfg.Tenant, e.Pseudonym, "certificate_revoked")
}

// Run rechecks evidence and forgets what nothing rests on any more, until ctx
// ends. It begins at once: checks may have become due while nothing ran.
func (i *Issuer) Run(ctx context.Context) {
	ticker := time.NewTicker(max(i.retryInterval(), time.Second))
	defer ticker.Stop()
	for {
		i.recheckAndForget(ctx)
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
	if _, err := i.cfg.Records.ForgetEvidence(ctx, i.cfg.Tenant); err != nil && ctx.Err() == nil {
		i.cfg.Log.LogAttrs(ctx, slog.LevelError, "forgetting evidence failed",
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
