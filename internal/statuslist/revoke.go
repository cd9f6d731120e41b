package statuslist

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// revokeChunk is how many entries one statement names.
const revokeChunk = 500

// Revoke makes entries INVALID, for good, and returns how many were not so
// before. It fails with [ErrUnknownIndex] if one was never handed out.
func (l *Lists) Revoke(ctx context.Context, tx *sql.Tx, tenant string, now time.Time, entries ...Entry) (int, error) {
	// Always in the same order, so that two transactions cannot deadlock.
	entries = slices.Clone(entries)
	slices.SortFunc(entries, func(a, b Entry) int {
		return cmp.Or(cmp.Compare(a.ListID, b.ListID), cmp.Compare(a.Index, b.Index))
	})
	entries = slices.Compact(entries)
	revoked := 0
	for len(entries) > 0 {
		n := 1
		for n < len(entries) && entries[n].ListID == entries[0].ListID {
			n++
		}
		changed, err := l.revokeOf(ctx, tx, tenant, now, entries[:n])
		if err != nil {
			return 0, err
		}
		revoked, entries = revoked+changed, entries[n:]
	}
	return revoked, nil
}

// revokeOf makes entries of one list INVALID, and counts the list's version up
// by as many as were not.
func (l *Lists) revokeOf(ctx context.Context, tx *sql.Tx, tenant string, now time.Time, entries []Entry) (changed int, err error) {
	list := entries[0].ListID
	for chunk := range slices.Chunk(entries, revokeChunk) {
		n, err := l.revokeChunk(ctx, tx, tenant, now, list, chunk)
		if err != nil {
			return 0, err
		}
		changed += n
	}
	if changed == 0 {
		return 0, nil
	}
	if _, err := tx.ExecContext(ctx, `
		UPDATE status_lists SET version = version + $1 WHERE tenant = $2 AND id = $3`, changed, tenant, list); err != nil {
		return 0, fmt.Errorf("statuslist: revoke: %w", err)
	}
	return changed, nil
}

func (l *Lists) revokeChunk(ctx context.Context, tx *sql.Tx, tenant string, now time.Time, list string, entries []Entry) (int, error) {
	indexes := make([]any, len(entries))
	for i, e := range entries {
		indexes[i] = int64(e.Index)
	}
	in := placeholders(4, len(entries))
	var known int
	err := tx.QueryRowContext(ctx, `
		SELECT COUNT(*) FROM status_entries e JOIN status_lists l ON l.tenant = e.tenant AND l.id = e.list_id
		WHERE e.tenant = $1 AND e.list_id = $2 AND l.owner = $3 AND e.idx IN (`+in+`)`,
		append([]any{tenant, list, l.owner}, indexes...)...).Scan(&known)
	if err != nil {
		return 0, fmt.Errorf("statuslist: revoke: %w", err)
	}
	if known != len(entries) {
		return 0, fmt.Errorf("%w: %d of %d, of list %s", ErrUnknownIndex, len(entries)-known, len(entries), list)
	}
	result, err := tx.ExecContext(ctx, `
		UPDATE status_entries SET invalid_at = $1 WHERE tenant = $2 AND list_id = $3 AND invalid_at = 0 AND idx IN (`+in+`)`,
		append([]any{max(now.Unix(), 1), tenant, list}, indexes...)...)
	if err != nil {
		return 0, fmt.Errorf("statuslist: revoke: %w", err)
	}
	n, err := result.RowsAffected()
	return int(n), err
}

// placeholders returns n parameters for IN, the first of them with this number.
func placeholders(first, n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString("$" + strconv.Itoa(first+i))
	}
	return b.String()
}
