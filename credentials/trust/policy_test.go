package trust_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
)

var unknownCritical = pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3, 4}, Critical: true, Value: []byte{5, 0}}

func addUnknownCritical(c *x509.Certificate) {
	c.ExtraExtensions = append(c.ExtraExtensions, unknownCritical)
}

func TestVerify(t *testing.T) {
	t.Parallel()
	root := newCA(t, trusttest.CAOptions{})
	sub := newIntermediate(t, root, trusttest.CAOptions{})
	key := signer(t, sub.IssueSDJWTSigner, trusttest.LeafOptions{})
	p := policy(trust.ProfileSDJWTIssuer, start, root)
	p.Anchors[0].Formats = []credentials.Format{credentials.FormatSDJWTVC}
	p.Anchors[0].CertifiedSeal = true
	chain, err := p.Verify(context.Background(), key.Chain[0], key.Chain[1:])
	if err != nil {
		t.Fatal(err)
	}
	if len(chain.Certificates) != 3 || !chain.Certificates[2].Equal(root.Certificate) || len(chain.Checks) != 3 {
		t.Errorf("chain of %d certificates with checks %v", len(chain.Certificates), chain.Checks)
	}
	if !chain.Anchor.Allows(credentials.FormatSDJWTVC, "urn:x") || chain.Anchor.Allows(credentials.FormatMdoc, "urn:x") {
		t.Error("the anchor's formats are not those of the policy")
	}
	if entity, ok := chain.LegalEntity(); !ok || !entity.Certified {
		t.Errorf("legal entity %+v, %v", entity, ok)
	}
}

func TestAnchorAllows(t *testing.T) {
	t.Parallel()
	limited := trust.Anchor{Formats: []credentials.Format{credentials.FormatMdoc}, Types: []string{"a"}}
	for _, tt := range []struct {
		anchor trust.Anchor
		format credentials.Format
		typ    string
		want   bool
	}{
		{trust.Anchor{}, credentials.FormatMdoc, "a", true},
		{limited, credentials.FormatMdoc, "a", true},
		{limited, credentials.FormatMdoc, "b", false},
		{limited, credentials.FormatSDJWTVC, "a", false},
	} {
		if got := tt.anchor.Allows(tt.format, tt.typ); got != tt.want {
			t.Errorf("%+v.Allows(%s, %s) = %v", tt.anchor, tt.format, tt.typ, got)
		}
	}
}

func TestIncompletePolicy(t *testing.T) {
	t.Parallel()
	root := newCA(t, trusttest.CAOptions{})
	key := signer(t, root.IssueSDJWTSigner, trusttest.LeafOptions{})
	tests := []struct {
		name string
		edit func(*trust.Policy)
		want trust.Reason
	}{
		{"complete", func(*trust.Policy) {}, ""},
		{"no profile", func(p *trust.Policy) { p.Profile = trust.Profile{} }, trust.ReasonConfiguration},
		{"no clock", func(p *trust.Policy) { p.Now = nil }, trust.ReasonConfiguration},
		{"no revocation", func(p *trust.Policy) { p.Revocation = nil }, trust.ReasonConfiguration},
		{"no reason for no revocation", func(p *trust.Policy) { p.Revocation = trust.NotChecked("") }, trust.ReasonConfiguration},
		{"checker without source", func(p *trust.Policy) { p.Revocation = trust.NewCRLChecker(nil, p.Now) }, trust.ReasonConfiguration},
		{"K14 no anchors", func(p *trust.Policy) { p.Anchors = nil }, trust.ReasonConfiguration},
		{"K14 empty anchor", func(p *trust.Policy) { p.Anchors[0] = trust.Anchor{} }, trust.ReasonConfiguration},
		{"K14 duplicate anchor", func(p *trust.Policy) { p.Anchors = append(p.Anchors, p.Anchors[0]) }, trust.ReasonConfiguration},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := policy(trust.ProfileSDJWTIssuer, start, root)
			tt.edit(p)
			want(t, verify(p, key.Chain), tt.want)
		})
	}
}

