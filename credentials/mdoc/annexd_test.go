package mdoc_test

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
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
	t.Run("TV-22 device MAC verifies for its session", func(t *testing.T) {
		t.Parallel()
		var embedded cose.EncodedCBOR
		if err := cose.Unmarshal(readHex(t, "annex_d_session_transcript.hex"), &embedded); err != nil {
			t.Fatal(err)
		}
		key, err := ecdh.P256().NewPrivateKey(unhex(t, "de3b4b9e5f72dd9b58406ae3091434da48a6f9fd010d88fcb0958e2cebec947c"))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(embedded.Content(), key.PublicKey().Bytes()[1:33]) {
			t.Fatal("the key is not that of the transcript")
		}
		other, err := ecdh.P256().GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		response := string(readHex(t, "annex_d_device_response.hex"))
		session := string(embedded.Content())
		v := &mdoc.Verifier{Trust: policy, Now: func() time.Time { return now }}
		for name, tt := range map[string]struct {
			response, session string
			key               *ecdh.PrivateKey
			want              mdoc.Reason
		}{
			"honest":                      {response, session, key, ""},
			"TestNeg/P06 other reader":    {response, session, other, mdoc.ReasonDeviceMAC},
			"TestNeg/P06 no reader":       {response, session, nil, mdoc.ReasonDeviceMAC},
			"TestNeg/P05 other session":   {response, strings.Replace(session, "nfcnfc", "nfcnfd", 1), key, mdoc.ReasonDeviceMAC},
			"TestNeg/P06 other tag":       {strings.Replace(response, "\xe9\x95\x21\xa8", "\xe9\x95\x21\xa9", 1), session, key, mdoc.ReasonDeviceMAC},
			"TestNeg/C08 other algorithm": {strings.Replace(response, "deviceMac\x84\x43\xa1\x01\x05", "deviceMac\x84\x43\xa1\x01\x04", 1), session, key, mdoc.ReasonDeviceMAC},
			"TestNeg/C08 own payload":     {strings.Replace(response, "\xa1\x01\x05\xa0\xf6", "\xa1\x01\x05\xa0\x40", 1), session, key, mdoc.ReasonDeviceMAC},
		} {
			transcript, err := mdoc.ProximityTranscript([]byte(tt.session))
			if err != nil {
				t.Fatal(err)
			}
			got, err := v.VerifySession(t.Context(), []byte(tt.response), transcript, tt.key)
			var e *mdoc.Error
			if tt.want == "" && (err != nil || got.Checks[len(got.Checks)-1].Name != "device_mac") || tt.want != "" && (!errors.As(err, &e) || e.Reason != tt.want) {
				t.Errorf("%s: %v", name, err)
			}
		}
		for _, bad := range []string{"", "\x82\x01\x02", "\xf6"} {
			if _, err := mdoc.ProximityTranscript([]byte(bad)); err == nil {
				t.Errorf("%x is a transcript", bad)
			}
		}
	})
	t.Run("TV-22 device MAC is refused over OpenID4VP", func(t *testing.T) {
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
