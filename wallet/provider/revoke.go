package provider

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/tegata-id/tegata/internal/audit"
	"github.com/tegata-id/tegata/internal/statuslist"
)

const (
	// allVersions stands for every version of a wallet in rows of those that
	// have ended.
	allVersions = "*"
	// revokeBatch is how many instances are looked for at once.
	revokeBatch = 200
)

// walletVersion is what versions of a wallet look like.
var walletVersion = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z._+-]{0,63}$`)

// Revoke ends an instance for good: it gets no more attestations, and those it
// has become INVALID with the next publication of their status lists. Revoking
// it again changes nothing. The caller has authenticated the operator.
func (p *Provider) Revoke(ctx context.Context, id string, r RevokeRequest) error {
	reason, err := revocationReason(r.Reason)
	if err != nil {
		return err
	}
	err = p.revokeInstance(ctx, id, "", "operator", reason)
	p.cfg.Metrics.revocation(p.cfg.Tenant, err)
	return err
}

// RevokeOwn is [Provider.Revoke] by the user of the instance, who proves to have
// its key.
func (p *Provider) RevokeOwn(ctx context.Context, id string, r RevokeOwnRequest) error {
	i, err := p.authenticate(ctx, r.Proof, PurposeRevoke)
	if err != nil {
		return err
	}
	err = p.revokeInstance(ctx, id, i.thumbprint, "wallet-instance", RevokedByUser)
	p.cfg.Metrics.revocation(p.cfg.Tenant, err)
	return err
}

// RevokeMany ends a version of the wallet, or all of them, for good: none of its
// instances registers or gets attestations from now on, and those there are get
// revoked one after another. If it fails half-way, calling it again goes on.
// The caller has authenticated the operator.
func (p *Provider) RevokeMany(ctx context.Context, r RevokeManyRequest) (response RevokeManyResponse, err error) {
	reason, err := revocationReason(r.Reason)
	if err != nil {
		return response, err
	}
	version := r.WalletVersion
	if r.All {
		version = allVersions
	}
	if r.All == (r.WalletVersion != "") || !r.All && !walletVersion.MatchString(version) {
		return response, refuse(ReasonInvalidRequest, "either wallet_version or all is needed", nil)
	}
	if err := p.endVersion(ctx, version, reason); err != nil {
		return response, err
	}
	for {
		ids, err := p.standing(ctx, version)
		if err != nil || len(ids) == 0 {
			return response, err
		}
		for _, id := range ids {
			// One transaction each: many rows in one would stand in the way of
			// those who get attestations.
			err := p.revokeInstance(ctx, id, "", "operator", reason)
			p.cfg.Metrics.revocation(p.cfg.Tenant, err)
			if err != nil {
				return response, err
			}
			response.Revoked++
		}
	}
}

// revocationReason returns the reason that is recorded.
func revocationReason(reason string) (string, error) {
	if reason == "" {
		return RevokedUnspecified, nil
	}
	if !slices.Contains([]string{RevokedUnspecified, RevokedByUser, RevokedByIssuer, RevokedCompromised}, reason) {
		return "", refuse(ReasonInvalidRequest, "reason is not one of those there are", nil)
	}
	return reason, nil
}

// endVersion records that a version has ended.
func (p *Provider) endVersion(ctx context.Context, version, reason string) error {
	now := p.cfg.Now()
	return p.cfg.DB.Write(ctx, func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, `
			INSERT INTO wallet_ended_versions (tenant, wallet_version, ended_at) VALUES ($1, $2, $3)
			ON CONFLICT (tenant, wallet_version) DO NOTHING`, p.cfg.Tenant, version, now.Unix())
		if err != nil {
			return fmt.Errorf("provider: end version: %w", err)
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			return err
		}
		object := version
		if version == allVersions {
			object = "all"
		}
		event := audit.Event{Kind: "wallet_version.revoked", Actor: "operator", Object: object, Outcome: reason}
		return p.cfg.Audit.Append(ctx, tx, p.cfg.Tenant, now, event)
	})
}

// checkVersion refuses a version that has ended; "" is one that nobody named.
func (p *Provider) checkVersion(ctx context.Context, tx *sql.Tx, version string) error {
	var n int
	err := tx.QueryRowContext(ctx, `
		SELECT COUNT(*) FROM wallet_ended_versions WHERE tenant = $1 AND wallet_version IN ($2, $3)`,
		p.cfg.Tenant, version, allVersions).Scan(&n)
	if err != nil {
		return fmt.Errorf("provider: version: %w", err)
	}
	if n > 0 {
		return refuse(ReasonVersionRevoked, "the version of the wallet is revoked", nil)
	}
	return nil
}

// standing returns some of the instances of a version that are not revoked.
func (p *Provider) standing(ctx context.Context, version string) (ids []string, err error) {
	err = p.cfg.DB.Read(ctx, func(tx *sql.Tx) error {
		ids = nil
		rows, err := tx.QueryContext(ctx, `
			SELECT id FROM wallet_instances
			WHERE tenant = $1 AND revoked_at = 0 AND (wallet_version = $2 OR $2 = $3) LIMIT $4`,
			p.cfg.Tenant, version, allVersions, revokeBatch)
		if err != nil {
			return fmt.Errorf("provider: instances: %w", err)
		}
		defer rows.Close()
		for rows.Next() {
			var id string
			if err := rows.Scan(&id); err != nil {
				return fmt.Errorf("provider: instances: %w", err)
			}
			ids = append(ids, id)
		}
		return rows.Err()
	})
	return ids, err
}

// revokeInstance ends an instance and makes its attestations INVALID. An
// instance that is revoked stays as it is. With a thumbprint it must be that of
// its key.
func (p *Provider) revokeInstance(ctx context.Context, id, thumbprint, actor, reason string) error {
	now := p.cfg.Now()
	return p.cfg.DB.Write(ctx, func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, `
			UPDATE wallet_instances SET revoked_at = $1, revoke_reason = $2
			WHERE tenant = $3 AND id = $4 AND revoked_at = 0 AND ($5 = '' OR key_thumbprint = $5)`,
			max(now.Unix(), 1), reason, p.cfg.Tenant, id, thumbprint)
		if err != nil {
			return fmt.Errorf("provider: revoke: %w", err)
		}
		n, err := result.RowsAffected()
		if err != nil {
			return fmt.Errorf("provider: revoke: %w", err)
		}
		if n == 0 {
			return p.instanceExists(ctx, tx, id, thumbprint)
		}
		event := audit.Event{Kind: "instance.revoked", Actor: actor, Object: id, Outcome: reason}
		if err := p.cfg.Audit.Append(ctx, tx, p.cfg.Tenant, now, event); err != nil {
			return err
		}
		return p.revokeAttestations(ctx, tx, id, now)
	})
}

func (p *Provider) instanceExists(ctx context.Context, tx *sql.Tx, id, thumbprint string) error {
	var n int
	err := tx.QueryRowContext(ctx, `
		SELECT COUNT(*) FROM wallet_instances WHERE tenant = $1 AND id = $2 AND ($3 = '' OR key_thumbprint = $3)`,
		p.cfg.Tenant, id, thumbprint).Scan(&n)
	if err != nil {
		return fmt.Errorf("provider: instance: %w", err)
	}
	if n == 0 {
		return errUnknown()
	}
	return nil
}

// revokeAttestations makes all attestations of an instance INVALID, expired ones
// too: issuers may look at them again for as long as their credentials live.
func (p *Provider) revokeAttestations(ctx context.Context, tx *sql.Tx, id string, now time.Time) error {
	entries, living, err := p.entriesOf(ctx, tx, id, now)
	if err != nil {
		return fmt.Errorf("provider: revoke: %w", err)
	}
	if p.cfg.StatusLists == nil {
		if living {
			return errors.New("provider: attestations of the instance are on status lists that are not configured")
		}
		return nil
	}
	_, err = p.cfg.StatusLists.Lists.Revoke(ctx, tx, p.cfg.Tenant, now, entries...)
	return err
}

// entriesOf returns the status entries of all attestations of an instance, and
// whether one of those has not expired.
func (p *Provider) entriesOf(ctx context.Context, tx *sql.Tx, id string, now time.Time) (entries []statuslist.Entry, living bool, err error) {
	rows, err := tx.QueryContext(ctx, `
		SELECT list_id, idx, expires_at FROM wallet_attestations WHERE tenant = $1 AND instance_id = $2`,
		p.cfg.Tenant, id)
	if err != nil {
		return nil, false, err
	}
	defer rows.Close()
	for rows.Next() {
		var e statuslist.Entry
		var expires int64
		if err := rows.Scan(&e.ListID, &e.Index, &expires); err != nil {
			return nil, false, err
		}
		entries = append(entries, e)
		living = living || expires > now.Unix()
	}
	return entries, living, rows.Err()
}
