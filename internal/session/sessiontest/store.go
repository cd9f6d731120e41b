package sessiontest

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/internal/session"
)

// page is what the store tests keep: it has something to hide.
type page struct {
	Name  string   `json:"name"`
	Steps []string `json:"steps"`
	Count int      `json:"count"`
}

var taro = page{Name: "手形 太郎 CANARY-NAME", Steps: []string{"CANARY-STEP"}, Count: 7}

const secret = "CANARY-SECRET"

func testObjects(t *testing.T, b session.Backend, clock *Clock) {
	ctx := t.Context()
	store := session.New(b, session.NewRandomKeys(), "kyoto", clock.Now)
	pages := session.NewObjects[page](store, "page", time.Minute)
	want(t, "Ping", store.Ping(ctx), nil)
	_, _, err := pages.Get(ctx, secret)
	want(t, "Get nothing", err, session.ErrNotFound)

	want(t, "Add", pages.Add(ctx, secret, taro), nil)
	want(t, "Add again", pages.Add(ctx, secret, page{}), session.ErrExists)
	got, v1, err := pages.Get(ctx, secret)
	want(t, "Get", err, nil)
	if got.Name != taro.Name || got.Count != 7 {
		t.Errorf("got %+v", got)
	}
	got.Count++
	want(t, "Swap", pages.Swap(ctx, secret, v1, got), nil)
	want(t, "Swap with the old version", pages.Swap(ctx, secret, v1, got), session.ErrConflict)
	want(t, "Swap another", pages.Swap(ctx, "other", v1, got), session.ErrNotFound)
	want(t, "Swap without a version", pages.Swap(ctx, secret, session.Version{}, got), session.ErrConflict)
	got, err = pages.Take(ctx, secret)
	want(t, "Take", err, nil)
	if got.Count != 8 {
		t.Errorf("took %+v", got)
	}
	_, err = pages.Take(ctx, secret)
	want(t, "Take again", err, session.ErrNotFound)
	want(t, "Put", pages.Put(ctx, secret, taro), nil)
	want(t, "Put over", pages.Put(ctx, secret, page{Count: 9}), nil)

	// The same secret of another kind or tenant is another object.
	for name, other := range map[string]*session.Objects[page]{
		"kind":   session.NewObjects[page](store, "form", time.Minute),
		"tenant": session.NewObjects[page](session.New(b, session.NewRandomKeys(), "nara", clock.Now), "page", time.Minute),
	} {
		_, _, err = other.Get(ctx, secret)
		want(t, "Get of another "+name, err, session.ErrNotFound)
		_, err = other.Take(ctx, secret)
		want(t, "Take of another "+name, err, session.ErrNotFound)
	}

	if err := pages.Put(ctx, "", taro); err == nil {
		t.Error("an empty secret was stored under")
	}
	_, _, err = pages.Get(ctx, "")
	want(t, "Get without a secret", err, session.ErrNotFound)
	if err := session.NewObjects[page](session.New(b, session.Keys{}, "kyoto", clock.Now), "page", time.Minute).Put(ctx, secret, taro); err == nil {
		t.Error("stored without keys")
	}
}

func testObjectsExpire(t *testing.T, b session.Backend, clock *Clock) {
	ctx := t.Context()
	store := session.New(b, session.NewRandomKeys(), "kyoto", clock.Now)
	pages := session.NewObjects[page](store, "page", time.Minute)
	want(t, "Put", pages.Put(ctx, "a", taro), nil)
	want(t, "PutUntil", pages.PutUntil(ctx, "b", taro, clock.Now().Add(2*time.Minute)), nil)
	if err := pages.PutUntil(ctx, "c", taro, clock.Now()); err == nil {
		t.Error("stored until now")
	}
	clock.Advance(30 * time.Second)
	got, version, err := pages.Get(ctx, "a")
	want(t, "Get", err, nil)
	want(t, "Swap", pages.Swap(ctx, "a", version, got), nil)
	clock.Advance(30 * time.Second)
	_, _, err = pages.Get(ctx, "a")
	want(t, "Get at the end", err, session.ErrNotFound)
	want(t, "Add after the end", pages.Add(ctx, "a", taro), nil)
	_, err = pages.Take(ctx, "b")
	want(t, "Take of the longer one", err, nil)
}

