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

// recheckBatch bounds how many pieces of evidence are read at once.
const recheckBatch = 500

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
// Evidence that could not be looked up stays due; the errors are joined.
func (i *Issuer) Recheck(ctx context.Context) (revokedCredentials int, err error) {
	var failures []error
	for {
		due, err := i.cfg.Records.EvidenceToCheck(ctx, i.cfg.Tenant, recheckBatch)
		if err != nil {
			return revokedCredentials, err
		}
		settled := 0
		for _, e := range due {
			n, err := i.recheckOne(ctx, e)
			revokedCredentials += n
			if err != nil {
				failures = append(failures, err)
				continue
			}
			settled++
		}
		// What fails stays due and would come back for ever.
		if len(due) < recheckBatch || settled == 0 {
			return revokedCredentials, errors.Join(failures...)
		}
	}
}

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
// ends.
func (i *Issuer) Run(ctx context.Context) {
	ticker := time.NewTicker(i.cfg.RecheckInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		revoked, err := i.Recheck(ctx)
		if err != nil && ctx.Err() == nil {
			i.cfg.Log.LogAttrs(ctx, slog.LevelError, "recheck of evidence failed",
				slog.String("tenant", i.cfg.Tenant), slog.String("cause", err.Error()))
		}
		if revoked > 0 {
			i.cfg.Log.LogAttrs(ctx, slog.LevelInfo, "credentials revoked",
				slog.String("tenant", i.cfg.Tenant), slog.Int("count", revoked))
		}
		if _, err := i.cfg.Records.ForgetEvidence(ctx, i.cfg.Tenant); err != nil && ctx.Err() == nil {
			i.cfg.Log.LogAttrs(ctx, slog.LevelError, "forgetting evidence failed",
				slog.String("tenant", i.cfg.Tenant), slog.String("cause", err.Error()))
		}
	}
}
