package rfc5280_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"testing"

	"github.com/tegata-id/tegata/credentials/trust/internal/rfc5280"
)

// FuzzNames: where one name violates constraints, it does so beside others
// too, and what is excluded is refused although it is permitted.
func FuzzNames(f *testing.F) {
	seed := func(ca, leaf *x509.Certificate) { f.Add(ca.Extensions[0].Value, leaf.Extensions[0].Value) }
	seed(permit(dns("example")), leaf(dns("a.example")))
	seed(exclude(email(".b.test"), uri("b.test")), leaf(email("a@c.b.test"), uri("https://b.test/")))
	seed(permit(ip(192, 0, 2, 0, 255, 255, 255, 0), other()), leaf(ip(192, 0, 2, 7)))
	seed(exclude(general(4, rawName(rdn(6, 19, "JP"), rdn(10, 12, "手形市")))), leaf(general(4, rawName(rdn(6, 19, "JP")))))
	f.Fuzz(func(t *testing.T, constraints, names []byte) {
		ca := &x509.Certificate{Extensions: []pkix.Extension{{Id: rfc5280.OIDNameConstraints, Value: constraints}}}
		alone := &x509.Certificate{Extensions: []pkix.Extension{{Id: rfc5280.OIDSubjectAltName, Value: names}}}
		err := rfc5280.CheckNames([]*x509.Certificate{alone, ca})
		// A harmless name in the subject changes nothing for the better.
		more := person(rdn(3, 12, "x"))
		more.Extensions = alone.Extensions
		if rfc5280.CheckNames([]*x509.Certificate{more, ca}) == nil && err != nil {
			t.Errorf("a further name makes names acceptable: %v", err)
		}
		// What holds for a leaf holds for an intermediate.
		if got := rfc5280.CheckNames([]*x509.Certificate{{}, more, ca}); got == nil && err != nil {
			t.Errorf("as an intermediate: accepted; as a leaf: %v", err)
		}
	})
}
