package trusttest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"slices"
	"time"

	"github.com/tegata-id/tegata/credentials/trust"
)

func generationFaults(now time.Time) ([]pathFault, error) {
	sameName := func(p *Path) error {
		other, err := NewCA(CAOptions{Name: "Path Root", NotBefore: now.AddDate(0, -1, 0), CRLURL: "-"})
		p.Anchors = append(p.Anchors, other.Anchor())
		return err
	}
	wrong := func(p *Path, _, _ *CA) error {
		err := sameName(p)
		p.Anchors = p.Anchors[1:]
		return err
	}
	right := func(p *Path, _, _ *CA) error {
		err := sameName(p)
		slices.Reverse(p.Anchors)
		return err
	}
	forged := func(p *Path, root, _ *CA) error {
		spec := pathSpec{root: func(c *x509.Certificate) { c.SubjectKeyId = root.Certificate.SubjectKeyId }}
		q, err := spec.build(now)
		p.Leaf, p.Intermediates = q.Leaf, q.Intermediates
		return err
	}
	authorityKey := func(id ...byte) edit {
		return extension(false, append([]byte{0x30, byte(len(id))}, id...), 2, 5, 29, 35)
	}
	contradiction := []byte{0x30, 3, 0x82, 1, 1} // a serial number alone
	return []pathFault{
		{name: "K06 anchor of the same name with another key", reason: trust.ReasonUntrusted, faulty: pathSpec{arrange: wrong}, honest: pathSpec{arrange: right}},
		{name: "K06 forged root with the name and the key identifier of the anchor", reason: trust.ReasonUntrusted, faulty: pathSpec{arrange: forged}},
		{name: "K06 authority key identifier of another key", reason: trust.ReasonProfile, faulty: pathSpec{leaf: authorityKey(0x80, 2, 1, 2)}},
		{name: "K06 authority key identifier without a key", reason: trust.ReasonProfile, faulty: pathSpec{leaf: extension(false, contradiction, 2, 5, 29, 35)}},
		{name: "K06 root that names the key of another issuer", reason: trust.ReasonProfile, faulty: pathSpec{root: authorityKey(0x80, 2, 1, 2)}},
	}, nil
}

// publicOnly is a key that certifies nothing: the public half of a leaf.
type publicOnly struct{ key crypto.PublicKey }

func (p publicOnly) Public() crypto.PublicKey { return p.key }

func (p publicOnly) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("trusttest: there is no private key")
}

