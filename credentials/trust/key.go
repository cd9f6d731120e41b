package trust

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"math/big"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/tegata-id/tegata/credentials/trust/internal/rfc5280"
)

// checkKey applies the rules for the key of any certificate of the path.
// Curves given by their parameters do not get here: they are not parsed.
func (p Profile) checkKey(c *x509.Certificate) error {
	switch key := c.PublicKey.(type) {
	case *ecdsa.PublicKey:
		switch key.Curve {
		case elliptic.P256(), elliptic.P384(), elliptic.P521():
			return nil
		}
		return fail(ReasonWeak, "a key is on a curve that is not allowed")
	case *rsa.PublicKey:
		if !p.AllowRSA {
			return fail(ReasonWeak, "RSA keys are not allowed for %s", p.Name)
		}
		bits := key.N.BitLen()
		if bits < 2048 || bits > maxRSABits || bits%8 != 0 || key.E < 65537 || key.E%2 == 0 {
			return fail(ReasonWeak, "an RSA modulus or exponent is not acceptable")
		}
		if weakModulus(key.N) {
			return fail(ReasonWeak, "an RSA modulus can be factored")
		}
		return nil
	}
	return fail(ReasonWeak, "a key is of a kind that is not allowed")
}

// smallPrimes are those by which the fingerprint of ROCA is taken.
var smallPrimes = []uint64{
	3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97,
	101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
}

// weakModulus reports whether a modulus has a small factor or was made by the
// faulty library of smart card chips that CVE-2017-15361 (ROCA) is about: its
// primes are powers of 65537 modulo every one of many small primes. One good modulus in
// two hundred million looks like that, too.
func weakModulus(n *big.Int) bool {
	if n.Bit(0) == 0 {
		return true
	}
	roca := true
	rest := new(big.Int)
	for _, prime := range smallPrimes {
		r := rest.Mod(n, new(big.Int).SetUint64(prime)).Uint64()
		if r == 0 {
			return true
		}
		roca = roca && powerOf65537(r, prime)
	}
	return roca
}

// powerOf65537 reports whether r, which is not 0, is a power of 65537 modulo
// the prime.
func powerOf65537(r, prime uint64) bool {
	power := uint64(1)
	for range prime {
		if power == r {
			return true
		}
		power = power * 65537 % prime
	}
	return false
}

// checkKeyIdentifier applies RFC 5280 section 4.2.1.1 to a certificate by
// itself: where an issuer is named, its key must be, and a certificate that is
// its own issuer must name itself. The latter may leave out the key, as it may
// leave out everything.
func checkKeyIdentifier(c *x509.Certificate) error {
	e, present := rfc5280.Extension(c, oidAuthorityKeyID)
	if !present {
		return nil
	}
	names, serial, ok := issuerAndSerial(e.Value)
	if !ok || (names == nil) != (serial == nil) {
		return fail(ReasonProfile, "an authority key identifier is malformed")
	}
	byKey := len(c.AuthorityKeyId) > 0
	if !rfc5280.SelfIssued(c) || !isSelfSigned(c) {
		if !byKey {
			return fail(ReasonProfile, "an authority key identifier does not identify a key")
		}
		return nil
	}
	if !byKey && serial == nil {
		return fail(ReasonProfile, "an authority key identifier identifies nothing")
	}
	if byKey && len(c.SubjectKeyId) > 0 && !slices.Equal(c.AuthorityKeyId, c.SubjectKeyId) ||
		serial != nil && (serial.Cmp(c.SerialNumber) != 0 || !slices.Equal(names, c.RawIssuer)) {
		return fail(ReasonProfile, "a self-signed certificate names another issuer")
	}
	return nil
}

// issuerAndSerial reads authorityCertIssuer, if it is one directory name, and
// authorityCertSerialNumber. Names of other kinds are returned as they are.
func issuerAndSerial(der []byte) (name []byte, serial *big.Int, ok bool) {
	input := cryptobyte.String(der)
	var id, names, number cryptobyte.String
	var hasNames, hasNumber bool
	if !input.ReadASN1(&id, cbasn1.SEQUENCE) || !input.Empty() || !id.SkipOptionalASN1(cbasn1.Tag(0).ContextSpecific()) ||
		!id.ReadOptionalASN1(&names, &hasNames, cbasn1.Tag(1).ContextSpecific().Constructed()) ||
		!id.ReadOptionalASN1(&number, &hasNumber, cbasn1.Tag(2).ContextSpecific()) || !id.Empty() {
		return nil, nil, false
	}
	if hasNames {
		name = names
		var directory cryptobyte.String
		if rest := names; rest.ReadASN1(&directory, tagDirectoryName) && rest.Empty() {
			name = directory
		}
	}
	if hasNumber {
		serial = new(big.Int).SetBytes(number)
	}
	return name, serial, true
}

func isSelfSigned(c *x509.Certificate) bool {
	return c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil
}
