package provider

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tegata-id/tegata/credentials/jose"
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
func (p *Provider) insertInstance(ctx context.Context, i *instance, platform string) (id string, created bool, err error) {
	now := p.cfg.Now()
	fresh := rand.Text() // not in the transaction, which may run again
	err = p.cfg.DB.Write(ctx, func(tx *sql.Tx) error {
		id, created = fresh, false
		if err := p.checkVersion(ctx, tx, i.claims.Version); err != nil {
			return err
		}
		result, err := tx.ExecContext(ctx, `
			INSERT INTO wallet_instances (tenant, id, key_thumbprint, platform, created_at, seen_at, revoked_at, revoke_reason, wallet_version)
			VALUES ($1, $2, $3, $4, $5, $6, 0, '', $7) ON CONFLICT (tenant, key_thumbprint) DO NOTHING`,
			p.cfg.Tenant, fresh, i.thumbprint, platform, now.Unix(), day(now), i.claims.Version)
		if err != nil {
			return fmt.Errorf("provider: instance: %w", err)
		}
		n, err := result.RowsAffected()
		if err != nil {
			return fmt.Errorf("provider: instance: %w", err)
		}
		if n == 0 {
			id, err = p.findInstance(ctx, tx, i.thumbprint, platform)
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
	version  string // of the wallet
	key      *keys.Key
	issued   time.Time
	expires  time.Time
	status   *statuslist.Entry // nil without status lists
}

// allocate checks that the instance with this ID and key stands, and records
// the attestation and its keys before it is signed, so that a revocation finds
// it.
func (p *Provider) allocate(ctx context.Context, id string, i *instance, kind string) (*attested, error) {
	now := p.cfg.Now()
	a, err := p.signed(now)
	if err != nil {
		return nil, err
	}
	row := rand.Text()
	err = p.cfg.DB.Write(ctx, func(tx *sql.Tx) error {
		a.status = nil
		name, version, err := p.lockInstance(ctx, tx, id, i, now)
		if err != nil {
			return err
		}
		if err := p.checkVersion(ctx, tx, version); err != nil {
			return err
		}
		if err := p.claimKeys(ctx, tx, id, i); err != nil {
			return err
		}
		a.version = version
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

// lockInstance returns platform and version of an instance that stands, with its
// row locked until the transaction ends, so that a revocation comes before it or
// sees what it wrote. Another key is the same to outsiders as another ID.
func (p *Provider) lockInstance(ctx context.Context, tx *sql.Tx, id string, i *instance, now time.Time) (platform, version string, err error) {
	var revoked int64
	err = tx.QueryRowContext(ctx, `
		UPDATE wallet_instances SET seen_at = $1, wallet_version = CASE WHEN $2 = '' THEN wallet_version ELSE $2 END
		WHERE tenant = $3 AND id = $4 AND key_thumbprint = $5
		RETURNING platform, wallet_version, revoked_at`,
		day(now), i.claims.Version, p.cfg.Tenant, id, i.thumbprint).Scan(&platform, &version, &revoked)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return "", "", errUnknown()
	case err != nil:
		return "", "", fmt.Errorf("provider: instance: %w", err)
	case revoked != 0:
		return "", "", errRevoked()
	}
	return platform, version, nil
}

// claimKeys records that keys are attested, and refuses one that was before: a key
// is in one attestation at most (EUDI technical specification 3 section 2.2), by
// whatever instance, so that nobody can tell by it that two are of one wallet.
func (p *Provider) claimKeys(ctx context.Context, tx *sql.Tx, id string, i *instance) error {
	macs := make([]string, len(i.claims.Keys))
	for n := range i.claims.Keys {
		mac := hmac.New(sha256.New, p.keyMAC)
		mac.Write(i.claims.Keys[n].Thumbprint())
		macs[n] = jose.EncodeBase64(mac.Sum(nil))
	}
	slices.Sort(macs) // so that two transactions don't wait for each other
	for _, mac := range macs {
		result, err := tx.ExecContext(ctx, `
			INSERT INTO wallet_attested_keys (tenant, key_mac, instance_id) VALUES ($1, $2, $3)
			ON CONFLICT (tenant, key_mac) DO NOTHING`, p.cfg.Tenant, mac, id)
		if err != nil {
			return fmt.Errorf("provider: attested keys: %w", err)
		}
		if n, err := result.RowsAffected(); err != nil {
			return fmt.Errorf("provider: attested keys: %w", err)
		} else if n == 0 {
			return refuse(ReasonKeysInvalid, "a key was attested before", nil)
		}
	}
	return nil
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
