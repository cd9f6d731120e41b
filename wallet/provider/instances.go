package provider

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/internal/audit"
	"github.com/tegata-id/tegata/internal/statuslist"
)

// Kinds of attestations, in rows and as kinds of status lists.
const (
	kindClient = "client-attestation"
	kindKey    = "key-attestation"
)

// insertInstance writes an instance, or finds the one that has the key.
func (p *Provider) insertInstance(ctx context.Context, thumbprint, platform string) (id string, created bool, err error) {
	now := p.cfg.Now()
	fresh := rand.Text() // not in the transaction, which may run again
	err = p.cfg.DB.Write(ctx, func(tx *sql.Tx) error {
		id, created = fresh, false
		result, err := tx.ExecContext(ctx, `
			INSERT INTO wallet_instances (tenant, id, key_thumbprint, platform, created_at, seen_at, revoked_at, revoke_reason)
			VALUES ($1, $2, $3, $4, $5, $6, 0, '') ON CONFLICT (tenant, key_thumbprint) DO NOTHING`,
			p.cfg.Tenant, fresh, thumbprint, platform, now.Unix(), day(now))
		if err != nil {
			return fmt.Errorf("provider: instance: %w", err)
		}
		n, err := result.RowsAffected()
		if err != nil {
			return fmt.Errorf("provider: instance: %w", err)
		}
		if n == 0 {
			id, err = p.findInstance(ctx, tx, thumbprint, platform)
			return err
		}
		created = true
		event := audit.Event{Kind: "instance.registered", Actor: "wallet-instance", Object: id, Outcome: "ok"}
		return p.cfg.Audit.Append(ctx, tx, p.cfg.Tenant, now, event)
	})
	return id, created, err
}

// findInstance returns the ID of the instance with the key if it stands and is
// on the platform.
func (p *Provider) findInstance(ctx context.Context, tx *sql.Tx, thumbprint, platform string) (id string, err error) {
	var registered string
	var revoked int64
	err = tx.QueryRowContext(ctx, `
		SELECT id, platform, revoked_at FROM wallet_instances WHERE tenant = $1 AND key_thumbprint = $2`,
		p.cfg.Tenant, thumbprint).Scan(&id, &registered, &revoked)
	switch {
	case err != nil:
		return "", fmt.Errorf("provider: instance: %w", err)
	case revoked != 0:
		return "", errRevoked()
	case registered != platform:
		return "", refuse(ReasonKeyRegistered, "the key is registered on another platform", nil)
	}
	return id, nil
}

// attested is what an attestation is about to say.
type attested struct {
	platform Platform
	key      *keys.Key
	issued   time.Time
	expires  time.Time
	status   *statuslist.Entry // nil without status lists
}