// TestNeg refuses every faulty path of package trusttest, for the right reason,
// and accepts its honest twin.
func TestNeg(t *testing.T) {
	t.Parallel()
	cases, err := trusttest.PathCases(start.Add(day))
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range cases {
		t.Run(tc.Name, func(t *testing.T) {
			t.Parallel()
			_, err := tc.Faulty.Verify(t.Context(), tc.Profile)
			want(t, err, tc.Reason)
			if _, err := tc.Honest.Verify(t.Context(), tc.Profile); err != nil {
				t.Errorf("honest twin: %v", err)
			}
		})
	}
}

func TestNegPath(t *testing.T) {
	t.Parallel()
	root := newCA(t, trusttest.CAOptions{})
	sub := newIntermediate(t, root, trusttest.CAOptions{})
	key := signer(t, sub.IssueSDJWTSigner, trusttest.LeafOptions{})
	sameName := newCA(t, trusttest.CAOptions{})
	forged := newCA(t, trusttest.CAOptions{Edit: func(c *x509.Certificate) { c.SubjectKeyId = root.Certificate.SubjectKeyId }})
	forgedKey := signer(t, forged.IssueSDJWTSigner, trusttest.LeafOptions{})
	selfSigned := newCA(t, trusttest.CAOptions{Edit: func(c *x509.Certificate) {
		c.IsCA, c.BasicConstraintsValid, c.KeyUsage = false, false, x509.KeyUsageDigitalSignature
	}})
	filler := slices.Repeat([]*x509.Certificate{sameName.Certificate}, 10)
	tests := []struct {
		name    string
		anchors []*trusttest.CA
		chain   []*x509.Certificate
		want    trust.Reason
	}{
		{"honest twin", []*trusttest.CA{root}, key.Chain, ""},
		{"intermediate missing", []*trusttest.CA{root}, key.Chain[:1], trust.ReasonUntrusted},
		{"K06 generations of one name", []*trusttest.CA{sameName, root, forged}, key.Chain, ""},
		{"K06 wrong generation", []*trusttest.CA{sameName}, key.Chain, trust.ReasonUntrusted},
		{"K06 forged CA with same name and key identifier", []*trusttest.CA{root}, forgedKey.Chain, trust.ReasonUntrusted},
		{"K13 too many certificates", []*trusttest.CA{root}, append(slices.Clone(key.Chain), filler...), trust.ReasonPath},
		{"HAIP anchor in the chain", []*trusttest.CA{root}, append(slices.Clone(key.Chain), root.Certificate), trust.ReasonPath},
		{"HAIP self-signed leaf", []*trusttest.CA{root}, []*x509.Certificate{selfSigned.Certificate}, trust.ReasonPath},
		{"leaf is an anchor", []*trusttest.CA{root, selfSigned}, []*x509.Certificate{selfSigned.Certificate}, trust.ReasonPath},
		{"no certificate", []*trusttest.CA{root}, []*x509.Certificate{nil}, trust.ReasonUntrusted},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want(t, verify(policy(trust.ProfileSDJWTIssuer, start, tt.anchors...), tt.chain), tt.want)
		})
	}
	t.Run("anchor in the chain where the profile admits it", func(t *testing.T) {
		p := policy(trust.ProfileSDJWTIssuer, start, root)
		p.Profile.AllowAnchorInChain = true
		want(t, verify(p, append(slices.Clone(key.Chain), root.Certificate)), "")
	})
}