func keyFaults(time.Time) ([]pathFault, error) {
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		return nil, err
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		return nil, err
	}
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	good, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		return nil, err
	}
	withRSA := trust.ProfileSDJWTIssuer
	withRSA.Name, withRSA.AllowRSA = "with-rsa", true
	public := func(n *big.Int, e int) pathSpec {
		return pathSpec{leafSigner: publicOnly{&rsa.PublicKey{N: n, E: e}}}
	}
	odd, long := withoutSmallFactor(new(big.Int).Lsh(good.N, 4)), withoutSmallFactor(new(big.Int).Lsh(good.N, 4104-2048))
	honest := pathSpec{leafSigner: good}
	sha1 := func(alg x509.SignatureAlgorithm) edit {
		return func(c *x509.Certificate) { c.SignatureAlgorithm = alg }
	}
	return []pathFault{
		{name: "K07 leaf on P-224", reason: trust.ReasonWeak, faulty: pathSpec{leafSigner: p224}, honest: pathSpec{leafSigner: p384}},
		{name: "K07 root on P-224", reason: trust.ReasonWeak, faulty: pathSpec{rootSigner: p224}, honest: pathSpec{rootSigner: p384}},
		{name: "K07 leaf on Ed25519", reason: trust.ReasonWeak, faulty: pathSpec{leafSigner: edwards}, honest: pathSpec{leafSigner: p384}},
		{name: "K07 RSA where only elliptic curves are allowed", reason: trust.ReasonWeak, faulty: honest},
		{name: "K07 RSA with 1024 bits in the leaf", profile: withRSA, reason: trust.ReasonWeak, faulty: pathSpec{leafSigner: small}, honest: honest},
		{name: "K07 RSA with 1024 bits in the root", profile: withRSA, reason: trust.ReasonWeak, faulty: pathSpec{rootSigner: small}, honest: pathSpec{rootSigner: good}},
		{name: "K07 RSA with a length that is no multiple of 8", profile: withRSA, reason: trust.ReasonWeak, faulty: public(odd, 65537), honest: honest},
		{name: "K07 RSA with more than 4096 bits", profile: withRSA, reason: trust.ReasonWeak, faulty: public(long, 65537), honest: honest},
		{name: "K07 RSA with the exponent 3", profile: withRSA, reason: trust.ReasonWeak, faulty: public(good.N, 3), honest: honest},
		{name: "K07 RSA with a small factor", profile: withRSA, reason: trust.ReasonWeak, faulty: public(smallFactor(), 65537), honest: honest},
		{name: "K07 RSA from a chip with the ROCA fault", profile: withRSA, reason: trust.ReasonWeak, faulty: public(roca(), 65537), honest: honest},
		{name: "K08 leaf signed with SHA-1", reason: trust.ReasonWeak,
			faulty: pathSpec{leaf: sha1(x509.ECDSAWithSHA1)}, honest: pathSpec{leaf: sha1(x509.ECDSAWithSHA256)}},
		{name: "K08 intermediate signed with SHA-1", reason: trust.ReasonWeak,
			faulty: pathSpec{sub: sha1(x509.ECDSAWithSHA1)}, honest: pathSpec{sub: sha1(x509.ECDSAWithSHA256)}},
		{name: "K08 leaf signed with SHA-1 and RSA", profile: withRSA, reason: trust.ReasonWeak,
			faulty: pathSpec{subSigner: good, leaf: sha1(x509.SHA1WithRSA)}, honest: pathSpec{subSigner: good, leaf: sha1(x509.SHA256WithRSA)}},
		{name: "K08 leaf with another's signature", reason: trust.ReasonUntrusted, faulty: pathSpec{arrange: spoilSignature}},
	}, nil
}

// spoilSignature changes the last bit of the leaf's signature.
func spoilSignature(p *Path, _, _ *CA) error {
	raw := slices.Clone(p.Leaf.Raw)
	raw[len(raw)-1] ^= 1
	var err error
	p.Leaf, err = x509.ParseCertificate(raw)
	return err
}

// smallFactor is a modulus of 2048 bits with the factor 167.
func smallFactor() *big.Int {
	n := new(big.Int).Lsh(big.NewInt(1), 2047)
	n.Add(n, new(big.Int).Sub(big.NewInt(167), new(big.Int).Mod(n, big.NewInt(167))))
	// Odd, and without smaller factors than that by chance only.
	if n.Bit(0) == 0 {
		n.Add(n, big.NewInt(167))
	}
	return n
}

// smallPrimes is the product of all odd primes up to 167.
func smallPrimes() *big.Int {
	product := big.NewInt(1)
	for n := int64(3); n <= 167; n += 2 {
		if p := big.NewInt(n); p.ProbablyPrime(8) {
			product.Mul(product, p)
		}
	}
	return product
}

// withoutSmallFactor returns the next odd number from n on that no prime up to
// 167 divides, so that nothing but its length is wrong with it.
func withoutSmallFactor(n *big.Int) *big.Int {
	n.SetBit(n, 0, 1)
	for one, product := big.NewInt(1), smallPrimes(); new(big.Int).GCD(nil, nil, n, product).Cmp(one) != 0; {
		n.Add(n, big.NewInt(2))
	}
	return n
}

// roca is a number of 2048 bits that is a power of 65537 modulo the product of
// all odd primes up to 167, as moduli of such chips are.
func roca() *big.Int {
	product := smallPrimes()
	product.Lsh(product, 1) // to keep it odd
	n := new(big.Int).Exp(big.NewInt(65537), big.NewInt(12345), product)
	k := new(big.Int).Div(new(big.Int).Lsh(big.NewInt(3), 2046), product)
	return n.Add(n, k.Mul(k, product))
}
