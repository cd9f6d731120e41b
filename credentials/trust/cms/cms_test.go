package cms_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/tegata-id/tegata/credentials/trust/cms"
)

var content = []byte("発行の申請\n")

// identity is a key with its certificate.
type identity struct {
	key  *rsa.PrivateKey
	cert *x509.Certificate
}

// people are the signer and somebody else of the same CA name.
var people = sync.OnceValues(func() (out [2]identity, err error) {
	for i := range out {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return out, err
		}
		template := &x509.Certificate{
			SerialNumber: big.NewInt(int64(100 + i)), Subject: pkix.Name{CommonName: "Test CA"}, SubjectKeyId: []byte{byte(i), 2, 3},
			NotBefore: time.Unix(1_700_000_000, 0), NotAfter: time.Unix(1_900_000_000, 0),
		}
		der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
		if err != nil {
			return out, err
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return out, err
		}
		out[i] = identity{key, cert}
	}
	return out, nil
})

var (
	oidData          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidSignedData    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	oidSHA1          = asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}
	oidSHA256        = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
	oidRSA           = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}
	oidSHA256RSA     = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}
	oidPSS           = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 10}
	oidContentType   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}
	oidMessageDigest = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}
	oidSigningTime   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 5}
	oidCapabilities  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 15}
	oidSigningV1     = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 12}
	oidSigningV2     = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 47}

	tag0 = cbasn1.Tag(0).ContextSpecific().Constructed()
	tag1 = cbasn1.Tag(1).ContextSpecific().Constructed()
)

// tlv wraps parts in a tag.
func tlv(tag cbasn1.Tag, parts ...[]byte) []byte {
	var b cryptobyte.Builder
	b.AddASN1(tag, func(b *cryptobyte.Builder) {
		for _, p := range parts {
			b.AddBytes(p)
		}
	})
	return b.BytesOrPanic()
}

func sequence(parts ...[]byte) []byte { return tlv(cbasn1.SEQUENCE, parts...) }

func oid(id asn1.ObjectIdentifier) []byte {
	var b cryptobyte.Builder
	b.AddASN1ObjectIdentifier(id)
	return b.BytesOrPanic()
}

func number(n int64) []byte {
	var b cryptobyte.Builder
	b.AddASN1Int64(n)
	return b.BytesOrPanic()
}

var null = []byte{5, 0}

func octets(b []byte) []byte { return tlv(cbasn1.OCTET_STRING, b) }

func attribute(id asn1.ObjectIdentifier, values ...[]byte) []byte {
	return sequence(oid(id), tlv(cbasn1.SET, values...))
}

// message is a SignedData in parts, each of which a test may change.
type message struct {
	kind, digests, encapsulated, certificates, lists []byte
	version, signerVersion                           int64
	signerName, digest                               []byte
	attributes                                       [][]byte
	unsorted, noAttributes                           bool
	algorithm, unsigned                              []byte
	// signers is how often the signer is there.
	signers int
	// over is what the signature is over in place of the attributes.
	over []byte
	key  *rsa.PrivateKey
}

func digestOf(b []byte) []byte { sum := sha256.Sum256(b); return sum[:] }

func newMessage(t testing.TB) *message {
	t.Helper()
	all, err := people()
	if err != nil {
		t.Fatal(err)
	}
	me := all[0]
	return &message{
		kind: oid(oidSignedData), digests: tlv(cbasn1.SET, sequence(oid(oidSHA256), null)),
		encapsulated: sequence(oid(oidData)), certificates: tlv(tag0, me.cert.Raw),
		version: 1, signerVersion: 1, signerName: sequence(me.cert.RawIssuer, number(me.cert.SerialNumber.Int64())),
		digest:     sequence(oid(oidSHA256), null),
		attributes: [][]byte{attribute(oidContentType, oid(oidData)), attribute(oidMessageDigest, octets(digestOf(content)))},
		algorithm:  sequence(oid(oidSHA256RSA), null), signers: 1, key: me.key,
	}
}

