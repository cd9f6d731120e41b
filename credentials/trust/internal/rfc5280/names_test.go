package rfc5280_test

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"testing"

	"github.com/tegata-id/tegata/credentials/trust/internal/rfc5280"
)

// general is a GeneralName of the given tag.
func general(tag int, content []byte) []byte {
	der, err := asn1.Marshal(asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: tag, IsCompound: tag == 0 || tag == 4, Bytes: content})
	if err != nil {
		panic(err)
	}
	return der
}

func text(tag int) func(string) []byte {
	return func(s string) []byte { return general(tag, []byte(s)) }
}

var email, dns, uri = text(1), text(2), text(6)

func ip(b ...byte) []byte { return general(7, b) }

// other is an otherName, which nobody understands.
func other() []byte { return general(0, []byte{6, 2, 42, 3, 0xa0, 3, 12, 1, 'x'}) }

func rawName(rdns ...asn1.RawValue) []byte {
	der, err := asn1.Marshal(rdns)
	if err != nil {
		panic(err)
	}
	return der
}

// rdn is a relative name of one attribute 2.5.4.n with the given string type.
func rdn(n, tag int, value string) asn1.RawValue {
	attribute, err := asn1.Marshal([]asn1.RawValue{
		{FullBytes: []byte{6, 3, 0x55, 4, byte(n)}}, {Tag: tag, Bytes: []byte(value)},
	})
	if err != nil {
		panic(err)
	}
	return asn1.RawValue{Tag: asn1.TagSet, IsCompound: true, Bytes: attribute}
}

func sequence(tag asn1.RawValue, elements ...[]byte) []byte {
	tag.IsCompound, tag.Bytes = true, bytes.Join(elements, nil)
	der, err := asn1.Marshal(tag)
	if err != nil {
		panic(err)
	}
	return der
}

func subtrees(tag int, bases ...[]byte) []byte {
	if len(bases) == 0 {
		return nil
	}
	var list [][]byte
	for _, b := range bases {
		list = append(list, sequence(asn1.RawValue{Tag: asn1.TagSequence}, b))
	}
	return sequence(asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: tag}, list...)
}

// ca has name constraints with the given subtrees, already encoded.
func ca(subtrees ...[]byte) *x509.Certificate {
	return &x509.Certificate{
		RawSubject: []byte("ca"), RawIssuer: []byte("root"),
		Extensions: []pkix.Extension{{Id: rfc5280.OIDNameConstraints, Value: sequence(asn1.RawValue{Tag: asn1.TagSequence}, subtrees...)}},
	}
}

func permit(bases ...[]byte) *x509.Certificate  { return ca(subtrees(0, bases...)) }
func exclude(bases ...[]byte) *x509.Certificate { return ca(subtrees(1, bases...)) }

func leaf(names ...[]byte) *x509.Certificate {
	return &x509.Certificate{
		RawSubject: []byte("leaf"), RawIssuer: []byte("ca"),
		Extensions: []pkix.Extension{{Id: rfc5280.OIDSubjectAltName, Value: sequence(asn1.RawValue{Tag: asn1.TagSequence}, names...)}},
	}
}

// person has a subject and no alternative names.
func person(rdns ...asn1.RawValue) *x509.Certificate {
	return &x509.Certificate{
		RawSubject: rawName(rdns...), RawIssuer: []byte("ca"),
		Subject: pkix.Name{Names: []pkix.AttributeTypeAndValue{{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: "x"}}},
	}
}

func mailbox(address string) *x509.Certificate {
	c := person(rdn(3, asn1.TagPrintableString, "x"))
	c.Subject.Names = append(c.Subject.Names, pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}, Value: address})
	return c
}

func many(n int, name func(string) []byte) [][]byte {
	var out [][]byte
	for i := range n {
		out = append(out, name(fmt.Sprintf("n%d.example", i)))
	}
	return out
}

