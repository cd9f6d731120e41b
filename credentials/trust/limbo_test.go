package trust_test

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/trust"
)

// limboCase is a case of x509-limbo, in the members that are used.
type limboCase struct {
	ID            string    `json:"id"`
	Trusted       []string  `json:"trusted_certs"`
	Intermediates []string  `json:"untrusted_intermediates"`
	Peer          string    `json:"peer_certificate"`
	Time          time.Time `json:"validation_time"`
	KeyUsage      []string  `json:"key_usage"`
	ExtKeyUsage   []string  `json:"extended_key_usage"`
	Result        string    `json:"expected_result"`
	MaxDepth      *int      `json:"max_chain_depth"`
	CRLs          []string  `json:"crls"`
	PeerName      *struct {
		Kind, Value string
	} `json:"expected_peer_name"`
}

// TestLimbo runs the cases of x509-limbo that are not of BetterTLS. Peer names
// are compared by the standard library, as a TLS client would.
func TestLimbo(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(filepath.Join(corpora(t), "limbo-nobettertls.json"))
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("x509-limbo is not among the corpora")
	}
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Testcases []limboCase `json:"testcases"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	c := newCorpus(t, "x509-limbo", "limbo-known.txt")
	for _, tc := range file.Testcases {
		family := tc.ID[:strings.LastIndex(tc.ID, "::")]
		c.decide(t, family, tc.ID, tc.Result == "SUCCESS", limbo(t.Context(), tc))
	}
	c.finish(t, map[string]outcome{
		"crl":               {8, 3, 0, 1},
		"cve":               {3, 0, 0, 1},
		"invalid":           {1, 0, 0, 0},
		"pathlen":           {13, 8, 0, 1},
		"pathological":      {11, 1, 0, 0},
		"rfc5280":           {24, 6, 0, 1},
		"rfc5280::aki":      {5, 1, 0, 0},
		"rfc5280::eku":      {3, 1, 0, 0},
		"rfc5280::nc":       {48, 15, 0, 1},
		"rfc5280::pc":       {1, 0, 0, 0},
		"rfc5280::san":      {4, 1, 1, 0},
		"rfc5280::serial":   {3, 0, 0, 0},
		"rfc5280::ski":      {3, 0, 0, 0},
		"rfc5280::validity": {11, 3, 0, 0},
		"webpki":            {15, 1, 0, 0},
		"webpki::aki":       {5, 0, 0, 0},
		"webpki::cn":        {9, 9, 9, 0},
		"webpki::eku":       {4, 3, 3, 0},
		"webpki::nc":        {4, 1, 0, 1},
		"webpki::san":       {19, 7, 4, 0},
	})
}

func limbo(ctx context.Context, tc limboCase) error {
	if tc.Time.IsZero() { // any time will do
		tc.Time = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	p := &trust.Policy{
		Profile:    trust.Profile{Name: "limbo", AllowRSA: true, RequireKeyIdentifiers: true, AllowAnchorInChain: true},
		Revocation: trust.NotChecked("the case has no revocation lists"),
		Now:        at(tc.Time),
	}
	if len(tc.KeyUsage) > 0 { // there are no others
		p.Profile.KeyUsage = x509.KeyUsageDigitalSignature
	}
	if tc.MaxDepth != nil {
		p.Profile.Direct, p.Profile.MaxIntermediates = *tc.MaxDepth == 0, *tc.MaxDepth
	}
	for _, usage := range tc.ExtKeyUsage {
		p.Profile.ExtKeyUsage = append(p.Profile.ExtKeyUsage, map[string]string{
			"serverAuth": "1.3.6.1.5.5.7.3.1", "clientAuth": "1.3.6.1.5.5.7.3.2",
		}[usage])
	}
	if len(tc.CRLs) > 0 {
		checker := trust.NewCRLChecker(trust.CRLSourceFunc(func(context.Context, *x509.Certificate, string) ([]byte, error) {
			block, _ := pem.Decode([]byte(tc.CRLs[0]))
			return block.Bytes, nil
		}), p.Now)
		checker.MaxValidity = math.MaxInt64 // the lists of the corpus are for all times
		p.Revocation = checker
	}
	anchors, err := parsePEMs(tc.Trusted)
	if err != nil {
		return err
	}
	for _, cert := range anchors {
		p.Anchors = append(p.Anchors, trust.Anchor{Certificate: cert})
	}
	chain, err := parsePEMs(append([]string{tc.Peer}, tc.Intermediates...))
	if err != nil {
		return err
	}
	if _, err := p.Verify(ctx, chain[0], chain[1:]); err != nil {
		return err
	}
	if tc.PeerName != nil && tc.PeerName.Kind != "RFC822" {
		return chain[0].VerifyHostname(tc.PeerName.Value)
	}
	return nil
}

func parsePEMs(texts []string) ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	for _, text := range texts {
		block, _ := pem.Decode([]byte(text))
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		certs = append(certs, cert)
	}
	return certs, nil
}
