package trust_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/trust"
)

// pkitsCase is a case of NIST's Public Key Interoperability Test Suite in the
// form in which the Go distribution has it.
type pkitsCase struct {
	Name                        string
	CertPath                    []string
	CRLPath                     []string
	ShouldValidate              bool
	InitialPolicySet            []string
	InitialPolicyMappingInhibit bool
	InitialExplicitPolicy       bool
	InitialAnyPolicyInhibit     bool
}

// readPKITS returns the cases and the folders of certificates and of lists.
// The certificates come with the Go distribution, which leaves out the
// revocation lists; those are among the corpora.
func readPKITS(t *testing.T) (cases []pkitsCase, certs, lists string) {
	t.Helper()
	lists = filepath.Join(corpora(t), "pkits-crls")
	if _, err := os.Stat(lists); err != nil {
		t.Skip("the revocation lists of PKITS are not among the corpora")
	}
	root, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(strings.TrimSpace(string(root)), "src", "crypto", "x509", "testdata", "nist-pkits")
	data, err := os.ReadFile(filepath.Join(dir, "vectors.json"))
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("this Go distribution has no certificates of PKITS")
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	return cases, filepath.Join(dir, "certs"), lists
}

var pkitsSection = regexp.MustCompile(`^4\.\d+`)

// TestPKITS runs all cases of PKITS.
func TestPKITS(t *testing.T) {
	t.Parallel()
	cases, certs, lists := readPKITS(t)
	c := newCorpus(t, "PKITS", "pkits-known.txt")
	for _, tc := range cases {
		c.decide(t, pkitsSection.FindString(tc.Name), tc.Name, tc.ShouldValidate, pkits(t, tc, certs, lists))
	}
	c.finish(t, map[string]outcome{
		"4.1":  {6, 1, 0, 2},
		"4.10": {23, 11, 0, 0},
		"4.11": {11, 2, 0, 1},
		"4.12": {11, 2, 0, 2},
		"4.13": {38, 13, 0, 3},
		"4.14": {35, 1, 0, 14},
		"4.15": {10, 0, 0, 4},
		"4.16": {2, 1, 0, 0},
		"4.2":  {8, 3, 0, 0},
		"4.3":  {11, 4, 0, 5},
		"4.4":  {21, 5, 0, 1},
		"4.5":  {8, 1, 0, 3},
		"4.6":  {17, 3, 0, 4},
		"4.7":  {5, 1, 0, 0},
		"4.8":  {35, 21, 0, 2},
		"4.9":  {8, 3, 0, 1},
	})
}

// TestPKITSPath runs those sections of PKITS that are not about revocation
// without it, so that no case passes because a list was refused.
func TestPKITSPath(t *testing.T) {
	t.Parallel()
	cases, certs, _ := readPKITS(t)
	c := newCorpus(t, "PKITS without revocation", "pkits-path-known.txt")
	for _, tc := range cases {
		section := pkitsSection.FindString(tc.Name)
		// 4.7.4 and 4.7.5 are about who may sign lists.
		if slices.Contains([]string{"4.4", "4.5", "4.14", "4.15"}, section) || strings.Contains(tc.Name, "cRLSign False") {
			continue
		}
		c.decide(t, section, tc.Name, tc.ShouldValidate, pkits(t, tc, certs, ""))
	}
	c.finish(t, map[string]outcome{
		"4.1":  {6, 1, 0, 2},
		"4.10": {23, 11, 0, 0},
		"4.11": {11, 3, 0, 0},
		"4.12": {11, 4, 0, 0},
		"4.13": {38, 14, 0, 2},
		"4.16": {2, 1, 0, 0},
		"4.2":  {8, 3, 0, 0},
		"4.3":  {11, 4, 0, 5},
		"4.6":  {17, 5, 0, 2},
		"4.7":  {3, 1, 0, 0},
		"4.8":  {35, 21, 0, 2},
		"4.9":  {8, 4, 0, 0},
	})
}

// pkits validates the path of a case, without revocation if lists is empty.
// What does not parse is refused.
func pkits(t *testing.T, tc pkitsCase, certs, lists string) error {
	t.Helper()
	var path []*x509.Certificate
	for _, name := range tc.CertPath {
		der, err := os.ReadFile(filepath.Join(certs, name))
		if err != nil {
			t.Fatal(err)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return err
		}
		path = append(path, cert)
	}
	// All certificates and lists but those meant to have ended are good then.
	now := at(time.Date(2015, 1, 1, 0, 0, 0, 0, time.UTC))
	p := &trust.Policy{
		Profile: trust.Profile{Name: "pkits", AllowRSA: true, AllowNonCritical: true, PathPolicies: trust.PathPolicies{
			Explicit: tc.InitialExplicitPolicy, NoMapping: tc.InitialPolicyMappingInhibit, NoAny: tc.InitialAnyPolicyInhibit,
		}},
		Anchors:    []trust.Anchor{{Certificate: path[0]}},
		Revocation: trust.NotChecked("only the path is looked at"), Now: now,
	}
	if lists != "" {
		source := pkitsLists{}
		for _, name := range tc.CRLPath {
			der, err := os.ReadFile(filepath.Join(lists, name))
			if err != nil {
				t.Fatal(err)
			}
			source = append(source, der)
		}
		checker := trust.NewCRLChecker(source, now)
		checker.MaxValidity = math.MaxInt64 // the lists of the corpus are for twenty years
		p.Revocation = checker
	}
	for _, name := range tc.InitialPolicySet {
		if name != "anyPolicy" {
			p.Profile.PathPolicies.Accepted = append(p.Profile.PathPolicies.Accepted,
				strings.Replace(name, "NIST-test-policy-", "2.16.840.1.101.3.2.1.48.", 1))
		}
	}
	path = path[1:]
	slices.Reverse(path)
	_, err := p.Verify(t.Context(), path[0], path[1:])
	return err
}

// pkitsLists are the lists of one case. A real source has one for each
// partition; here a list of the issuer serves, by preference one that names the
// partition, and after that one that names the key.
type pkitsLists [][]byte

func (l pkitsLists) CRL(_ context.Context, issuer *x509.Certificate, partition string) ([]byte, error) {
	var best []byte
	score := -1
	for _, der := range l {
		list, err := x509.ParseRevocationList(der)
		if err != nil || list.Issuer.String() != issuer.Subject.String() {
			continue
		}
		fit := 0
		if bytes.Equal(list.AuthorityKeyId, issuer.SubjectKeyId) {
			fit++
		}
		if strings.HasPrefix(partition, "dn:") && slices.ContainsFunc(list.Extensions, func(e pkix.Extension) bool {
			_, name, _ := strings.Cut(partition, "CN=")
			name, _, _ = strings.Cut(name, ",")
			return e.Id.String() == "2.5.29.28" && bytes.Contains(e.Value, []byte(name))
		}) {
			fit += 2
		}
		if fit > score {
			best, score = der, fit
		}
	}
	if best == nil {
		return nil, errors.New("there is no list of this issuer")
	}
	return best, nil
}