func TestCheckNames(t *testing.T) {
	t.Parallel()
	const printable, utf8 = asn1.TagPrintableString, asn1.TagUTF8String
	city := []asn1.RawValue{rdn(6, printable, "JP"), rdn(10, utf8, "手形市")}
	base := func(rdns ...asn1.RawValue) []byte { return general(4, rawName(rdns...)) }
	tests := []struct {
		name string
		ca   *x509.Certificate
		leaf *x509.Certificate
		want error
	}{
		{"no constraints", &x509.Certificate{}, leaf(dns("a.example")), nil},
		{"DNS permitted", permit(dns("example")), leaf(dns("a.example")), nil},
		{"DNS permitted itself", permit(dns("Example")), leaf(dns("eXample")), nil},
		{"DNS not permitted", permit(dns("example")), leaf(dns("aexample")), rfc5280.ErrNotPermitted},
		{"one of two DNS names not permitted", permit(dns("example")), leaf(dns("a.example"), dns("b.test")), rfc5280.ErrNotPermitted},
		{"DNS excluded", exclude(dns("example")), leaf(dns("a.b.example")), rfc5280.ErrExcluded},
		{"DNS not excluded", exclude(dns("b.example")), leaf(dns("a.example")), nil},
		{"DNS excluded although permitted", ca(subtrees(0, dns("example")), subtrees(1, dns("b.example"))), leaf(dns("b.example")), rfc5280.ErrExcluded},
		{"everything excluded", exclude(dns("")), leaf(dns("a.example")), rfc5280.ErrExcluded},
		{"wildcard permitted", permit(dns("example")), leaf(dns("*.example")), nil},
		{"wildcard wider than permitted", permit(dns("a.example")), leaf(dns("*.example")), rfc5280.ErrNotPermitted},
		{"wildcard that might be excluded", exclude(dns("a.example")), leaf(dns("*.example")), rfc5280.ErrExcluded},
		{"wildcard that cannot be excluded", exclude(dns("b.a.example")), leaf(dns("*.example")), nil},
		{"leading period in a DNS constraint", permit(dns(".example")), leaf(dns("a.example")), rfc5280.ErrNames},
		{"other kinds are not meant", permit(dns("example")), leaf(email("a@b.test")), nil},

		{"email host permitted", permit(email("b.test")), leaf(email("a@B.test")), nil},
		{"email host is not its domain", permit(email("b.test")), leaf(email("a@c.b.test")), rfc5280.ErrNotPermitted},
		{"email domain", permit(email(".b.test")), leaf(email("a@c.b.test")), nil},
		{"email domain is not its host", permit(email(".b.test")), leaf(email("a@b.test")), rfc5280.ErrNotPermitted},
		{"email mailbox", permit(email("a@b.test")), leaf(email("a@B.test")), nil},
		{"email of another mailbox", permit(email("a@b.test")), leaf(email("A@b.test")), rfc5280.ErrNotPermitted},
		{"email excluded", exclude(email("b.test")), leaf(email("a@b.test")), rfc5280.ErrExcluded},
		{"email that is none", exclude(email("b.test")), leaf(email("b.test")), rfc5280.ErrNames},
		{"email in the subject", exclude(email("b.test")), mailbox("a@b.test"), rfc5280.ErrExcluded},
		{"email in the subject, not excluded", exclude(email("b.test")), mailbox("a@c.test"), nil},

		{"URI host", permit(uri("b.test")), leaf(uri("https://b.test:8443/x")), nil},
		{"URI host is not its domain", permit(uri("b.test")), leaf(uri("https://a.b.test/")), rfc5280.ErrNotPermitted},
		{"URI domain", permit(uri(".b.test")), leaf(uri("https://a.b.test/")), nil},
		{"URI with userinfo", exclude(uri("b.test")), leaf(uri("https://a.test@b.test/")), rfc5280.ErrExcluded},
		{"URI without host", permit(uri("b.test")), leaf(uri("urn:b.test")), rfc5280.ErrNames},
		{"URI with an address", permit(uri("b.test")), leaf(uri("https://192.0.2.1/")), rfc5280.ErrNames},

		{"IP permitted", permit(ip(192, 0, 2, 0, 255, 255, 255, 0)), leaf(ip(192, 0, 2, 7)), nil},
		{"IP not permitted", permit(ip(192, 0, 2, 0, 255, 255, 255, 0)), leaf(ip(192, 0, 3, 7)), rfc5280.ErrNotPermitted},
		{"IP excluded", exclude(ip(192, 0, 2, 9, 255, 255, 255, 0)), leaf(ip(192, 0, 2, 7)), rfc5280.ErrExcluded},
		{"IP of the other version", permit(ip(192, 0, 2, 0, 255, 255, 255, 0)), leaf(ip(make([]byte, 16)...)), rfc5280.ErrNotPermitted},
		{"IP of no version", exclude(ip(192, 0, 2, 0, 255, 255, 255, 0)), leaf(ip(192, 0, 2)), rfc5280.ErrNames},
		{"IP constraint of no version", exclude(ip(192, 0, 2, 0)), leaf(ip(192, 0, 2, 0)), rfc5280.ErrNames},

		{"directory name below", permit(base(city...)), person(append(city[:2:2], rdn(3, utf8, "x"))...), nil},
		{"directory name elsewhere", permit(base(city...)), person(city[0], rdn(10, utf8, "別市"), rdn(3, utf8, "x")), rfc5280.ErrNotPermitted},
		{"directory name above", permit(base(city...)), person(city[0]), rfc5280.ErrNotPermitted},
		{"directory name in another order", permit(base(city...)), person(city[1], city[0]), rfc5280.ErrNotPermitted},
		{"directory name excluded", exclude(base(city...)), person(append(city[:2:2], rdn(3, utf8, "x"))...), rfc5280.ErrExcluded},
		{"directory name with another type, case, width and spaces", exclude(base(rdn(10, printable, "Tegata City"))),
			person(rdn(10, utf8, " tegata \u3000ＣＩＴＹ\u200b")), rfc5280.ErrExcluded},
		{"directory name that only looks like two attributes", exclude(base(rdn(10, utf8, "a"))), person(rdn(10, utf8, "a+2.5.4.3=b")), nil},
		{"alternative directory name excluded", exclude(base(city...)), leaf(base(city...)), rfc5280.ErrExcluded},

		{"kind that is not understood, absent", permit(other()), leaf(dns("a.example")), nil},
		{"kind that is not understood, permitted", permit(other()), leaf(other()), rfc5280.ErrNames},
		{"kind that is not understood, excluded", exclude(other()), leaf(other()), rfc5280.ErrNames},
		{"no subtrees", ca(), leaf(dns("a.example")), rfc5280.ErrNames},
		{"a distance", ca(sequence(asn1.RawValue{Class: asn1.ClassContextSpecific}, sequence(asn1.RawValue{Tag: asn1.TagSequence}, dns("a"), []byte{0x80, 1, 1}))), leaf(dns("a")), rfc5280.ErrNames},
		{"512 names", exclude(dns("test")), leaf(many(512, dns)...), nil},
		{"513 names", exclude(dns("test")), leaf(many(513, dns)...), rfc5280.ErrTooManyNames},
		{"65,536 comparisons", exclude(many(128, dns)...), leaf(many(512, uri)...), nil},
		{"more comparisons", exclude(many(129, dns)...), leaf(many(512, uri)...), rfc5280.ErrTooManyNames},
		{"513 constraints", exclude(many(513, dns)...), leaf(dns("a.test")), rfc5280.ErrTooManyNames},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := rfc5280.CheckNames([]*x509.Certificate{tt.leaf, tt.ca})
			if !errors.Is(got, tt.want) || (tt.want == nil) != (got == nil) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// TestCheckNamesSelfIssued: an intermediate is held to the constraints above
// it, unless it is self-issued; a leaf always is.
func TestCheckNamesSelfIssued(t *testing.T) {
	t.Parallel()
	root := permit(dns("example"))
	bad := leaf(dns("a.test"))
	own := *bad
	own.RawIssuer = own.RawSubject
	end := leaf(dns("a.example"))
	for _, tt := range []struct {
		name string
		path []*x509.Certificate
		want error
	}{
		{"intermediate", []*x509.Certificate{end, bad, root}, rfc5280.ErrNotPermitted},
		{"self-issued intermediate", []*x509.Certificate{end, &own, root}, nil},
		{"self-issued leaf", []*x509.Certificate{&own, root}, rfc5280.ErrNotPermitted},
		{"constraints two levels above", []*x509.Certificate{bad, {}, root}, rfc5280.ErrNotPermitted},
	} {
		if got := rfc5280.CheckNames(tt.path); !errors.Is(got, tt.want) || (tt.want == nil) != (got == nil) {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}