func TestNegKeys(t *testing.T) {
	t.Parallel()
	ec := func(c elliptic.Curve) crypto.Signer { k, _ := ecdsa.GenerateKey(c, rand.Reader); return k }
	_, edwards, _ := ed25519.GenerateKey(rand.Reader)
	rsa2048, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		signer crypto.Signer
		want   trust.Reason
	}{
		{"K07 P-224", ec(elliptic.P224()), trust.ReasonWeak},
		{"K07 Ed25519", edwards, trust.ReasonWeak},
		{"K07 RSA where only EC is allowed", rsa2048, trust.ReasonWeak},
		{"P-256", ec(elliptic.P256()), ""},
		{"P-384", ec(elliptic.P384()), ""},
		{"P-521", ec(elliptic.P521()), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name+" leaf", func(t *testing.T) {
			root := newCA(t, trusttest.CAOptions{})
			key := signer(t, root.IssueSDJWTSigner, trusttest.LeafOptions{Signer: tt.signer})
			want(t, verify(policy(trust.ProfileSDJWTIssuer, start, root), key.Chain), tt.want)
		})
		t.Run(tt.name+" root", func(t *testing.T) {
			root := newCA(t, trusttest.CAOptions{Signer: tt.signer})
			key := signer(t, root.IssueSDJWTSigner, trusttest.LeafOptions{})
			want(t, verify(policy(trust.ProfileSDJWTIssuer, start, root), key.Chain), tt.want)
		})
	}
	t.Run("K06 authority key identifier of another key", func(t *testing.T) {
		root := newCA(t, trusttest.CAOptions{})
		key := signer(t, root.IssueSDJWTSigner, trusttest.LeafOptions{})
		want(t, verify(policy(trust.ProfileSDJWTIssuer, start, root), key.Chain), "")
		leaf, err := root.Issue(&x509.Certificate{NotBefore: start, NotAfter: start.Add(day), KeyUsage: x509.KeyUsageDigitalSignature,
			Subject:         pkix.Name{CommonName: "leaf"},
			ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 35}, Value: []byte{0x30, 4, 0x80, 2, 1, 2}}}}, key.Signer.Public())
		if err != nil {
			t.Fatal(err)
		}
		want(t, verify(policy(trust.ProfileSDJWTIssuer, start, root), []*x509.Certificate{leaf}), trust.ReasonProfile)
	})
}

// TestSelfIssued: certificates by which a CA certifies its next key count
// neither for path lengths nor as intermediates.
func TestSelfIssued(t *testing.T) {
	t.Parallel()
	rootKey, err := keys.GenerateP256()
	if err != nil {
		t.Fatal(err)
	}
	root := newCA(t, trusttest.CAOptions{Signer: rootKey, Edit: func(c *x509.Certificate) { c.MaxPathLen = 1 }})
	unlimited := newCA(t, trusttest.CAOptions{Signer: rootKey})
	sub := newIntermediate(t, root, trusttest.CAOptions{Name: "Sub"})
	one := trust.ProfileSDJWTIssuer
	one.MaxIntermediates = 1
	for _, tt := range []struct {
		name, ca string
		want     trust.Reason
	}{
		{"K01 next key of the same CA", "Sub", ""},
		{"K01 another CA", "Sub Sub", trust.ReasonPath},
	} {
		next := newIntermediate(t, sub, trusttest.CAOptions{Name: tt.ca})
		key := signer(t, next.IssueSDJWTSigner, trusttest.LeafOptions{})
		t.Run(tt.name, func(t *testing.T) {
			want(t, verify(policy(trust.ProfileSDJWTIssuer, start, root), key.Chain), tt.want)
		})
		t.Run(tt.name+", limit of the profile", func(t *testing.T) {
			want(t, verify(policy(one, start, unlimited), key.Chain), tt.want)
		})
	}
}

// TestAllowNonCritical: constraints that are not marked critical are a matter
// of the profile, but hold always.
func TestAllowNonCritical(t *testing.T) {
	t.Parallel()
	cases, err := trusttest.PathCases(start.Add(day))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, tc := range cases {
		if !strings.Contains(tc.Name, "that are not critical") {
			continue
		}
		n++
		tc.Profile.AllowNonCritical = true
		if _, err := tc.Faulty.Verify(t.Context(), tc.Profile); err != nil {
			t.Errorf("%s: %v", tc.Name, err)
		}
	}
	if n != 3 {
		t.Errorf("%d cases", n)
	}
	root := newCA(t, trusttest.CAOptions{})
	sub := newIntermediate(t, root, trusttest.CAOptions{NotBefore: start, Edit: func(c *x509.Certificate) {
		c.PermittedDNSDomains = []string{"example.invalid"}
	}})
	p := policy(trust.ProfileSDJWTIssuer, start, root)
	p.Profile.AllowNonCritical = true
	for name, reason := range map[string]trust.Reason{"a.example.invalid": "", "a.test.invalid": trust.ReasonNames} {
		key := signer(t, sub.IssueSDJWTSigner, trusttest.LeafOptions{DNSNames: []string{name}})
		want(t, verify(p, key.Chain), reason)
	}
}

