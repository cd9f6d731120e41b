package records

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tegata-id/tegata/internal/audit"
	"github.com/tegata-id/tegata/internal/statuslist"
)

// Revocation is a certificate that was revoked, as a revocation list or a
// responder says.
type Revocation struct {
	// Pseudonym is that of [Evidence].
	Pseudonym string
	// Reason is a fixed word. It stays inside.
	Reason string
}

// matchChunk is how many pseudonyms one statement names. Its text is the same
// whatever their number, so that it is prepared once.
const matchChunk = 500

// in returns the condition that a column is one of the keys, and its arguments
// filled up to matchChunk. first is the number of its first parameter.
func in(column string, first int, keys []string) (condition string, args []any) {
	var b strings.Builder
	b.WriteString(column + " IN (")
	args = make([]any, matchChunk)
	for i := range args {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString("$" + strconv.Itoa(first+i))
		args[i] = keys[min(i, len(keys)-1)]
	}
	b.WriteString(")")
	return b.String(), args
}

// revokeEvidence records that certificates were revoked: their grants end, and
// the credentials that rest on them become INVALID, except those of types that
// do not fall for the reason. What is unknown, or was revoked for the same
// reason before, is passed over. It returns how many pieces of evidence it
// found, and how many credentials it revoked.
//
// Rows are locked for all of them in the order of the package, kind by kind.
func (r *Records) revokeEvidence(ctx context.Context, tx *sql.Tx, tenant string, list []Revocation) (found, revoked int, err error) {
	known, err := matchEvidence(ctx, tx, tenant, list)
	if err != nil || len(known) == 0 {
		return 0, 0, err
	}
	if err := r.markEvidence(ctx, tx, tenant, known); err != nil {
		return 0, 0, err
	}
	reasons := map[string]string{}
	keys := make([]string, len(known))
	for i, k := range known {
		keys[i], reasons[k.Pseudonym] = k.Pseudonym, k.Reason
	}
	for chunk := range slices.Chunk(keys, matchChunk) {
		condition, args := in("evidence_pseudonym", 3, chunk)
		if err := r.endGrants(ctx, tx, tenant, condition, args...); err != nil {
			return 0, 0, err
		}
	}
	var fall []fallen
	for chunk := range slices.Chunk(keys, matchChunk) {
		condition, args := in("evidence_pseudonym", 2, chunk)
		part, err := unrevoked(ctx, tx, tenant, condition, args...)
		if err != nil {
			return 0, 0, fmt.Errorf("records: revoke: %w", err)
		}
		fall = append(fall, part...)
	}
	fall = slices.DeleteFunc(fall, func(c fallen) bool {
		return r.Cascade != nil && !r.Cascade(c.credentialType, reasons[c.pseudonym])
	})
	for i := range fall {
		fall[i].reason = reasons[fall[i].pseudonym]
	}
	revoked, err = r.revoke(ctx, tx, tenant, causeEvidence, fall)
	return len(known), revoked, err
}

// matchEvidence returns those of the list that are evidence and were not
// revoked for this reason before, each once, in the order of their pseudonyms.
func matchEvidence(ctx context.Context, tx *sql.Tx, tenant string, list []Revocation) (known []Revocation, err error) {
	reasons := map[string]string{}
	for _, l := range list {
		reasons[l.Pseudonym] = l.Reason
	}
	for chunk := range slices.Chunk(list, matchChunk) {
		keys := make([]string, len(chunk))
		for i, l := range chunk {
			keys[i] = l.Pseudonym
		}
		condition, args := in("pseudonym", 2, keys)
		err := each(ctx, tx, `SELECT pseudonym, revoked_at, revoke_reason FROM evidence WHERE tenant = $1 AND `+condition,
			append([]any{tenant}, args...), func(rows *sql.Rows) error {
				var pseudonym, reason string
				var revokedAt int64
				if err := rows.Scan(&pseudonym, &revokedAt, &reason); err != nil {
					return err
				}
				if revokedAt == 0 || reason != reasons[pseudonym] {
					known = append(known, Revocation{pseudonym, reasons[pseudonym]})
				}
				return nil
			})
		if err != nil {
			return nil, fmt.Errorf("records: match evidence: %w", err)
		}
	}
	slices.SortFunc(known, func(a, b Revocation) int { return cmp.Compare(a.Pseudonym, b.Pseudonym) })
	return slices.Compact(known), nil
}