func testMarks(t *testing.T, b session.Backend, clock *Clock) {
	store := session.New(b, session.NewRandomKeys(), "kyoto", clock.Now)
	seen := func(kind, jti string, wantFirst bool) {
		t.Helper()
		first, err := store.Seen(t.Context(), kind, jti, time.Minute)
		want(t, "Seen", err, nil)
		if first != wantFirst {
			t.Errorf("Seen %s %s: first is %v", kind, jti, first)
		}
	}
	seen("jti", "a", true)
	seen("jti", "a", false)
	seen("jti", "b", true)
	seen("nonce", "a", true)
	clock.Advance(59 * time.Second)
	seen("jti", "a", false)
	clock.Advance(time.Second)
	seen("jti", "a", true)
	if first, err := store.Seen(t.Context(), "jti", "c", 0); first || err == nil {
		t.Error("a mark without a lifetime guards nothing and must fail")
	}
	if first, err := store.Seen(t.Context(), "jti", "", time.Minute); first || err == nil {
		t.Error("an empty secret was marked")
	}
	wins := race(t, errReplay, func(int) error {
		first, err := store.Seen(t.Context(), "jti", "race", time.Minute)
		if err == nil && !first {
			return errReplay
		}
		return err
	})
	if wins != 1 {
		t.Errorf("%d of %d were the first", wins, parallel)
	}
}

var errReplay = errors.New("seen before")

func testCounters(t *testing.T, b session.Backend, clock *Clock) {
	ctx := t.Context()
	keys := session.NewRandomKeys()
	store := session.New(b, keys, "kyoto", clock.Now)
	other := session.New(b, keys, "nara", clock.Now)
	for n := int64(1); n <= 3; n++ {
		got, err := store.Count(ctx, "try", secret, time.Minute)
		want(t, "Count", err, nil)
		if got != n {
			t.Errorf("Count: got %d, want %d", got, n)
		}
	}
	got, err := other.Count(ctx, "try", secret, time.Minute)
	if err != nil || got != 1 {
		t.Errorf("another tenant's counter: %d, %v", got, err)
	}
	// A counter and an object of one kind don't meet.
	tries := session.NewObjects[page](store, "try", time.Minute)
	want(t, "Put", tries.Put(ctx, secret, taro), nil)
	if got, err = store.Count(ctx, "try", secret, time.Minute); err != nil || got != 4 {
		t.Errorf("Count beside an object: %d, %v", got, err)
	}
}

func testSealed(t *testing.T, b session.Backend, clock *Clock) {
	ctx := t.Context()
	spy := newSpy(b)
	store := session.New(spy, session.NewRandomKeys(), "CANARY-TENANT", clock.Now)
	pages := session.NewObjects[page](store, "page", time.Minute)
	want(t, "Put", pages.Put(ctx, secret, taro), nil)
	want(t, "Add", pages.Add(ctx, secret+"2", taro), nil)
	got, version, err := pages.Get(ctx, secret)
	want(t, "Get", err, nil)
	want(t, "Swap", pages.Swap(ctx, secret, version, got), nil)
	_, err = store.Seen(ctx, "jti", secret, time.Minute)
	want(t, "Seen", err, nil)
	_, err = store.Count(ctx, "try", secret, time.Minute)
	want(t, "Count", err, nil)

	keys, values := spy.dump()
	if len(keys) != 4 || len(values) != 4 {
		t.Fatalf("the backend was given %d keys and %d values", len(keys), len(values))
	}
	for _, key := range keys {
		if strings.Contains(key, "CANARY") {
			t.Errorf("key %q tells a secret", key)
		}
	}
	for _, value := range values {
		for _, plain := range []string{"CANARY", "手形", "name", "steps"} {
			if bytes.Contains(value, []byte(plain)) {
				t.Errorf("value %q tells %q", value, plain)
			}
		}
	}
	if bytes.Equal(values[0], values[2]) {
		t.Error("the same content sealed twice looks the same")
	}
}