// TestNegKeyIdentifier: an authority key identifier names a key, names issuer
// and serial number together or not at all, and in a self-signed certificate
// names that certificate.
func TestNegKeyIdentifier(t *testing.T) {
	t.Parallel()
	const serial, id = 7, 9
	authority := func(parts ...[]byte) pkix.Extension {
		der := slices.Concat(parts...)
		return pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 35}, Value: append([]byte{0x30, byte(len(der))}, der...)}
	}
	key := func(id byte) []byte { return []byte{0x80, 1, id} }
	number := func(n byte) []byte { return []byte{0x82, 1, n} }
	// C=JP, CN=R as trusttest writes it, and another name.
	name := func(cn byte) []byte {
		dn := []byte{0x30, 25, 0x31, 11, 0x30, 9, 6, 3, 0x55, 4, 6, 0x13, 2, 'J', 'P', 0x31, 10, 0x30, 8, 6, 3, 0x55, 4, 3, 0x13, 1, cn}
		return append([]byte{0xa1, byte(len(dn) + 2), 0xa4, byte(len(dn))}, dn...)
	}
	for _, tt := range []struct {
		name       string
		root, leaf [][]byte
		want       trust.Reason
	}{
		{"K06 root names itself", [][]byte{key(id), name('R'), number(serial)}, nil, ""},
		{"K06 root names itself without its key", [][]byte{name('R'), number(serial)}, nil, ""},
		{"K06 root names nothing", [][]byte{{}}, nil, trust.ReasonProfile},
		{"K06 root names another serial number", [][]byte{key(id), name('R'), number(8)}, nil, trust.ReasonProfile},
		{"K06 root names another issuer", [][]byte{key(id), name('S'), number(serial)}, nil, trust.ReasonProfile},
		{"K06 root names another key", [][]byte{key(8)}, nil, trust.ReasonProfile},
		{"K06 leaf names key, issuer and serial number", nil, [][]byte{key(id), name('R'), number(serial)}, ""},
		{"K06 leaf names issuer and serial number alone", nil, [][]byte{name('R'), number(serial)}, trust.ReasonProfile},
		{"K06 leaf names key and serial number", nil, [][]byte{key(id), number(serial)}, trust.ReasonProfile},
		{"K06 leaf names key and issuer", nil, [][]byte{key(id), name('R')}, trust.ReasonProfile},
		{"K06 leaf names a key twice", nil, [][]byte{key(id), key(id)}, trust.ReasonProfile},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			root := newCA(t, trusttest.CAOptions{Name: "R", Edit: func(c *x509.Certificate) {
				c.SerialNumber, c.SubjectKeyId = big.NewInt(serial), []byte{id}
				if tt.root != nil {
					c.ExtraExtensions = append(c.ExtraExtensions, authority(tt.root...))
				}
			}})
			leaf := signer(t, root.IssueSDJWTSigner, trusttest.LeafOptions{Edit: func(c *x509.Certificate) {
				if tt.leaf != nil {
					c.ExtraExtensions = append(c.ExtraExtensions, authority(tt.leaf...))
				}
			}})
			want(t, verify(policy(trust.ProfileSDJWTIssuer, start, root), leaf.Chain), tt.want)
		})
	}
}

// TestNegAnchorKeyIdentifier: an anchor that another CA certified has to say
// which key did, where key identifiers are demanded.
func TestNegAnchorKeyIdentifier(t *testing.T) {
	t.Parallel()
	aboveKey, err := keys.GenerateP256()
	if err != nil {
		t.Fatal(err)
	}
	above := newCA(t, trusttest.CAOptions{Name: "Above", Signer: aboveKey})
	anchor := newIntermediate(t, above, trusttest.CAOptions{Name: "Anchor"})
	leaf := signer(t, anchor.IssueSDJWTSigner, trusttest.LeafOptions{})
	nameless := *above.Certificate
	nameless.SubjectKeyId = nil
	template := *anchor.Certificate
	template.AuthorityKeyId = nil
	der, err := x509.CreateCertificate(rand.Reader, &template, &nameless, anchor.Certificate.PublicKey, aboveKey)
	if err != nil {
		t.Fatal(err)
	}
	without, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	p := policy(trust.ProfileSDJWTIssuer, start, anchor)
	p.Profile.RequireKeyIdentifiers = true
	want(t, verify(p, leaf.Chain[:1]), "")
	p.Anchors[0].Certificate = without
	want(t, verify(p, leaf.Chain[:1]), trust.ReasonProfile)
	p.Profile.RequireKeyIdentifiers = false
	want(t, verify(p, leaf.Chain[:1]), "")
}
