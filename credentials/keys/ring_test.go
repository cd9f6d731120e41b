package keys_test

import (
	"crypto/elliptic"
	"errors"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
)

// certified returns a key under an intermediate CA that ends with the issuing
// CA at the latest. The leaf is valid for the days from..until after start.
func certified(t *testing.T, from, until, caUntil int) *keys.Key {
	t.Helper()
	const day = 24 * time.Hour
	ca, err := trusttest.NewCA(trusttest.CAOptions{NotBefore: start})
	if err != nil {
		t.Fatal(err)
	}
	sub, err := ca.NewIntermediate(trusttest.CAOptions{Lifetime: time.Duration(caUntil) * day})
	if err != nil {
		t.Fatal(err)
	}
	key, err := sub.IssueSDJWTSigner(trusttest.LeafOptions{
		NotBefore: start.Add(time.Duration(from) * day), Lifetime: time.Duration(until-from) * day,
	})
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func ring(t *testing.T, entries ...keys.Entry) *keys.Ring {
	t.Helper()
	r, err := keys.NewRing(entries...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func at(day int) time.Time { return start.AddDate(0, 0, day) }

// TestRingRotation walks through the life of two keys that overlap, and of a
// third that comes back to the front after the second has ended.
func TestRingRotation(t *testing.T) {
	t.Parallel()
	first, second := certified(t, 0, 30, 365), certified(t, 10, 60, 365)
	long := certified(t, 0, 90, 365)
	names := map[*keys.Key]string{first: "first", second: "second", long: "long", nil: ""}
	overlap := []keys.Entry{{Key: first}, {Key: second, From: at(20)}}
	for _, tc := range []struct {
		name    string
		entries []keys.Entry
		now     time.Time
		want    *keys.Key
		until   time.Time
	}{
		{"before the first", overlap, at(0).Add(-time.Second), nil, at(0).Add(-time.Second)},
		{"at the beginning", overlap, at(0), first, at(60)},
		{"second is valid but only published", overlap, at(15), first, at(60)},
		{"a moment before from", overlap, at(20).Add(-1), first, at(60)},
		{"at from", overlap, at(20), second, at(60)},
		{"first has ended", overlap, at(30).Add(1), second, at(60)},
		{"at the last second", overlap, at(60), second, at(60)},
		{"all have ended", overlap, at(60).Add(1), nil, at(60)},
		{"order does not matter", []keys.Entry{overlap[1], overlap[0]}, at(20), second, at(60)},
		{"from is earlier than the certificate", []keys.Entry{{Key: first}, {Key: second, From: at(5)}}, at(7), first, at(60)},
		{"certificate begins", []keys.Entry{{Key: first}, {Key: second, From: at(5)}}, at(10), second, at(60)},
		{"no from: the younger certificate", []keys.Entry{{Key: first}, {Key: second}}, at(10), second, at(60)},
		{"gap: before", []keys.Entry{{Key: first}, {Key: second, From: at(40)}}, at(30), first, at(30)},
		{"gap: within", []keys.Entry{{Key: first}, {Key: second, From: at(40)}}, at(35), nil, at(30)},
		{"gap: after", []keys.Entry{{Key: first}, {Key: second, From: at(40)}}, at(40), second, at(60)},
		{"back to the older one", []keys.Entry{{Key: long}, {Key: second, From: at(20)}}, at(61), long, at(90)},
		{"only one to come", []keys.Entry{{Key: second, From: at(20)}}, at(15), nil, at(15)},
		{"same start: first of the list", []keys.Entry{{Key: long}, {Key: first}}, at(1), long, at(90)},
		{"from after its end", []keys.Entry{{Key: first, From: at(31)}}, at(40), nil, at(40)},
	} {
		r := ring(t, tc.entries...)
		got, err := r.At(tc.now)
		if names[got] != names[tc.want] || (err == nil) != (tc.want != nil) {
			t.Errorf("%s: %q signs (%v), want %q", tc.name, names[got], err, names[tc.want])
		}
		if err != nil && !errors.Is(err, keys.ErrNoSigner) {
			t.Errorf("%s: %v is not ErrNoSigner", tc.name, err)
		}
		if got := r.Until(tc.now); !got.Equal(tc.until) {
			t.Errorf("%s: until %v, want %v", tc.name, got, tc.until)
		}
		if all := r.All(); len(all) != len(tc.entries) || all[0] != tc.entries[0] {
			t.Errorf("%s: all are %v", tc.name, all)
		}
	}
}

// TestRingWholeChain holds that a leaf does not sign after the certificate above
// it has ended.
func TestRingWholeChain(t *testing.T) {
	t.Parallel()
	key := certified(t, 5, 60, 30)
	if begins, ends := key.Validity(); !begins.Equal(at(5)) || !ends.Equal(at(30)) {
		t.Errorf("valid %v to %v", begins, ends)
	}
	r := ring(t, keys.Entry{Key: key})
	if got, err := r.At(at(30)); got != key {
		t.Errorf("honest twin: %v", err)
	}
	if _, err := r.At(at(31)); !errors.Is(err, keys.ErrNoSigner) {
		t.Errorf("signs under a CA that has ended: %v", err)
	}
	if begins, ends := (&keys.Key{}).Validity(); !begins.IsZero() || !ends.IsZero() || (&keys.Key{}).ValidAt(start) {
		t.Error("a key without certificates is valid")
	}
}

func TestNewRing(t *testing.T) {
	t.Parallel()
	key, other := certified(t, 0, 1, 365), certified(t, 0, 1, 365)
	for _, tc := range []struct {
		name    string
		entries []keys.Entry
		ok      bool
	}{
		{"one", []keys.Entry{{Key: key}}, true},
		{"two", []keys.Entry{{Key: key}, {Key: other}}, true},
		{"none", nil, false},
		{"no key", []keys.Entry{{}}, false},
		{"no certificate", []keys.Entry{{Key: &keys.Key{Signer: key.Signer}}}, false},
		{"no signer", []keys.Entry{{Key: &keys.Key{Chain: key.Chain}}}, false},
		{"twice", []keys.Entry{{Key: key}, {Key: other}, {Key: &keys.Key{Signer: key.Signer, Chain: key.Chain}, From: start}}, false},
	} {
		if _, err := keys.NewRing(tc.entries...); (err == nil) != tc.ok {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}

func TestRingProve(t *testing.T) {
	t.Parallel()
	now := certified(t, 0, 30, 365)
	next := certified(t, 20, 60, 365)
	ended := certified(t, 0, 5, 365)
	wrong := &keys.Key{Signer: liar{next.Signer, generate(t, elliptic.P256())}, Chain: next.Chain}
	for _, tc := range []struct {
		name    string
		entries []keys.Entry
		ok      bool
	}{
		{"with one to come and one that has ended", []keys.Entry{{Key: ended}, {Key: now}, {Key: next, From: at(20)}}, true},
		{"the next can't sign", []keys.Entry{{Key: now}, {Key: wrong, From: at(20)}}, false},
		{"none signs now", []keys.Entry{{Key: ended}, {Key: next}}, false},
	} {
		if err := ring(t, tc.entries...).Prove(at(10)); (err == nil) != tc.ok {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}
