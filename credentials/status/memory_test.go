package status_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/status"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
)

// TestNegCheckerMemory lets a trusted issuer hand out credentials that each
// name a list of their own, of the greatest size. A list of zeros takes 4 KiB on
// the way and 4 MiB here.
func TestNegCheckerMemory(t *testing.T) {
	t.Parallel()
	ca, err := trusttest.NewCA(trusttest.CAOptions{NotBefore: start.Add(-time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	key, err := ca.IssueStatusSigner(trusttest.LeafOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name        string
		size, lists int
		again       int // fetches when all are asked for again, newest first
	}{
		{"honest twin, many small lists", 1 << 17, 40, 0},
		{"T01 lists of the greatest size", status.MaxListSize * 8, 17, 17},
	} {
		t.Run(tt.name, func(t *testing.T) {
			list, err := status.NewList(tt.size, 1)
			if err != nil {
				t.Fatal(err)
			}
			fetched, tokens := 0, map[string][]byte{}
			c := &status.Checker{
				Now: func() time.Time { return start },
				Policy: &trust.Policy{
					Anchors: []trust.Anchor{ca.Anchor()}, Profile: trust.ProfileStatusSigner,
					Revocation: trust.NotChecked("test"), Now: func() time.Time { return start },
				},
				Fetch: func(_ context.Context, uri string, _ ...string) ([]byte, string, error) {
					fetched++
					if tokens[uri] == nil {
						token, err := signed(uri, list, key)
						if err != nil {
							return nil, "", err
						}
						tokens[uri] = token
					}
					return tokens[uri], status.MediaType, nil
				},
			}
			check := func(n int) {
				ref := credentials.StatusRef{URI: fmt.Sprintf("https://status.example/%d", n), Index: 7}
				if r, err := c.Check(t.Context(), ref); err != nil || !r.Value.IsValid() {
					t.Fatalf("list %d: %+v, %v", n, r, err)
				}
			}
			for n := range tt.lists {
				check(n)
			}
			if fetched != tt.lists {
				t.Fatalf("%d fetches for %d lists", fetched, tt.lists)
			}
			fetched = 0
			for n := range tt.lists {
				check(tt.lists - 1 - n)
			}
			if fetched > tt.again || (tt.again > 0 && fetched == 0) {
				t.Errorf("%d lists were fetched again, want up to %d", fetched, tt.again)
			}
		})
	}
}

func signed(uri string, list *status.List, key *keys.Key) ([]byte, error) {
	token, err := status.Sign(status.TokenOptions{URI: uri, IssuedAt: start, Expires: start.Add(time.Hour)}, list, key)
	return []byte(token), err
}
