package bettertls_test

import (
	"crypto"
	"crypto/x509"
	_ "embed"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Netflix/bettertls/test-suites/certutil"
	"github.com/Netflix/bettertls/test-suites/nameconstraints"
	"github.com/Netflix/bettertls/test-suites/pathbuilding"
	test_case "github.com/Netflix/bettertls/test-suites/test-case"

	"github.com/tegata-id/tegata/credentials/trust"
)

//go:embed known_failures.txt
var knownFailures string

// tally is how a suite comes out; the tests assert it, so that no change of
// the suite or of the reader loses some of it in silence.
type tally struct{ cases, accepted, falseAccepts, falseRejects int }

func TestPathBuilding(t *testing.T) {
	run(t, pathbuilding.NewTestCaseProvider(), tally{cases: 81, accepted: 37, falseRejects: 8})
}

// TestNameConstraints: the host name is compared by the standard library, as a
// TLS client would.
func TestNameConstraints(t *testing.T) {
	run(t, nameconstraints.NewTestCaseProvider(), tally{cases: 9491, accepted: 820})
}

// run makes and decides every case of a suite.
func run(t *testing.T, suite test_case.TestCaseProvider, want tally) {
	t.Helper()
	root, key, err := certutil.GenerateSelfSignedCert("bettertls_trust_root")
	if err != nil {
		t.Fatal(err)
	}
	count, err := suite.GetTestCaseCount()
	if err != nil {
		t.Fatal(err)
	}
	verdicts := make([]error, count)
	expected := make([]bool, count)
	// The suite makes keys and certificates for every case, which takes longer
	// than to decide it.
	var wg sync.WaitGroup
	for worker := range uint(runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for i := worker; i < count; i += uint(runtime.GOMAXPROCS(0)) {
				tc, err := suite.GetTestCase(i)
				if err != nil {
					t.Error(err)
					return
				}
				result := tc.ExpectedResult()
				expected[i] = result == test_case.EXPECTED_RESULT_PASS || result == test_case.EXPECTED_RESULT_SOFT_PASS
				verdicts[i] = decide(t, tc, root, key)
			}
		})
	}
	wg.Wait()

	known := knownOf(t, suite.Name())
	var got tally
	for i, verdict := range verdicts {
		got.cases++
		accepted := verdict == nil
		if accepted {
			got.accepted++
		}
		reason := known[i]
		delete(known, i)
		switch {
		case accepted == expected[i] && reason != "":
			t.Errorf("%s %d: listed as a known failure, but passes", suite.Name(), i)
		case accepted != expected[i] && reason == "":
			t.Errorf("%s %d: accepted %t, want %t (%v)", suite.Name(), i, accepted, expected[i], verdict)
		}
		switch {
		case accepted && !expected[i]:
			got.falseAccepts++
		case !accepted && expected[i]:
			got.falseRejects++
		}
	}
	for _, id := range slices.Sorted(maps.Keys(known)) {
		t.Errorf("%s %d: listed as a known failure, but does not exist", suite.Name(), id)
	}
	if got != want {
		t.Errorf("%s: %+v, want %+v", suite.Name(), got, want)
	}
	t.Logf("corpus: BetterTLS %s: %d cases, %d accepted, %d false accepts, %d false rejects",
		suite.Name(), got.cases, got.accepted, got.falseAccepts, got.falseRejects)
}

// decide validates the certificates of a case. What does not parse is refused.
func decide(t *testing.T, tc test_case.TestCase, root *x509.Certificate, key crypto.Signer) error {
	made, err := tc.GetCertificates(root, key)
	if err != nil {
		t.Errorf("make certificates: %v", err)
		return err
	}
	var certs []*x509.Certificate
	for _, der := range made.Certificate {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return err
		}
		certs = append(certs, cert)
	}
	p := &trust.Policy{
		Anchors:    []trust.Anchor{{Certificate: root}},
		Profile:    trust.Profile{Name: "bettertls", ExtKeyUsage: []string{"1.3.6.1.5.5.7.3.1"}, AllowAnchorInChain: true},
		Revocation: trust.NotChecked("the suite has no revocation"),
		Now:        time.Now,
	}
	if _, err := p.Verify(t.Context(), certs[0], certs[1:]); err != nil {
		return err
	}
	return certs[0].VerifyHostname(tc.GetHostname())
}

// knownOf reads the lines "suite number reason".
func knownOf(t *testing.T, suite string) map[int]string {
	t.Helper()
	known := map[int]string{}
	for line := range strings.Lines(knownFailures) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		var name string
		var id int
		if _, err := fmt.Sscan(line, &name, &id); err != nil {
			t.Fatalf("known_failures.txt: %q: %v", line, err)
		}
		fields := strings.SplitN(line, " ", 3)
		if len(fields) != 3 {
			t.Fatalf("known_failures.txt: %q has no reason", line)
		}
		if name == suite {
			known[id] = fields[2]
		}
	}
	return known
}