func (m *message) encode(t testing.TB) []byte {
	t.Helper()
	if !m.unsorted {
		slices.SortFunc(m.attributes, slices.Compare)
	}
	signed := tlv(cbasn1.SET, m.attributes...)
	over := m.over
	if over == nil {
		over = signed
	}
	signature, err := rsa.SignPKCS1v15(rand.Reader, m.key, crypto.SHA256, digestOf(over))
	if err != nil {
		t.Fatal(err)
	}
	signed[0] = byte(tag0)
	if m.noAttributes {
		signed = nil
	}
	one := sequence(number(m.signerVersion), m.signerName, m.digest, signed, m.algorithm, octets(signature), m.unsigned)
	signers := tlv(cbasn1.SET, slices.Repeat([][]byte{one}, m.signers)...)
	return sequence(m.kind, tlv(tag0, sequence(number(m.version), m.digests, m.encapsulated, m.certificates, m.lists, signers)))
}

// check is what package jpki does with the signature.
func check(cert *x509.Certificate, message, signature []byte) error {
	key, ok := cert.PublicKey.(*rsa.PublicKey)
	if !ok {
		return errors.New("not a key for RSA")
	}
	return rsa.VerifyPKCS1v15(key, crypto.SHA256, digestOf(message), signature)
}

// replace returns the attributes with those of one kind replaced, or removed.
func replace(all [][]byte, id asn1.ObjectIdentifier, by ...[]byte) [][]byte {
	out := slices.DeleteFunc(slices.Clone(all), func(a []byte) bool {
		s := cryptobyte.String(a)
		var body cryptobyte.String
		var got asn1.ObjectIdentifier
		return s.ReadASN1(&body, cbasn1.SEQUENCE) && body.ReadASN1ObjectIdentifier(&got) && got.Equal(id)
	})
	return append(out, by...)
}

