package trust_test

import (
	"context"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
)

const municipality = "dn:CN=Kiyose-shi CRLDP,OU=Tokyo-to/x,O=JPKI-TEST,C=JP"

func TestCRLMirror(t *testing.T) {
	t.Parallel()
	ca := newCA(t, trusttest.CAOptions{}).Certificate
	id := hex.EncodeToString(ca.SubjectKeyId)
	for partition, want := range map[string]string{
		"":               "https://crl.invalid/jpki/" + id + "/all",
		municipality:     "https://crl.invalid/jpki/" + id + "/dn:CN=Kiyose-shi%20CRLDP%2COU=Tokyo-to%2Fx%2CO=JPKI-TEST%2CC=JP",
		"uri:" + crlURL:  "https://crl.invalid/jpki/" + id + "/uri:http:%2F%2Fcrl.test.invalid%2Fa.crl",
		"uri:../../..//": "https://crl.invalid/jpki/" + id + "/uri:..%2F..%2F..%2F%2F",
	} {
		source := trust.CRLMirror("https://crl.invalid/jpki", func(_ context.Context, address string) ([]byte, error) { return []byte(address), nil })
		if got, err := source.CRL(t.Context(), ca, partition); err != nil || string(got) != want {
			t.Errorf("%s, %v, want %s", got, err, want)
		}
	}
}

func TestCRLByURI(t *testing.T) {
	t.Parallel()
	ca := newCA(t, trusttest.CAOptions{}).Certificate
	source := trust.CRLByURI(func(_ context.Context, address string) ([]byte, error) { return []byte(address), nil })
	for partition, ok := range map[string]bool{
		"uri:" + crlURL: true, "uri:https://crl.invalid/a?b": true,
		"": false, municipality: false, "uri:ldap://crl.invalid/cn=a": false, "uri:file:///etc/passwd": false,
		"uri:http:///a": false, "uri:http://user@crl.invalid/": false, "uri:%": false,
	} {
		got, err := source.CRL(t.Context(), ca, partition)
		if (err == nil) != ok || (ok && "uri:"+string(got) != partition) {
			t.Errorf("%s: %s, %v", partition, got, err)
		}
	}
}

// TestCRLFiles reads lists from a folder, and tells nobody of their names.
func TestCRLFiles(t *testing.T) {
	t.Parallel()
	ca := newCA(t, trusttest.CAOptions{})
	raw, err := ca.CRL(start, start.Add(day))
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	name := filepath.Join(folder, filepath.FromSlash(trust.CRLPath(ca.Certificate, municipality)+".crl"))
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	source := trust.CRLFiles(os.DirFS(folder))
	if got, err := source.CRL(t.Context(), ca.Certificate, municipality); err != nil || string(got) != string(raw) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	huge := fstest.MapFS{trust.CRLPath(ca.Certificate, "") + ".crl": {Data: make([]byte, trust.MaxCRLSize+10)}}
	for name, tt := range map[string]struct {
		source    trust.CRLSource
		partition string
		want      trust.Reason
	}{
		"honest twin":     {trust.CRLFiles(fstest.MapFS{trust.CRLPath(ca.Certificate, "") + ".crl": {Data: raw}}), "", ""},
		"no file":         {source, "dn:CN=Sapporo-shi CRLDP", trust.ReasonRevocationUnavailable},
		"above":           {source, "uri:../../x", trust.ReasonRevocationUnavailable},
		"K10 a huge file": {trust.CRLFiles(huge), "", trust.ReasonRevocationInvalid},
	} {
		checker := trust.NewCRLChecker(tt.source, at(start))
		ref := refOf(ca, 1)
		ref.Partitions = []string{tt.partition}
		status, err := checker.Status(t.Context(), ref)
		if got := reasonOf(t, status, err); got != tt.want {
			t.Errorf("%s: got %q (%v), want %q", name, got, err, tt.want)
		}
		var e *trust.Error
		if errors.As(err, &e) && strings.Contains(e.Error(), "shi") {
			t.Errorf("%s: names the municipality: %v", name, err)
		}
	}
}
