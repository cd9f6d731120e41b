//go:build !race

package e2e_test

import (
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/internal/app/sandbox"
)

// manyIssuers is more than the 1,741 municipalities of Japan.
const manyIssuers = 2000

// TestThousandsOfIssuers runs 2,000 issuers in one process and compares it with
// a process that has one. The race detector would measure itself.
func TestThousandsOfIssuers(t *testing.T) {
	one, many := deployIssuers(t, 1), deployIssuers(t, manyIssuers)
	perTenant := (int64(many.heap) - int64(one.heap)) / (manyIssuers - 1)
	t.Logf("measured: %d issuers: %d KiB of heap for each further tenant; start in %v, which is %v for each (one alone: %v)",
		manyIssuers, perTenant>>10, many.start.Round(time.Millisecond), (many.start / manyIssuers).Round(time.Microsecond), one.start.Round(time.Millisecond))
	metadata, issuing := compare(t, one.metadata, many.metadata, 50), compare(t, one.issue, many.issue, 4)
	t.Logf("measured: a request costs, as a multiple of one tenant's: metadata %.2f, issuing a credential %.2f", metadata, issuing)
	// A generous bound: a copy of a status list, a revocation list or a page
	// template in every tenant would break it.
	if perTenant > 1<<20 {
		t.Errorf("a tenant takes %d KiB", perTenant>>10)
	}
}

// issuers is a deployment with a number of issuers.
type issuers struct {
	*deployment
	tenants []*deployment
	wallet  *oauthClient
	// turn is the tenant that is asked next.
	turn  int
	start time.Duration
	heap  uint64 // bytes
}

func deployIssuers(t *testing.T, n int) *issuers {
	t.Helper()
	var tenants []*sandbox.Tenant
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("city-%04d", i)
	}
	var (
		before uint64
		began  time.Time
		s      issuers
	)
	s.deployment = deploy(t, deployOptions{direct: true, prepare: func(box *sandbox.Sandbox) {
		withIssuers(t, &tenants, ids...)(box)
		before, began = heapInUse(), time.Now()
	}})
	s.start = time.Since(began)
	s.heap = heapInUse() - before
	s.wallet = s.newClient(t)
	for _, tenant := range tenants {
		s.tenants = append(s.tenants, s.of(tenant))
	}
	return &s
}

// next goes round the tenants in steps, so that the same one comes back late.
func (s *issuers) next() *deployment {
	s.turn = (s.turn + 617) % len(s.tenants)
	return s.tenants[s.turn]
}

func (s *issuers) issue(t *testing.T) {
	t.Helper()
	tenant := s.next()
	tenant.issue(t, s.wallet.clientOf(tenant))
}

func (s *issuers) metadata(t *testing.T) {
	t.Helper()
	metadata, err := openid4vci.MetadataURL(s.next().box.Issuer)
	if err != nil {
		t.Fatal(err)
	}
	if a := s.send(t, http.MethodGet, metadata, nil, nil); a.status != http.StatusOK {
		t.Fatalf("%s: %d", metadata, a.status)
	}
}

// compare has both do something in turns, and returns how much longer the second
// takes in the median.
func compare(t *testing.T, first, second func(*testing.T), times int) float64 {
	t.Helper()
	took := func(do func(*testing.T)) time.Duration {
		began := time.Now()
		for range times {
			do(t)
		}
		return time.Since(began)
	}
	var ratios []float64
	for round := range 21 {
		a, b := took(first), took(second)
		if round > 0 { // the first is for what is made at first use
			ratios = append(ratios, float64(b)/float64(a))
		}
	}
	slices.Sort(ratios)
	return ratios[len(ratios)/2]
}

func heapInUse() uint64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}