// markEvidence records the revocations, one row after the other, so that two
// transactions come to the rows in the same order.
func (r *Records) markEvidence(ctx context.Context, tx *sql.Tx, tenant string, list []Revocation) error {
	update, err := tx.PrepareContext(ctx, `
		UPDATE evidence SET revoked_at = CASE WHEN revoked_at = 0 THEN $1 ELSE revoked_at END, revoke_reason = $2
		WHERE tenant = $3 AND pseudonym = $4`)
	if err != nil {
		return fmt.Errorf("records: revoke evidence: %w", err)
	}
	defer update.Close()
	for _, l := range list {
		if _, err := update.ExecContext(ctx, r.Now().Unix(), l.Reason, tenant, l.Pseudonym); err != nil {
			return fmt.Errorf("records: revoke evidence: %w", err)
		}
	}
	return nil
}

// fallen is a credential that is about to become INVALID.
type fallen struct {
	id, credentialType, pseudonym, batch string
	entry                                statuslist.Entry
	reason                               string // for the row alone
}

// unrevoked reads the credentials that match and are not revoked, expired or
// not: a token of the list says the same of both. In the condition $1 is the
// tenant.
func unrevoked(ctx context.Context, tx *sql.Tx, tenant, condition string, args ...any) (out []fallen, err error) {
	err = each(ctx, tx, `
		SELECT id, type, evidence_pseudonym, batch_id, list_id, idx FROM issued_credentials
		WHERE tenant = $1 AND revoked_at = 0 AND `+condition,
		append([]any{tenant}, args...), func(rows *sql.Rows) error {
			var c fallen
			if err := rows.Scan(&c.id, &c.credentialType, &c.pseudonym, &c.batch, &c.entry.ListID, &c.entry.Index); err != nil {
				return err
			}
			out = append(out, c)
			return nil
		})
	return out, err
}

// revoke makes credentials INVALID and returns how many were not so before.
func (r *Records) revoke(ctx context.Context, tx *sql.Tx, tenant, cause string, list []fallen) (int, error) {
	if len(list) == 0 {
		return 0, nil
	}
	slices.SortFunc(list, func(a, b fallen) int { return cmp.Compare(a.id, b.id) })
	now := r.Now()
	update, err := tx.PrepareContext(ctx, `
		UPDATE issued_credentials SET revoked_at = $1, revoke_reason = $2 WHERE tenant = $3 AND id = $4 AND revoked_at = 0`)
	if err != nil {
		return 0, fmt.Errorf("records: revoke: %w", err)
	}
	defer update.Close()
	events := make([]audit.Event, len(list))
	entries := make([]statuslist.Entry, len(list))
	for i, c := range list {
		if _, err := update.ExecContext(ctx, now.Unix(), c.reason, tenant, c.id); err != nil {
			return 0, fmt.Errorf("records: revoke: %w", err)
		}
		events[i] = audit.Event{Kind: "credential.revoked", Actor: "issuer", Object: c.id, Outcome: cause}
		entries[i] = c.entry
	}
	if r.Audit != nil {
		if err := r.Audit.Append(ctx, tx, tenant, now, events...); err != nil {
			return 0, err
		}
	}
	return r.Lists.Revoke(ctx, tx, tenant, now, entries...)
}

// each calls scan for every row of a query.
func each(ctx context.Context, tx *sql.Tx, query string, args []any, scan func(*sql.Rows) error) error {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
