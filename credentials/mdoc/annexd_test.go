package mdoc_test

import (
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/cose"
	"github.com/tegata-id/tegata/credentials/mdoc"
	"github.com/tegata-id/tegata/credentials/trust"
)

func readHex(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return unhex(t, strings.Join(strings.Fields(string(data)), ""))
}

func annexDPolicy(t testing.TB, now func() time.Time) *trust.Policy {
	t.Helper()
	iaca, err := x509.ParseCertificate(readHex(t, "annex_d_iaca.hex"))
	if err != nil {
		t.Fatal(err)
	}
	return &trust.Policy{
		Anchors:    []trust.Anchor{{Certificate: iaca, Jurisdiction: "US"}},
		Profile:    trust.ProfileMdocSigner,
		Revocation: trust.NotChecked("the example has no revocation list"),
		Now:        now,
	}
}

// annexDIssuerSigned cuts the part of the issuer out of the response.
func annexDIssuerSigned(t testing.TB) []byte {
	t.Helper()
	var response struct {
		Documents []struct {
			IssuerSigned cose.RawMessage `cbor:"issuerSigned"`
		} `cbor:"documents"`
	}
	if err := cose.Unmarshal(readHex(t, "annex_d_device_response.hex"), &response); err != nil {
		t.Fatal(err)
	}
	return response.Documents[0].IssuerSigned
}

func TestAnnexD(t *testing.T) {
	t.Parallel()
	now := time.Date(2020, 10, 2, 0, 0, 0, 0, time.UTC)
	policy := annexDPolicy(t, func() time.Time { return now })

	t.Run("TV-22 issuer part verifies", func(t *testing.T) {
		t.Parallel()
		got, err := mdoc.VerifyIssued(t.Context(), annexDIssuerSigned(t), policy, now)
		if err != nil {
			t.Fatal(err)
		}
		elements := got.Claims["org.iso.18013.5.1"].(credentials.Object)
		if portrait, ok := elements["portrait"].(credentials.Bytes); !ok || len(portrait) != 1042 {
			t.Errorf("portrait of %d bytes", len(portrait))
		}
		delete(elements, "portrait")
		want := credentials.Object{"org.iso.18013.5.1": credentials.Object{
			"family_name":     credentials.Text("Doe"),
			"issue_date":      credentials.FullDate{Year: 2019, Month: 10, Day: 20},
			"expiry_date":     credentials.FullDate{Year: 2024, Month: 10, Day: 20},
			"document_number": credentials.Text("123456789"),
			"driving_privileges": credentials.Array{
				credentials.Object{"vehicle_category_code": credentials.Text("A"), "issue_date": credentials.FullDate{Year: 2018, Month: 8, Day: 9}, "expiry_date": credentials.FullDate{Year: 2024, Month: 10, Day: 20}},
				credentials.Object{"vehicle_category_code": credentials.Text("B"), "issue_date": credentials.FullDate{Year: 2017, Month: 2, Day: 23}, "expiry_date": credentials.FullDate{Year: 2024, Month: 10, Day: 20}},
			},
		}}
		if diff := cmp.Diff(want, got.Claims); diff != "" {
			t.Error(diff)
		}
		if cn := got.Chain[0].Subject.CommonName; cn != "utopia ds" || got.Type != "org.iso.18013.5.1.mDL" {
			t.Errorf("signed by %q, type %q", cn, got.Type)
		}
	})
	t.Run("TV-22 device MAC is refused", func(t *testing.T) {
		t.Parallel()
		v := &mdoc.Verifier{Trust: policy, Now: func() time.Time { return now }}
		_, err := v.Verify(t.Context(), readHex(t, "annex_d_device_response.hex"), binding())
		var e *mdoc.Error
		if !errors.As(err, &e) || e.Reason != mdoc.ReasonDeviceMAC {
			t.Errorf("got %v", err)
		}
	})
	t.Run("TV-22 any changed byte of an element is noticed", func(t *testing.T) {
		t.Parallel()
		raw := []byte(strings.Replace(string(annexDIssuerSigned(t)), "cDoe", "cDof", 1))
		_, err := mdoc.VerifyIssued(t.Context(), raw, policy, now)
		var e *mdoc.Error
		if !errors.As(err, &e) || e.Reason != mdoc.ReasonDigest {
			t.Errorf("got %v", err)
		}
	})
}
