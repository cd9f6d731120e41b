package statuslist

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tegata-id/tegata/internal/database"
)

// The errors of this package that callers tell apart.
var (
	ErrUnknownList  = errors.New("statuslist: unknown list")
	ErrUnknownIndex = errors.New("statuslist: index was never handed out")
	ErrUnknownKey   = errors.New("statuslist: the key that permutes this list is not configured")
)

// MinSize is the smallest list: a token must hide among this many.
const MinSize = 10_000

// Config says how lists are made.
type Config struct {
	// Owner names the role these lists belong to, such as "issuer"; lists of
	// another owner are neither used nor published.
	Owner string
	// Keys permute the indexes, each at least 32 bytes of secret. New lists
	// use the first; a retired key stays in the slice for as long as its lists
	// are published.
	Keys [][]byte
	// Size is the number of entries of new lists, decoys included: at least
	// MinSize, 2^17 if zero.
	Size int
	// Decoys is the number of entries that are never handed out; Size/16 if
	// zero.
	Decoys int
}

// Lists hands out status indexes and records revocations. All its methods run
// inside the caller's transaction.
type Lists struct {
	owner    string
	keys     map[string][]byte
	keyID    string
	size     uint64
	capacity uint64
}

// Entry is one index of one list.
type Entry struct {
	ListID string
	Index  uint64
}

// New returns the lists of one owner.
func New(c Config) (*Lists, error) {
	size := c.Size
	if size == 0 {
		size = 1 << 17
	}
	decoys := c.Decoys
	if decoys == 0 {
		decoys = size / 16
	}
	switch {
	case c.Owner == "":
		return nil, errors.New("statuslist: no owner")
	case len(c.Keys) == 0:
		return nil, errors.New("statuslist: no key")
	case size < MinSize || size > 1<<30:
		return nil, fmt.Errorf("statuslist: size %d, want %d or more", size, MinSize)
	case decoys < 0 || decoys > size/2:
		return nil, fmt.Errorf("statuslist: %d decoys in %d entries", decoys, size)
	}
	l := &Lists{owner: c.Owner, keys: map[string][]byte{}, size: uint64(size), capacity: uint64(size - decoys)}
	for i, key := range c.Keys {
		if len(key) < 32 {
			return nil, fmt.Errorf("statuslist: key %d has %d bytes, want at least 32", i, len(key))
		}
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte("tegata status list key id 1"))
		id := hex.EncodeToString(mac.Sum(nil)[:8])
		l.keys[id] = key
		if i == 0 {
			l.keyID = id
		}
	}
	return l, nil
}

// Allocate hands out n indexes for tokens of a kind (type and format, spelled
// as the caller likes), all of one list. A new list is opened when the
// present one has fewer left. If the transaction is rolled back the indexes
// were never handed out; once it is committed they are used up, whatever
// becomes of the token.
func (l *Lists) Allocate(ctx context.Context, tx *sql.Tx, tenant, kind string, n int, now time.Time) ([]Entry, error) {
	if n <= 0 || uint64(n) > l.capacity {
		return nil, fmt.Errorf("statuslist: cannot allocate %d entries", n)
	}
	id, next, size, err := l.advance(ctx, tx, tenant, kind, n)
	if errors.Is(err, sql.ErrNoRows) {
		id, next, size, err = l.advanceNew(ctx, tx, tenant, kind, n, now)
	}
	if err != nil {
		return nil, fmt.Errorf("statuslist: allocate: %w", err)
	}
	p, err := newPermutation(l.keys[l.keyID], tenant, id, size)
	if err != nil {
		return nil, err
	}
	entries := make([]Entry, n)
	for i := range entries {
		entries[i] = Entry{ListID: id, Index: p.index(next - uint64(n) + uint64(i))}
	}
	for chunk := range slices.Chunk(entries, database.MaxRows) {
		args := []any{tenant, id}
		for _, e := range chunk {
			args = append(args, int64(e.Index))
		}
		rows := database.Rows(len(chunk), func(i int) string { return fmt.Sprintf("($1, $2, $%d, 0)", 3+i) })
		if _, err := tx.ExecContext(ctx, `INSERT INTO status_entries (tenant, list_id, idx, invalid_at) VALUES `+rows, args...); err != nil {
			return nil, fmt.Errorf("statuslist: allocate: %w", err)
		}
	}
	return entries, nil
}

// advance moves the counter of a list that has room for n more. It returns
// sql.ErrNoRows if there is none.
func (l *Lists) advance(ctx context.Context, tx *sql.Tx, tenant, kind string, n int) (id string, next, size uint64, err error) {
	err = tx.QueryRowContext(ctx, `
		UPDATE status_lists SET next = next + $1
		WHERE tenant = $2 AND id = (
			SELECT id FROM status_lists
			WHERE tenant = $2 AND owner = $3 AND kind = $4 AND key_id = $5 AND accepting = 1 AND next + $1 <= capacity
			ORDER BY created_at, id LIMIT 1)
		AND accepting = 1 AND next + $1 <= capacity
		RETURNING id, next, size`, n, tenant, l.owner, kind, l.keyID).Scan(&id, &next, &size)
	return id, next, size, err
}