func testTampered(t *testing.T, b session.Backend, clock *Clock) {
	ctx, end := t.Context(), clock.Now().Add(time.Minute)
	spy := newSpy(b)
	keys := session.NewRandomKeys()
	store := session.New(spy, keys, "kyoto", clock.Now)
	pages := session.NewObjects[page](store, "page", time.Minute)
	stored := func(o *session.Objects[page], secret string) (key string, value []byte) {
		t.Helper()
		want(t, "Put", o.Put(ctx, secret, taro), nil)
		return spy.lastKey, spy.lastValue
	}
	fails := func(what string, o *session.Objects[page], secret string) {
		t.Helper()
		_, _, err := o.Get(ctx, secret)
		want(t, what+": Get", err, session.ErrSealed)
		_, err = o.Take(ctx, secret)
		want(t, what+": Take", err, session.ErrSealed)
	}
	key, value := stored(pages, secret)

	want(t, "put back", b.Put(ctx, key, value, end), nil)
	_, _, err := pages.Get(ctx, secret)
	want(t, "honest value", err, nil)

	for i := range value {
		bad := bytes.Clone(value)
		bad[i] ^= 0x40
		want(t, "Put", b.Put(ctx, key, bad, end), nil)
		_, _, err := pages.Get(ctx, secret)
		want(t, "changed byte", err, session.ErrSealed)
	}
	for _, n := range []int{0, 1, 4, 5, 20, len(value) - 1} {
		want(t, "Put", b.Put(ctx, key, value[:n], end), nil)
		fails("shortened", pages, secret)
	}

	others := map[string]*session.Objects[page]{
		"key":        pages,
		"kind":       session.NewObjects[page](store, "form", time.Minute),
		"tenant":     session.NewObjects[page](session.New(spy, keys, "nara", clock.Now), "page", time.Minute),
		"deployment": session.NewObjects[page](session.New(spy, session.NewRandomKeys(), "kyoto", clock.Now), "page", time.Minute),
	}
	for what, o := range others {
		target, _ := stored(o, "other")
		want(t, "Put", b.Put(ctx, target, value, end), nil)
		fails("moved to another "+what, o, "other")
	}

	// A longer life in the backend is not a longer life.
	want(t, "Put", b.Put(ctx, key, value, end.Add(time.Hour)), nil)
	clock.Advance(time.Minute)
	_, _, err = pages.Get(ctx, secret)
	want(t, "kept alive", err, session.ErrNotFound)
}

func testRotation(t *testing.T, b session.Backend, clock *Clock) {
	ctx := t.Context()
	name, one, two := session.NewSecret(), session.NewSecret(), session.NewSecret()
	pages := func(current session.KeyID, seal map[session.KeyID]session.Secret) *session.Objects[page] {
		t.Helper()
		keys, err := session.NewKeys(name, current, seal)
		want(t, "NewKeys", err, nil)
		return session.NewObjects[page](session.New(b, keys, "kyoto", clock.Now), "page", time.Minute)
	}
	both := map[session.KeyID]session.Secret{1: one, 2: two}
	before := pages(1, map[session.KeyID]session.Secret{1: one})
	told, moved := pages(1, both), pages(2, both)
	after := pages(2, map[session.KeyID]session.Secret{2: two})

	want(t, "Put", before.Put(ctx, "old", taro), nil)
	want(t, "Put", moved.Put(ctx, "new", taro), nil)
	for _, o := range []*session.Objects[page]{told, moved} {
		for _, secret := range []string{"old", "new"} {
			_, _, err := o.Get(ctx, secret)
			want(t, "Get "+secret, err, nil)
		}
	}
	_, _, err := before.Get(ctx, "new")
	want(t, "Get before the key was known", err, session.ErrSealed)
	_, _, err = after.Get(ctx, "old")
	want(t, "Get after the key was removed", err, session.ErrSealed)

	got, version, err := moved.Get(ctx, "old")
	want(t, "Get", err, nil)
	want(t, "Swap", moved.Swap(ctx, "old", version, got), nil)
	_, _, err = after.Get(ctx, "old")
	want(t, "Get what was sealed anew", err, nil)
}