// TestNegSignedData changes one thing at a time. What is signed is signed
// afresh each time, so that nothing is refused for its signature alone.
func TestNegSignedData(t *testing.T) {
	t.Parallel()
	all, err := people()
	if err != nil {
		t.Fatal(err)
	}
	me, other := all[0], all[1]
	sortedCerts := [][]byte{me.cert.Raw, other.cert.Raw}
	slices.SortFunc(sortedCerts, slices.Compare)
	second := &x509.Certificate{SerialNumber: me.cert.SerialNumber, Subject: me.cert.Subject, SubjectKeyId: me.cert.SubjectKeyId, NotBefore: me.cert.NotBefore, NotAfter: me.cert.NotAfter}
	twin, err := x509.CreateCertificate(rand.Reader, second, second, &other.key.PublicKey, other.key)
	if err != nil {
		t.Fatal(err)
	}
	twins := [][]byte{me.cert.Raw, twin}
	slices.SortFunc(twins, slices.Compare)
	certHash := octets(digestOf(me.cert.Raw))
	add := func(attributes ...[]byte) func(*message) {
		return func(m *message) { m.attributes = append(m.attributes, attributes...) }
	}
	swap := func(id asn1.ObjectIdentifier, by ...[]byte) func(*message) {
		return func(m *message) { m.attributes = replace(m.attributes, id, by...) }
	}
	keyID := func(m *message) {
		m.version, m.signerVersion, m.signerName = 3, 3, tlv(cbasn1.Tag(0).ContextSpecific(), me.cert.SubjectKeyId)
	}
	attached := func(b []byte) func(*message) {
		return func(m *message) { m.encapsulated = sequence(oid(oidData), tlv(tag0, octets(b))) }
	}
	for _, tt := range []struct {
		name string
		ok   bool
		edit func(*message)
	}{
		{"honest twin", true, func(*message) {}},
		{"attached", true, attached(content)},
		{"signer by key identifier", true, keyID},
		{"algorithms without parameters", true, func(m *message) {
			m.digests, m.digest = tlv(cbasn1.SET, sequence(oid(oidSHA256))), sequence(oid(oidSHA256))
		}},
		{"rsaEncryption", true, func(m *message) { m.algorithm = sequence(oid(oidRSA), null) }},
		{"signing time", true, add(attribute(oidSigningTime, tlv(cbasn1.UTCTime, []byte("261123140000Z"))))},
		{"signing time after 2049", true, add(attribute(oidSigningTime, tlv(cbasn1.GeneralizedTime, []byte("20501123140000Z"))))},
		{"capabilities", true, add(attribute(oidCapabilities, sequence()))},
		{"signing certificate", true, add(attribute(oidSigningV2, sequence(sequence(sequence(certHash)))))},
		{"signing certificate with its algorithm", true, add(attribute(oidSigningV2, sequence(sequence(sequence(sequence(oid(oidSHA256), null), certHash)))))},
		{"another certificate comes along", true, func(m *message) { m.certificates = tlv(tag0, sortedCerts...) }},

		{"attached, other content", false, attached([]byte("別の文"))},
		{"attached, nothing", false, attached(nil)},
		{"attached as a sequence", false, func(m *message) { m.encapsulated = sequence(oid(oidData), tlv(tag0, sequence(content))) }},
		{"attached in pieces (BER)", false, func(m *message) {
			m.encapsulated = sequence(oid(oidData), tlv(tag0, tlv(cbasn1.OCTET_STRING|0x20, octets(content))))
		}},
		{"attached, trailing octets", false, func(m *message) { m.encapsulated = sequence(oid(oidData), tlv(tag0, octets(content), null)) }},
		{"content of another type", false, func(m *message) { m.encapsulated = sequence(oid(oidSignedData)) }},
		{"of another type", false, func(m *message) { m.kind = oid(oidData) }},
		{"version 3 for issuer and serial", false, func(m *message) { m.version = 3 }},
		{"version 1 for a key identifier", false, func(m *message) { keyID(m); m.version = 1 }},
		{"version 2", false, func(m *message) { m.version, m.signerVersion = 2, 2 }},
		{"version 1 signer with key identifier", false, func(m *message) { keyID(m); m.version, m.signerVersion = 1, 1 }},

		{"no signer", false, func(m *message) { m.signers = 0 }},
		{"two signers", false, func(m *message) { m.signers = 2 }},
		{"no certificate", false, func(m *message) { m.certificates = nil }},
		{"no certificates in the set", false, func(m *message) { m.certificates = tlv(tag0) }},
		{"certificate of another", false, func(m *message) { m.certificates = tlv(tag0, other.cert.Raw) }},
		{"two certificates fit", false, func(m *message) { m.certificates = tlv(tag0, twins...) }},
		{"certificates out of order", false, func(m *message) { m.certificates = tlv(tag0, sortedCerts[1], sortedCerts[0]) }},
		{"certificate twice", false, func(m *message) { m.certificates = tlv(tag0, me.cert.Raw, me.cert.Raw) }},
		{"certificate with trailing octets", false, func(m *message) { m.certificates = tlv(tag0, append(slices.Clone(me.cert.Raw), 0)) }},
		{"attribute certificate", false, func(m *message) { m.certificates = tlv(tag0, me.cert.Raw, tlv(tag1, null)) }},
		{"revocation lists", false, func(m *message) { m.lists = tlv(tag1, sequence()) }},
		{"serial number of another", false, func(m *message) { m.signerName = sequence(me.cert.RawIssuer, number(101)) }},
		{"issuer of another", false, func(m *message) { m.signerName = sequence(sequence(), number(100)) }},
		{"another key identifier", false, func(m *message) {
			keyID(m)
			m.signerName = tlv(cbasn1.Tag(0).ContextSpecific(), other.cert.SubjectKeyId)
		}},

		{"SHA-1", false, func(m *message) {
			m.digests, m.digest = tlv(cbasn1.SET, sequence(oid(oidSHA1), null)), sequence(oid(oidSHA1), null)
		}},
		{"SHA-1 in the signer alone", false, func(m *message) { m.digest = sequence(oid(oidSHA1), null) }},
		{"two digest algorithms", false, func(m *message) {
			m.digests = tlv(cbasn1.SET, sequence(oid(oidSHA1), null), sequence(oid(oidSHA256), null))
		}},
		{"no digest algorithm", false, func(m *message) { m.digests = tlv(cbasn1.SET) }},
		{"digest with other parameters", false, func(m *message) { m.digest = sequence(oid(oidSHA256), sequence()) }},
		{"PSS", false, func(m *message) { m.algorithm = sequence(oid(oidPSS), null) }},
		{"signature algorithm without parameters", false, func(m *message) { m.algorithm = sequence(oid(oidSHA256RSA)) }},

		{"no signed attributes, content signed", false, func(m *message) { m.noAttributes, m.over = true, content }},
		{"attributes, but the content is signed", false, func(m *message) { m.over = content }},
		{"attributes signed under their tag", false, func(m *message) {
			slices.SortFunc(m.attributes, slices.Compare)
			m.over = tlv(tag0, m.attributes...)
		}},
		{"signature of another", false, func(m *message) { m.key = other.key }},
		{"attributes out of order", false, func(m *message) {
			slices.SortFunc(m.attributes, slices.Compare)
			slices.Reverse(m.attributes)
			m.unsorted = true
		}},
		{"no content type", false, swap(oidContentType)},
		{"no message digest", false, swap(oidMessageDigest)},
		{"other content type", false, swap(oidContentType, attribute(oidContentType, oid(oidSignedData)))},
		{"two content types", false, swap(oidContentType, attribute(oidContentType, oid(oidData), oid(oidSignedData)))},
		{"content type twice", false, add(attribute(oidContentType, oid(oidSignedData)))},
		{"digest of another content", false, swap(oidMessageDigest, attribute(oidMessageDigest, octets(digestOf([]byte("x")))))},
		{"digest cut off", false, swap(oidMessageDigest, attribute(oidMessageDigest, octets(digestOf(content)[:31])))},
		{"empty digest", false, swap(oidMessageDigest, attribute(oidMessageDigest, octets(nil)))},
		{"digest twice", false, add(attribute(oidMessageDigest, octets(digestOf([]byte("x")))))},
		{"two digests in one", false, swap(oidMessageDigest, attribute(oidMessageDigest, octets([]byte{0}), octets(digestOf(content))))},
		{"digest without value", false, swap(oidMessageDigest, attribute(oidMessageDigest))},
		{"attribute with trailing octets", false, add(sequence(oid(oidCapabilities), tlv(cbasn1.SET, null), null))},
		{"other attribute without value", false, add(attribute(oidCapabilities))},
		{"other attribute twice", false, add(attribute(oidCapabilities, null), attribute(oidCapabilities, sequence()))},
		{"signing time that is none", false, add(attribute(oidSigningTime, tlv(cbasn1.UTCTime, []byte("261323140000Z"))))},
		{"two signing times", false, add(attribute(oidSigningTime, tlv(cbasn1.UTCTime, []byte("261123140000Z")), tlv(cbasn1.UTCTime, []byte("261123140001Z"))))},
		{"signing certificate of another", false, add(attribute(oidSigningV2, sequence(sequence(sequence(octets(digestOf(other.cert.Raw)))))))},
		{"signing certificate by SHA-1", false, add(attribute(oidSigningV1, sequence(sequence(sequence(octets(make([]byte, 20)))))))},
		{"unsigned attributes", false, func(m *message) { m.unsigned = tlv(tag1, attribute(oidCapabilities, null)) }},
		{"trailing octets after the signature", false, func(m *message) { m.unsigned = null }},
	} {
		t.Run("K08 "+tt.name, func(t *testing.T) {
			t.Parallel()
			m := newMessage(t)
			tt.edit(m)
			cert, err := cms.Verify(m.encode(t), content, check)
			if (err == nil) != tt.ok {
				t.Fatalf("got %v, want ok %v", err, tt.ok)
			}
			if tt.ok && !cert.Equal(me.cert) {
				t.Error("not the signer's certificate")
			}
			if !tt.ok && cert != nil {
				t.Error("a certificate is returned with the error")
			}
		})
	}
}

