package statuslist

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/tegata-id/tegata/credentials/status"
)

// The states of an entry in [Stored].
const (
	unused  = iota // may be handed out: VALID
	valid          // handed out and VALID
	invalid        // handed out and INVALID
	decoy          // never to be handed out, VALID now
	setDecoy
)

// Stored is what the database says of a list at one moment, read to be compared
// with what is published. Every entry is one of three: handed out, with a row
// that says its status; a decoy, which the permutation puts beyond the list's
// capacity, and whose status is a function of the key and the time; or not used
// yet, and VALID.
type Stored struct {
	ListID   string
	size     uint64
	version  int64
	order    *permutation
	capacity uint64
	created  time.Time
	next     uint64
	rows     map[uint64]bool // by index, whether it is INVALID
	pub      held
}

// Stored reads a list. Nothing of the code that publishes is used but the
// permutation.
func (l *Lists) Stored(ctx context.Context, tx *sql.Tx, tenant, id string) (*Stored, error) {
	s := &Stored{ListID: id, rows: map[uint64]bool{}}
	var keyID string
	var created int64
	err := tx.QueryRowContext(ctx, `
		SELECT key_id, size, capacity, next, version, created_at FROM status_lists WHERE tenant = $1 AND id = $2 AND owner = $3`,
		tenant, id, l.owner).Scan(&keyID, &s.size, &s.capacity, &s.next, &s.version, &created)
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
	s.created = time.Unix(created, 0)
	if s.order, err = newPermutation(key, tenant, id, s.size); err != nil {
		return nil, err
	}
	if err := s.readRows(ctx, tx, tenant); err != nil {
		return nil, err
	}
	return s, s.readPublication(ctx, tx, tenant)
}

func (s *Stored) readRows(ctx context.Context, tx *sql.Tx, tenant string) error {
	rows, err := tx.QueryContext(ctx, `
		SELECT idx, invalid_at FROM status_entries WHERE tenant = $1 AND list_id = $2`, tenant, s.ListID)
	if err != nil {
		return fmt.Errorf("statuslist: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var index uint64
		var invalidAt int64
		if err := rows.Scan(&index, &invalidAt); err != nil {
			return fmt.Errorf("statuslist: %w", err)
		}
		s.rows[index] = invalidAt > 0
	}
	return rows.Err()
}

func (s *Stored) readPublication(ctx context.Context, tx *sql.Tx, tenant string) error {
	var pub Publication
	var issued int64
	err := tx.QueryRowContext(ctx, `
		SELECT sequence, version, issued_at FROM status_publications WHERE tenant = $1 AND list_id = $2`,
		tenant, s.ListID).Scan(&pub.Sequence, &pub.Version, &issued)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("statuslist: publication: %w", err)
	}
	pub.IssuedAt = time.Unix(issued, 0).UTC()
	s.pub = held{sequence: pub.Sequence, tokens: []Publication{pub}}
	return s.pub.readTokens(ctx, tx, listKey{tenant, s.ListID})
}

// Published is one form of a list as somebody got it: Raw as served, Token
// verified.
type Published struct {
	Raw   string
	Token *status.Token
}

// Comparison is what [Stored.Compare] found.
type Comparison struct {
	// HandedOut and Decoys count entries, Invalid those of HandedOut that are
	// INVALID in the database.
	HandedOut, Invalid, Decoys int
	// Pending counts those of Invalid that the token does not show yet.
	Pending int
	// Faults says what differs, at most maxFaults of it; Count counts all.
	Faults []string
	Count  int
}

// maxFaults bounds how much is said of one list.
const maxFaults = 20

func (c *Comparison) fault(format string, args ...any) {
	if c.Count++; len(c.Faults) < maxFaults {
		c.Faults = append(c.Faults, fmt.Sprintf(format, args...))
	}
}

// ErrNotPublication says that the token that was got is none of those that the
// database has: another publication came in between, or it is not ours.
var ErrNotPublication = errors.New("statuslist: not the token of the database")

// Compare holds a token against the database, bit by bit. A revocation may be
// missing in it if it is one of those since the token was made, which the
// versions count, and its window has not been over for longer than another.
func (s *Stored) Compare(p Published, window time.Duration, now time.Time) (*Comparison, error) {
	issued, ok := s.issued(p.Raw)
	if !ok {
		return nil, ErrNotPublication
	}
	c := &Comparison{HandedOut: len(s.rows)}
	states := s.states(c, issued)
	for index := range max(s.size, p.Token.Len()) {
		got, err := p.Token.Get(index)
		if err != nil {
			c.fault("entry %d is not in the token", index)
			continue
		}
		if index >= s.size {
			if got != status.Valid {
				c.fault("entry %d is beyond the list, and %s", index, got)
			}
			continue
		}
		s.compareEntry(c, index, states[index], got)
	}
	switch behind := s.version - s.pub.tokens[0].Version; {
	case int64(c.Pending) != behind:
		c.fault("%d revocations are not in the token, and %d were made since", c.Pending, behind)
	case behind > 0 && now.Sub(s.pub.tokens[0].IssuedAt) > 2*window:
		c.fault("%d revocations are not published, though their window is over", behind)
	}
	return c, nil
}

// issued returns when the token was issued by the database.
func (s *Stored) issued(raw string) (time.Time, bool) {
	for _, t := range s.pub.tokens {
		if raw != "" && (raw == t.JWT || raw == t.CWT) {
			return t.IssuedAt, true
		}
	}
	return time.Time{}, false
}

// states returns the state of every entry at a moment, by way of the place it
// has in the permutation.
func (s *Stored) states(c *Comparison, at time.Time) []byte {
	states := make([]byte, s.size)
	seen := 0
	for n := range s.size {
		index := s.order.index(n)
		isInvalid, row := s.rows[index]
		switch {
		case n >= s.capacity:
			c.Decoys++
			states[index] = decoy
			if row {
				seen++
				c.fault("entry %d is a decoy, and was handed out", index)
			}
		case row:
			seen++
			states[index] = valid
			if isInvalid {
				c.Invalid++
				states[index] = invalid
			}
			if n >= s.next {
				c.fault("entry %d was handed out, and the counter has not come to it", index)
			}
		case n < s.next:
			c.fault("entry %d was counted, and has no row", index)
		}
	}
	s.order.invalidDecoys(s.capacity, s.created, at, func(index uint64) { states[index] = setDecoy })
	if seen != len(s.rows) {
		c.fault("%d rows are beyond the list", len(s.rows)-seen)
	}
	return states
}

func (s *Stored) compareEntry(c *Comparison, index uint64, state byte, got status.Value) {
	want := status.Valid
	if state == invalid || state == setDecoy {
		want = status.Invalid
	}
	if got == want {
		return
	}
	switch state {
	case invalid:
		if got == status.Valid {
			c.Pending++
			return
		}
		c.fault("entry %d is INVALID in the database, and %s in the token", index, got)
	case valid:
		c.fault("entry %d is VALID in the database, and %s in the token", index, got)
	case decoy, setDecoy:
		c.fault("entry %d is a decoy that should be %s, and is %s in the token", index, want, got)
	default:
		c.fault("entry %d was never handed out, and is %s in the token", index, got)
	}
}