// advanceNew is advance after there was no list. Whoever comes first opens one;
// those that waited for that find it.
func (l *Lists) advanceNew(ctx context.Context, tx *sql.Tx, tenant, kind string, n int, now time.Time) (id string, next, size uint64, err error) {
	if _, err = tx.ExecContext(ctx, `
		INSERT INTO status_openings (tenant, owner, kind, count) VALUES ($1, $2, $3, 1)
		ON CONFLICT (tenant, owner, kind) DO UPDATE SET count = status_openings.count + 1`,
		tenant, l.owner, kind); err != nil {
		return "", 0, 0, err
	}
	id, next, size, err = l.advance(ctx, tx, tenant, kind, n)
	if !errors.Is(err, sql.ErrNoRows) {
		return id, next, size, err
	}
	if err = l.open(ctx, tx, tenant, kind, now); err != nil {
		return "", 0, 0, err
	}
	return l.advance(ctx, tx, tenant, kind, n)
}

// open starts a list and closes those of the kind that were in use.
func (l *Lists) open(ctx context.Context, tx *sql.Tx, tenant, kind string, now time.Time) error {
	if _, err := tx.ExecContext(ctx, `
		UPDATE status_lists SET accepting = 0 WHERE tenant = $1 AND owner = $2 AND kind = $3 AND accepting = 1`,
		tenant, l.owner, kind); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `
		INSERT INTO status_lists (tenant, id, owner, kind, key_id, size, capacity, next, accepting, version, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, 0, 1, 0, $8)`,
		tenant, rand.Text(), l.owner, kind, l.keyID, int64(l.size), int64(l.capacity), now.Unix())
	return err
}

// Retire stops handing out indexes of the lists there are, so that the next
// allocation opens new ones, and returns how many it stopped. It must be called after the database was restored
// from a backup: the counters went back with it, and indexes handed out since
// would come again.
func (l *Lists) Retire(ctx context.Context, tx *sql.Tx, tenant string) (stopped int64, err error) {
	result, err := tx.ExecContext(ctx, `
		UPDATE status_lists SET accepting = 0 WHERE tenant = $1 AND owner = $2 AND accepting = 1`, tenant, l.owner)
	if err == nil {
		stopped, err = result.RowsAffected()
	}
	if err != nil {
		return 0, fmt.Errorf("statuslist: retire: %w", err)
	}
	return stopped, nil
}

// IDs returns the lists of a tenant, for the aggregation endpoint (section 9).
func (l *Lists) IDs(ctx context.Context, tx *sql.Tx, tenant string) ([]string, error) {
	rows, err := tx.QueryContext(ctx, `
		SELECT id FROM status_lists WHERE tenant = $1 AND owner = $2 ORDER BY id`, tenant, l.owner)
	if err != nil {
		return nil, fmt.Errorf("statuslist: %w", err)
	}
	defer rows.Close()
	var ids []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, fmt.Errorf("statuslist: %w", err)
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

// snapshot is what a list says at one moment of the database.
type snapshot struct {
	version  int64
	size     uint64
	capacity uint64
	created  time.Time
	order    *permutation
	rows     []byte // one bit per entry that a row says is INVALID
}

// at returns the bits with the decoys of a moment, which may lie ahead.
func (s *snapshot) at(t time.Time) []byte {
	bits := bytes.Clone(s.rows)
	s.order.invalidDecoys(s.capacity, s.created, t, func(index uint64) { setBit(bits, index) })
	return bits
}

func setBit(bits []byte, index uint64) { bits[index/8] |= 1 << (index % 8) }

// read derives the bits of a list from its rows.
func (l *Lists) read(ctx context.Context, tx *sql.Tx, tenant, id string) (*snapshot, error) {
	s := &snapshot{}
	var keyID string
	var created int64
	err := tx.QueryRowContext(ctx, `
		SELECT key_id, size, capacity, version, created_at FROM status_lists WHERE tenant = $1 AND id = $2 AND owner = $3`,
		tenant, id, l.owner).Scan(&keyID, &s.size, &s.capacity, &s.version, &created)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, ErrUnknownList
	}
	if err != nil {
		return nil, fmt.Errorf("statuslist: %w", err)
	}
	key, ok := l.keys[keyID]
	if !ok {
		return nil, fmt.Errorf("%w: %s", ErrUnknownKey, keyID)
	}
	if s.order, err = newPermutation(key, tenant, id, s.size); err != nil {
		return nil, err
	}
	s.created, s.rows = time.Unix(created, 0), make([]byte, (s.size+7)/8)
	rows, err := tx.QueryContext(ctx, `
		SELECT idx FROM status_entries WHERE tenant = $1 AND list_id = $2 AND invalid_at > 0`, tenant, id)
	if err != nil {
		return nil, fmt.Errorf("statuslist: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var index uint64
		if err := rows.Scan(&index); err != nil {
			return nil, fmt.Errorf("statuslist: %w", err)
		}
		if index >= s.size {
			return nil, fmt.Errorf("statuslist: list %s has a row beyond its size", id)
		}
		setBit(s.rows, index)
	}
	return s, rows.Err()
}