// TestNegEncoding takes a good SignedData and changes only how it is encoded.
func TestNegEncoding(t *testing.T) {
	t.Parallel()
	good := newMessage(t).encode(t)
	if _, err := cms.Verify(good, content, check); err != nil {
		t.Fatalf("honest twin: %v", err)
	}
	indefinite := append([]byte{0x30, 0x80}, good[4:]...) // the length has four octets
	indefinite = append(indefinite, 0, 0)
	long := append([]byte{0x30, 0x83, 0}, good[2:]...)
	for name, der := range map[string][]byte{
		"empty":              nil,
		"trailing octet":     append(slices.Clone(good), 0),
		"indefinite length":  indefinite,
		"length not minimal": long,
		"PEM":                []byte("-----BEGIN CMS-----"),
		"too long":           append(slices.Clone(good), make([]byte, cms.MaxSize)...),
	} {
		if _, err := cms.Verify(der, content, check); !errors.Is(err, cms.ErrSignedData) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for n := range len(good) {
		if _, err := cms.Verify(good[:n], content, check); !errors.Is(err, cms.ErrSignedData) {
			t.Fatalf("%d of %d octets: %v", n, len(good), err)
		}
	}
	if _, err := cms.Verify(good, []byte("別の文"), check); !errors.Is(err, cms.ErrSignedData) {
		t.Errorf("other content: %v", err)
	}
}
