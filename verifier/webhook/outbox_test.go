package webhook_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/internal/database"
	"github.com/tegata-id/tegata/internal/database/databasetest"
	"github.com/tegata-id/tegata/verifier/webhook"
)

const tenant = "city"

// clock is moved by tests.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Now().Truncate(time.Second)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// tell puts a message down whose state is known.
func tell(t testing.TB, o *webhook.Outbox, party, id, state string, now time.Time) {
	t.Helper()
	ok(t, o.Watch(t.Context(), webhook.Message{ID: id, Party: party, Transaction: "transaction-" + id}, now.Add(time.Hour)))
	ok(t, o.Tell(t.Context(), id, state))
}

func ids(t testing.TB, list []webhook.Message, err error) []string {
	t.Helper()
	ok(t, err)
	out := []string{}
	for _, m := range list {
		out = append(out, m.ID)
	}
	slices.Sort(out)
	return out
}

// TestOutbox follows messages through the database.
func TestOutbox(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		c, ctx := newClock(), t.Context()
		o := webhook.NewOutbox(db, tenant, c.Now)
		stranger := webhook.NewOutbox(db, "other", c.Now)
		expect := func(when string, parties, untold []string) {
			t.Helper()
			got, err := o.Parties(ctx)
			ok(t, err)
			slices.Sort(got)
			if diff := cmp.Diff(parties, got); diff != "" {
				t.Errorf("%s: parties %s", when, diff)
			}
			list, err := o.Untold(ctx)
			if diff := cmp.Diff(untold, ids(t, list, err)); diff != "" {
				t.Errorf("%s: untold %s", when, diff)
			}
		}
		for _, id := range []string{"1", "2", "3", "4"} {
			ok(t, o.Watch(ctx, webhook.Message{ID: id, Party: "bank", Transaction: "t" + id}, c.Now().Add(time.Minute)))
		}
		if err := o.Watch(ctx, webhook.Message{ID: "1", Party: "bank", Transaction: "t"}, c.Now()); err == nil {
			t.Error("two messages of one name")
		}
		ok(t, stranger.Tell(ctx, "1", "refused"))
		ok(t, stranger.Forget(ctx, "1"))
		expect("at first", nil, []string{})
		ok(t, o.Forget(ctx, "4"))
		ok(t, o.Tell(ctx, "2", "verified"))
		ok(t, o.Tell(ctx, "2", "expired")) // too late
		ok(t, o.Forget(ctx, "2"))          // too late, too
		expect("told", []string{"bank"}, []string{})
		c.advance(time.Minute)
		expect("later", []string{"bank"}, []string{"1", "3"})

		list, err := o.Claim(ctx, "bank", 9)
		if want := []string{"2"}; !cmp.Equal(want, ids(t, list, err)) || list[0].State != "verified" || list[0].Transaction != "t2" || list[0].Attempts != 1 {
			t.Fatalf("%+v", list)
		}
		list, err = stranger.Claim(ctx, "bank", 9)
		if got := ids(t, list, err); len(got) != 0 {
			t.Errorf("another tenant has %q", got)
		}
		list, err = o.Claim(ctx, "bank", 9)
		if got := ids(t, list, err); len(got) != 0 {
			t.Errorf("claimed twice: %q", got)
		}
		c.advance(webhook.Lease) // whoever had it is gone
		list, err = o.Claim(ctx, "bank", 9)
		if got := ids(t, list, err); len(got) != 1 || list[0].Attempts != 2 {
			t.Errorf("after the lease: %+v", list)
		}
		ok(t, o.Retry(ctx, "2", c.Now().Add(time.Second)))
		expect("failed", nil, []string{"1", "3"})
		c.advance(time.Second)
		expect("due again", []string{"bank"}, []string{"1", "3"})
		ok(t, o.Delivered(ctx, "2"))
		expect("delivered", nil, []string{"1", "3"})
	})
}

// TestClaimedOnce has two processes claim the same messages.
func TestClaimedOnce(t *testing.T) {
	t.Parallel()
	databasetest.EachConfig(t, func(t *testing.T, config database.Config) {
		c := newClock()
		const messages = 60
		first := webhook.NewOutbox(databasetest.Open(t, config), tenant, c.Now)
		second := webhook.NewOutbox(databasetest.Open(t, config), tenant, c.Now)
		for n := range messages {
			tell(t, first, "bank", fmt.Sprint(n), "verified", c.Now())
		}
		var mu sync.Mutex
		seen := map[string]int{}
		var group sync.WaitGroup
		for range 2 {
			for _, o := range []*webhook.Outbox{first, second} {
				group.Go(func() {
					for range messages {
						list, err := o.Claim(context.Background(), "bank", webhook.PerParty)
						if err != nil {
							t.Error(err)
							return
						}
						mu.Lock()
						for _, m := range list {
							seen[m.ID]++
						}
						mu.Unlock()
					}
				})
			}
		}
		group.Wait()
		for id, n := range seen {
			if n != 1 {
				t.Errorf("message %s was claimed %d times", id, n)
			}
		}
		if len(seen) != messages {
			t.Errorf("%d messages claimed", len(seen))
		}
	})
}

func TestDelay(t *testing.T) {
	t.Parallel()
	for attempts, most := range map[int]time.Duration{1: 10 * time.Second, 2: 20 * time.Second, 5: 160 * time.Second, 9: 2560 * time.Second, 10: webhook.LongestTime, 500: webhook.LongestTime} {
		for range 100 {
			if d := webhook.Delay(attempts); d < most/2 || d >= most {
				t.Errorf("%v after %d attempts", d, attempts)
			}
		}
	}
}
