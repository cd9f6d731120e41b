package cms_test

import (
	"crypto/x509"
	"testing"

	"github.com/tegata-id/tegata/credentials/trust/cms"
)

// FuzzSignedData changes a SignedData anyhow. What is still accepted carries a
// signature of the certificate that is returned, over attributes that name the
// content: the check of the signature is never skipped, and never misled.
func FuzzSignedData(f *testing.F) {
	m := newMessage(f)
	f.Add(m.encode(f))
	m.encapsulated = sequence(oid(oidData), tlv(tag0, octets(content)))
	f.Add(m.encode(f))
	f.Add([]byte{0x30, 0x80, 0, 0})
	f.Fuzz(func(t *testing.T, der []byte) {
		var checked *x509.Certificate
		cert, err := cms.Verify(der, content, func(cert *x509.Certificate, message, signature []byte) error {
			if checked != nil {
				t.Error("two signatures were checked")
			}
			checked = cert
			return check(cert, message, signature)
		})
		if err == nil && (checked == nil || cert != checked) {
			t.Error("accepted without a signature")
		}
	})
}