// allocate checks that the instance with this ID and key stands, and records
// the attestation before it is signed, so that a revocation finds it.
func (p *Provider) allocate(ctx context.Context, id, thumbprint, kind string) (*attested, error) {
	now := p.cfg.Now()
	a, err := p.signed(now)
	if err != nil {
		return nil, err
	}
	row := rand.Text()
	err = p.cfg.DB.Write(ctx, func(tx *sql.Tx) error {
		a.status = nil
		name, err := p.lockInstance(ctx, tx, id, thumbprint, now)
		if err != nil {
			return err
		}
		var ok bool
		if a.platform, ok = p.cfg.Platforms[name]; !ok {
			return errPlatformWithdrawn()
		}
		if p.cfg.StatusLists == nil {
			return nil
		}
		entries, err := p.cfg.StatusLists.Lists.Allocate(ctx, tx, p.cfg.Tenant, kind, 1, now)
		if err != nil {
			return err
		}
		a.status = &entries[0]
		_, err = tx.ExecContext(ctx, `
			INSERT INTO wallet_attestations (tenant, id, instance_id, kind, list_id, idx, issued_at, expires_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
			p.cfg.Tenant, row, id, kind, a.status.ListID, int64(a.status.Index), a.issued.Unix(), a.expires.Unix())
		if err != nil {
			return fmt.Errorf("provider: attestation: %w", err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return a, nil
}

// signed chooses the key of an attestation that is issued now, and its times: they
// lie within the validity of the key's chain.
func (p *Provider) signed(now time.Time) (*attested, error) {
	key, err := p.cfg.Keys.At(now)
	if err != nil {
		return nil, fmt.Errorf("provider: %w", err)
	}
	begins, ends := key.Validity()
	a := &attested{key: key, issued: now.UTC().Truncate(time.Minute)}
	a.expires = a.issued.Add(p.cfg.Lifetime)
	if a.issued.Before(begins) {
		a.issued = begins
	}
	if a.expires.After(ends) {
		a.expires = ends
	}
	if !a.expires.After(now) {
		return nil, fmt.Errorf("provider: %w", keys.ErrNoSigner)
	}
	return a, nil
}

// lockInstance returns the platform of an instance that stands, with its row
// locked until the transaction ends, so that a revocation comes before it or
// sees what it wrote. Another key is the same to outsiders as another ID.
func (p *Provider) lockInstance(ctx context.Context, tx *sql.Tx, id, thumbprint string, now time.Time) (platform string, err error) {
	var revoked int64
	err = tx.QueryRowContext(ctx, `
		UPDATE wallet_instances SET seen_at = $1 WHERE tenant = $2 AND id = $3 AND key_thumbprint = $4
		RETURNING platform, revoked_at`, day(now), p.cfg.Tenant, id, thumbprint).Scan(&platform, &revoked)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return "", errUnknown()
	case err != nil:
		return "", fmt.Errorf("provider: instance: %w", err)
	case revoked != 0:
		return "", errRevoked()
	}
	return platform, nil
}

// platformOf returns the platform of the instance with this ID and key.
func (p *Provider) platformOf(ctx context.Context, id, thumbprint string) (platform string, err error) {
	err = p.cfg.DB.Read(ctx, func(tx *sql.Tx) error {
		var revoked int64
		err := tx.QueryRowContext(ctx, `
			SELECT platform, revoked_at FROM wallet_instances WHERE tenant = $1 AND id = $2 AND key_thumbprint = $3`,
			p.cfg.Tenant, id, thumbprint).Scan(&platform, &revoked)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return errUnknown()
		case err != nil:
			return fmt.Errorf("provider: instance: %w", err)
		case revoked != 0:
			return errRevoked()
		}
		return nil
	})
	return platform, err
}

// revokeInstance ends an instance and makes its attestations INVALID. An
// instance that is revoked stays as it is.
func (p *Provider) revokeInstance(ctx context.Context, id, reason string) error {
	now := p.cfg.Now()
	return p.cfg.DB.Write(ctx, func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, `
			UPDATE wallet_instances SET revoked_at = $1, revoke_reason = $2
			WHERE tenant = $3 AND id = $4 AND revoked_at = 0`, max(now.Unix(), 1), reason, p.cfg.Tenant, id)
		if err != nil {
			return fmt.Errorf("provider: revoke: %w", err)
		}
		n, err := result.RowsAffected()
		if err != nil {
			return fmt.Errorf("provider: revoke: %w", err)
		}
		if n == 0 {
			return p.instanceExists(ctx, tx, id)
		}
		event := audit.Event{Kind: "instance.revoked", Actor: "operator", Object: id, Outcome: reason}
		if err := p.cfg.Audit.Append(ctx, tx, p.cfg.Tenant, now, event); err != nil {
			return err
		}
		return p.revokeAttestations(ctx, tx, id, now)
	})
}

func (p *Provider) instanceExists(ctx context.Context, tx *sql.Tx, id string) error {
	var n int
	err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM wallet_instances WHERE tenant = $1 AND id = $2`,
		p.cfg.Tenant, id).Scan(&n)
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

func errUnknown() error {
	return refuse(ReasonInstanceUnknown, "there is no such instance with this key", nil)
}

func errPlatformWithdrawn() error {
	return refuse(ReasonPlatformRefused, "the platform of the instance is no longer accepted", nil)
}

func errRevoked() error { return refuse(ReasonInstanceRevoked, "the instance is revoked", nil) }

// day rounds a time down to the day: when exactly somebody used their wallet is
// nobody's business.
func day(t time.Time) int64 { return t.UTC().Truncate(24 * time.Hour).Unix() }
