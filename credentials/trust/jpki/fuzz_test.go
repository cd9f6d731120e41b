package jpki_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"testing"

	"github.com/tegata-id/tegata/credentials/trust/jpki"
)

// FuzzSignatureCertificate has any content of the extension that names the
// person: what is read has a name and an address, and a date that exists.
func FuzzSignatureCertificate(f *testing.F) {
	f.Add(certificate(names(nil)).Extensions[0].Value)
	f.Add(certificate(names(map[int]string{4: "319850229"})).Extensions[0].Value)
	f.Add([]byte{0x30, 0})
	f.Fuzz(func(t *testing.T, value []byte) {
		got, err := jpki.ParseSignatureCertificate(&x509.Certificate{Extensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: value}}})
		if err != nil {
			return
		}
		if got.Name == "" || got.Address == "" {
			t.Errorf("read %+v", got)
		}
		if got.BirthDate != nil && (got.BirthDate.Month < 1 || got.BirthDate.Month > 12 || got.BirthDate.Day < 1 || got.BirthDate.Day > 31) {
			t.Errorf("born on %v", got.BirthDate)
		}
	})
}
