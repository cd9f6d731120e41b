package statuslist_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/status"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
	"github.com/tegata-id/tegata/internal/database"
	"github.com/tegata-id/tegata/internal/database/databasetest"
	"github.com/tegata-id/tegata/internal/statuslist"
)

// comparer publishes real tokens and compares them.
type comparer struct {
	db     *database.DB
	lists  *statuslist.Lists
	p      *statuslist.Publisher
	c      *clock
	policy *trust.Policy
	spoil  func([]byte) // of the bits before they are signed
	ring   *keys.Ring
}

func newComparer(t *testing.T, db *database.DB) *comparer {
	t.Helper()
	ca, err := trusttest.NewCA(trusttest.CAOptions{NotBefore: start.AddDate(0, -1, 0)})
	if err != nil {
		t.Fatal(err)
	}
	key, err := ca.IssueStatusSigner(trusttest.LeafOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ring, err := keys.NewRing(keys.Entry{Key: key})
	if err != nil {
		t.Fatal(err)
	}
	c := &comparer{db: db, lists: newLists(t, statuslist.Config{Decoys: 5000}), c: newClock(start), ring: ring}
	c.policy = &trust.Policy{
		Anchors: []trust.Anchor{ca.Anchor()}, Profile: trust.ProfileStatusSigner, Revocation: trust.NotChecked("test"), Now: c.c.now,
	}
	c.p = aheadPublisher(t, db, c.lists, spoiler{c}, c.c)
	return c
}

type spoiler struct{ c *comparer }

func (s spoiler) SignStatusList(ctx context.Context, list statuslist.Unsigned) (statuslist.Signed, error) {
	if s.c.spoil != nil {
		s.c.spoil(list.Bits)
	}
	return ringSigner{s.c.ring, s.c.c.now}.SignStatusList(ctx, list)
}

func (c *comparer) compare(t *testing.T, pub statuslist.Publication, id string) (jwt, cwt *statuslist.Comparison) {
	t.Helper()
	uri := "https://issuer.example/" + id
	first, err := status.Verify(t.Context(), pub.JWT, uri, c.policy, c.c.now())
	if err != nil {
		t.Fatal(err)
	}
	second, err := status.VerifyCWT(t.Context(), []byte(pub.CWT), uri, c.policy, c.c.now())
	if err != nil {
		t.Fatal(err)
	}
	err = c.db.Read(t.Context(), func(tx *sql.Tx) error {
		stored, err := c.lists.Stored(t.Context(), tx, "t", id)
		if err != nil {
			return err
		}
		if jwt, err = stored.Compare(statuslist.Published{Raw: pub.JWT, Token: first}, time.Minute, c.c.now()); err != nil {
			return err
		}
		cwt, err = stored.Compare(statuslist.Published{Raw: pub.CWT, Token: second}, time.Minute, c.c.now())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return jwt, cwt
}

func TestCompare(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		w := newComparer(t, db)
		e := allocate(t, db, w.lists, "t", "k", 100)
		if _, err := revoke(db, w.lists, "t", e[:10]...); err != nil {
			t.Fatal(err)
		}
		pub := current(t, w.p, e[0].ListID)
		expect := func(pending int, fault string) {
			t.Helper()
			jwt, cwt := w.compare(t, pub, e[0].ListID)
			for _, c := range []*statuslist.Comparison{jwt, cwt} {
				if c.HandedOut != 100 || c.Decoys != 5000 || c.Pending != pending {
					t.Errorf("%+v", c)
				}
				if fault == "" && c.Count != 0 || fault != "" && (c.Count != 1 || !strings.Contains(c.Faults[0], fault)) {
					t.Errorf("%d faults: %q, want %q", c.Count, c.Faults, fault)
				}
			}
		}
		expect(0, "")
		if _, err := revoke(db, w.lists, "t", e[10:13]...); err != nil {
			t.Fatal(err)
		}
		expect(3, "")
		w.c.advance(3 * time.Minute)
		expect(3, "though their window is over")
		pub = current(t, w.p, e[0].ListID)
		expect(0, "")
		// What was signed ahead is compared with the decoys of its time.
		w.c.advance(30 * time.Minute)
		w.spoil = func([]byte) { w.ring = emptyRing(t) }
		pub = current(t, w.p, e[0].ListID)
		expect(0, "")
	})
}

// emptyRing has a key whose time is over.
func emptyRing(t *testing.T) *keys.Ring {
	t.Helper()
	ca, err := trusttest.NewCA(trusttest.CAOptions{NotBefore: start.AddDate(-1, 0, 0)})
	if err != nil {
		t.Fatal(err)
	}
	key, err := ca.IssueStatusSigner(trusttest.LeafOptions{NotBefore: start.AddDate(0, -2, 0), Lifetime: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	ring, err := keys.NewRing(keys.Entry{Key: key})
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

// Every bit counts: each change of one, in the token or in the database, is
// found and named.
func TestCompareFinds(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		w := newComparer(t, db)
		e := allocate(t, db, w.lists, "t", "k", 20)
		id := e[0].ListID
		if _, err := revoke(db, w.lists, "t", e[:10]...); err != nil {
			t.Fatal(err)
		}
		order, err := statuslist.NewPermutation(key(1), "t", id, statuslist.MinSize)
		if err != nil {
			t.Fatal(err)
		}
		flip := func(index uint64) func([]byte) { return func(bits []byte) { bits[index/8] ^= 1 << (index % 8) } }
		for name, tc := range map[string]struct {
			spoil func([]byte)
			want  string
		}{
			"revocation lost":  {flip(e[3].Index), "1 revocations are not in the token"},
			"valid set":        {flip(e[15].Index), "is VALID in the database, and INVALID"},
			"unused set":       {flip(order.Index(4999)), "was never handed out, and is INVALID"},
			"decoy wrong":      {flip(order.Index(7000)), "is a decoy that should be"},
			"last decoy wrong": {flip(order.Index(9999)), "is a decoy that should be"},
		} {
			w.spoil = tc.spoil
			w.c.advance(time.Minute)
			jwt, cwt := w.compare(t, current(t, w.p, id), id)
			for _, c := range []*statuslist.Comparison{jwt, cwt} {
				if c.Count != 1 || !strings.Contains(c.Faults[0], tc.want) {
					t.Errorf("%s: %q, want %q", name, c.Faults, tc.want)
				}
			}
		}
		w.spoil = nil
		w.c.advance(time.Minute)
		pub := current(t, w.p, id)
		exec := func(statement string, args ...any) {
			t.Helper()
			err := db.Write(t.Context(), func(tx *sql.Tx) error {
				_, err := tx.ExecContext(t.Context(), statement, args...)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, tc := range []struct{ do, undo, want string }{
			{
				fmt.Sprintf(`INSERT INTO status_entries VALUES ('t', '%s', %d, 0)`, id, order.Index(9000)),
				fmt.Sprintf(`DELETE FROM status_entries WHERE idx = %d`, order.Index(9000)), "is a decoy, and was handed out",
			},
			{
				fmt.Sprintf(`INSERT INTO status_entries VALUES ('t', '%s', %d, 0)`, id, order.Index(4000)),
				fmt.Sprintf(`DELETE FROM status_entries WHERE idx = %d`, order.Index(4000)), "the counter has not come to it",
			},
			{`UPDATE status_lists SET next = next + 1`, `UPDATE status_lists SET next = next - 1`, "has no row"},
			{
				fmt.Sprintf(`INSERT INTO status_entries VALUES ('t', '%s', 20000, 0)`, id),
				`DELETE FROM status_entries WHERE idx = 20000`, "1 rows are beyond the list",
			},
			{
				fmt.Sprintf(`UPDATE status_entries SET invalid_at = 1 WHERE idx = %d`, e[19].Index),
				fmt.Sprintf(`UPDATE status_entries SET invalid_at = 0 WHERE idx = %d`, e[19].Index), "1 revocations are not in the token, and 0 were made since",
			},
			{`UPDATE status_lists SET version = version + 1`, `UPDATE status_lists SET version = version - 1`, "0 revocations are not in the token, and 1 were made since"},
		} {
			exec(tc.do)
			jwt, _ := w.compare(t, pub, id)
			if jwt.Count != 1 || !strings.Contains(jwt.Faults[0], tc.want) {
				t.Errorf("%s: %q", tc.do, jwt.Faults)
			}
			exec(tc.undo)
		}
		if jwt, _ := w.compare(t, pub, id); jwt.Count != 0 {
			t.Errorf("honest twin: %q", jwt.Faults)
		}
		err = db.Read(t.Context(), func(tx *sql.Tx) error {
			stored, err := w.lists.Stored(t.Context(), tx, "t", id)
			if err != nil {
				return err
			}
			if _, err := stored.Compare(statuslist.Published{Raw: "other"}, time.Minute, start); !errors.Is(err, statuslist.ErrNotPublication) {
				t.Errorf("a token of somebody else: %v", err)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}
