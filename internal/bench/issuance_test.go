//go:build linux

package bench_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/openid4vci"
)

const (
	// batchSize is the largest batch that the issuer allows; a token is good
	// for three of them.
	batchSize = 20
	perToken  = 3 * batchSize
	// wallets is how many connections ask at the same time.
	wallets = 8
)

// scale says how much is measured.
type scale struct {
	rounds int
	// tokens is how many tokens are used up in a round, for each row.
	tokens int
	// answers is how many presentations are verified in a round.
	answers int
}

// job is a row of the table: requests for so many credentials each.
type job struct {
	name, configuration string
	batch               int
}

var jobs = []job{
	{"SD-JWT VC, one", "identity_sd_jwt", 1},
	{"SD-JWT VC, batch of 20", "identity_sd_jwt", batchSize},
	{"mdoc, one", "identity_mdoc", 1},
	{"mdoc, batch of 20", "identity_mdoc", batchSize},
}

var setups = []setup{
	{name: "embedded stores, a proxy ends TLS"},
	{name: "embedded stores, TLS 1.3 to the server", tls: true},
	{name: "Redis and PostgreSQL, a proxy ends TLS", redis: true, postgres: true},
}

// prepare makes the requests of one round.
func (v *server) prepare(t testing.TB, j job, s scale) (requests []*http.Request) {
	t.Helper()
	for range s.tokens {
		w := v.authorize(t, j.configuration)
		for range perToken / j.batch {
			requests = append(requests, w.ask(t, j.batch))
		}
	}
	return requests
}

// figures are those of one row, a value for each round.
type figures struct {
	server, bare []time.Duration // for a request
	need         need
}

// measure runs the rounds of one row, after one that warms up.
func (v *server) measure(t testing.TB, j job, s scale) *figures {
	t.Helper()
	f, b := &figures{}, newBare(t)
	for round := -1; round < s.rounds; round++ {
		requests := v.prepare(t, j, s)
		before := v.cpu(t)
		bodies := v.sendAll(t, requests)
		used := (v.cpu(t) - before) / time.Duration(len(requests))
		if t.Failed() {
			t.FailNow()
		}
		if round < 0 {
			f.need = needOf(j.batch, count(t, j.configuration, first(t, bodies[0], j.batch)))
			b.cost(t, f.need, len(requests))
			continue
		}
		f.server, f.bare = append(f.server, used), append(f.bare, b.cost(t, f.need, len(requests)))
	}
	return f
}

// first returns the first of n credentials.
func first(t testing.TB, body []byte, n int) string {
	t.Helper()
	var response openid4vci.CredentialResponse
	if err := json.Unmarshal(body, &response); err != nil || len(response.Credentials) != n {
		t.Fatalf("%d credentials, want %d: %v", len(response.Credentials), n, err)
	}
	return response.Credentials[0].Credential
}

// print prints a row, for each of so many credentials of a request.
func (f *figures) print(name string, batch int) {
	ratios := make([]float64, len(f.server))
	for i := range ratios {
		ratios[i] = float64(f.server[i]) / float64(f.bare[i])
	}
	slices.Sort(ratios)
	slices.Sort(f.server)
	slices.Sort(f.bare)
	middle := len(ratios) / 2
	each := time.Duration(batch)
	fmt.Printf("%-42s %9v %9v   %5.2f %5.2f %5.2f\n", name,
		(f.server[middle] / each).Round(time.Microsecond), (f.bare[middle] / each).Round(time.Microsecond),
		ratios[0], ratios[middle], ratios[len(ratios)-1])
}

// BenchmarkIssuance prints the processor time of the server for each credential
// over HTTP, with DPoP and jwt proofs, as a multiple of the bare cryptography
// that the request needs. The cryptography is measured in the same run, with the
// same clock: processor time of the process, user and system.
//
// With TEGATA_BENCH_PROFILE a folder gets a CPU profile for each row.
func BenchmarkIssuance(b *testing.B) {
	binary := build(b)
	for range b.N {
		for _, s := range setups {
			issuance(b, binary, s, scale{rounds: 9, tokens: 4}, os.Getenv("TEGATA_BENCH_PROFILE"))
		}
	}
}

func issuance(t testing.TB, binary string, s setup, size scale, profiles string) {
	t.Helper()
	v := start(t, binary, s)
	fmt.Printf("\n%s; %d connections that are kept open; %d rounds\n", s.name, wallets, size.rounds)
	fmt.Printf("%-42s %9s %9s   %-17s\n", "per credential", "server", "bare", "times (min, median, max)")
	var needs []string
	for _, j := range jobs {
		f := v.measure(t, j, size)
		f.print(j.name, j.batch)
		needs = append(needs, fmt.Sprintf("%s, bare per request: %s", j.name, f.need))
		if profiles != "" {
			file := fmt.Sprintf("%s/%s-%d.pprof", profiles, j.configuration, j.batch)
			v.profile(t, file, "15", func() { v.sendAll(t, v.prepare(t, j, size)) })
		}
	}
	for _, line := range needs {
		fmt.Println(line)
	}
}

// TestIssuance holds that the benchmark works, not what it measures.
func TestIssuance(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the binary")
	}
	issuance(t, build(t), setups[0], scale{rounds: 1, tokens: 1}, "")
}
