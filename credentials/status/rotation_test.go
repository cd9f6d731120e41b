package status_test

import (
	"errors"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/status"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
)

// TestSignAt walks through the rotation of a status signer: every token is by
// the signer of its moment and ends with it at the latest.
func TestSignAt(t *testing.T) {
	t.Parallel()
	p := newPublisher(t)
	issue := func(begins time.Time, life time.Duration) *keys.Key {
		key, err := p.ca.IssueStatusSigner(trusttest.LeafOptions{NotBefore: begins, Lifetime: life})
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	old := issue(start.Add(-24*time.Hour), 34*time.Hour) // ends 10 hours after start
	next := issue(start.Add(8*time.Hour), 12*time.Hour)
	ring, err := keys.NewRing(keys.Entry{Key: old}, keys.Entry{Key: next, From: start.Add(9 * time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	list := newList(t, 64, 1)
	for _, tc := range []struct {
		name                string
		at, issued, expires time.Duration // after start
		signer              *keys.Key
		wantIssued, want    time.Duration
		wantTTL             time.Duration
	}{
		{"far from the end", 0, 0, time.Hour, old, 0, time.Hour, 10 * time.Minute},
		{"capped", 0, 0, 24 * time.Hour, old, 0, 10 * time.Hour, 10 * time.Minute},
		{"a second before from", 9*time.Hour - time.Second, 8 * time.Hour, 24 * time.Hour, old, 8 * time.Hour, 10 * time.Hour, 10 * time.Minute},
		{"at from", 9 * time.Hour, 9 * time.Hour, 12 * time.Hour, next, 9 * time.Hour, 12 * time.Hour, 10 * time.Minute},
		{"not older than its signer", 9 * time.Hour, 7 * time.Hour, 12 * time.Hour, next, 8 * time.Hour, 12 * time.Hour, 10 * time.Minute},
		{"old one has ended", 11 * time.Hour, 11 * time.Hour, 24 * time.Hour, next, 11 * time.Hour, 20 * time.Hour, 10 * time.Minute},
		{"a minute left", 20*time.Hour - time.Minute, 19 * time.Hour, 24 * time.Hour, next, 19 * time.Hour, 20 * time.Hour, time.Minute},
		{"the last second", 20 * time.Hour, 19 * time.Hour, 24 * time.Hour, nil, 0, 0, 0},
		{"all have ended", 21 * time.Hour, 21 * time.Hour, 24 * time.Hour, nil, 0, 0, 0},
	} {
		now := start.Add(tc.at)
		token, expires, err := status.SignAt(now, status.TokenOptions{
			URI: listURI, IssuedAt: start.Add(tc.issued), Expires: start.Add(tc.expires), TTL: 10 * time.Minute,
		}, list, ring)
		if tc.signer == nil {
			if !errors.Is(err, keys.ErrNoSigner) {
				t.Errorf("%s: %v", tc.name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		policy := *p.policy
		policy.Now = func() time.Time { return now }
		got, err := status.Verify(t.Context(), token, listURI, &policy, now)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		if parsed, err := jose.Parse(token); err != nil || !parsed.Header.X5C[0].Equal(tc.signer.Leaf()) {
			t.Errorf("%s: another signer (%v)", tc.name, err)
		}
		if !got.IssuedAt.Equal(start.Add(tc.wantIssued)) || !got.Expires.Equal(start.Add(tc.want)) || !expires.Equal(got.Expires) || got.TTL != tc.wantTTL {
			t.Errorf("%s: issued %v, expires %v (%v), ttl %v", tc.name, got.IssuedAt, got.Expires, expires, got.TTL)
		}
	}
	if _, _, err := status.SignAt(start, status.TokenOptions{URI: listURI}, list, ring); err == nil {
		t.Error("signed without a time of issue")
	}
}
