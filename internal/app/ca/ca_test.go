package ca_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
	"github.com/tegata-id/tegata/internal/app/ca"
)

var now = time.Date(2026, 4, 1, 12, 0, 0, 0, time.UTC)

func options(kind ca.Kind) ca.Options {
	return ca.Options{
		Kind: kind, Name: "Test " + string(kind), Organization: "手形市", Country: "JP", Years: 10,
		Contact: "https://ca.city.example/", CRLURL: "https://ca.city.example/ca.crl",
	}
}

func authority(t *testing.T, kind ca.Kind) *ca.Authority {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "ca")
	if err := ca.Init(dir, options(kind), now); err != nil {
		t.Fatal(err)
	}
	a, err := ca.Open(dir, now)
	if err != nil {
		t.Fatal(err)
	}
	if a.Kind != kind {
		t.Fatalf("kind %s, want %s", a.Kind, kind)
	}
	return a
}

// request returns a good request, edited before it is signed.
func request(t *testing.T, key crypto.Signer, edit func(*x509.CertificateRequest)) []byte {
	t.Helper()
	template := &x509.CertificateRequest{Subject: pkix.Name{
		Country: []string{"JP"}, Organization: []string{"手形市"}, CommonName: "手形市 Signer",
		ExtraNames: []pkix.AttributeTypeAndValue{{Type: asn1.ObjectIdentifier{2, 5, 4, 97}, Value: "NTRJP-" + trusttest.CorporateNumber()}},
	}}
	if edit != nil {
		edit(template)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, template, key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
}

func newKey(t *testing.T, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func named(r *x509.CertificateRequest) { r.DNSNames = []string{"issuer.city.example"} }

func TestIssue(t *testing.T) {
	t.Parallel()
	authorities := map[ca.Kind]*ca.Authority{ca.Generic: authority(t, ca.Generic), ca.IACA: authority(t, ca.IACA)}
	for _, tt := range []struct {
		use     string
		kind    ca.Kind
		profile *trust.Profile
		edit    func(*x509.CertificateRequest)
	}{
		{"sd-jwt", ca.Generic, &trust.ProfileSDJWTIssuer, nil},
		{"mdoc", ca.IACA, &trust.ProfileMdocSigner, nil},
		{"status", ca.Generic, &trust.ProfileStatusSigner, nil},
		{"wallet-provider", ca.Generic, &trust.ProfileWalletProvider, nil},
		{"verifier-access", ca.Generic, &trust.ProfileVerifierAccess, named},
		{"tls", ca.Generic, nil, named},
	} {
		for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384()} {
			t.Run(tt.use+" "+curve.Params().Name, func(t *testing.T) {
				t.Parallel()
				a, signer := authorities[tt.kind], newKey(t, curve)
				certificate, err := a.Issue(request(t, signer, tt.edit), tt.use, 100, now)
				if err != nil {
					t.Fatal(err)
				}
				key := &keys.Key{Signer: signer, Chain: []*x509.Certificate{certificate}}
				if err := key.Prove(now.AddDate(0, 0, 99)); err != nil {
					t.Error(err)
				}
				if err := key.Prove(now.AddDate(0, 0, 101)); err == nil {
					t.Error("valid after its last day")
				}
				if tt.profile == nil {
					if err := certificate.VerifyHostname("issuer.city.example"); err != nil {
						t.Error(err)
					}
					return
				}
				entity, ok := trust.LegalEntityOf(certificate)
				if !ok || entity.Name != "手形市" {
					t.Errorf("legal entity %+v, %v", entity, ok)
				}
				policy := func(anchor *x509.Certificate) *trust.Policy {
					return &trust.Policy{
						Anchors: []trust.Anchor{{Certificate: anchor}}, Profile: *tt.profile,
						Revocation: trust.NotChecked("test"), Now: func() time.Time { return now },
					}
				}
				if _, err := policy(a.Certificate).Verify(t.Context(), certificate, nil); err != nil {
					t.Error(err)
				}
				if _, err := policy(authority(t, tt.kind).Certificate).Verify(t.Context(), certificate, nil); err == nil {
					t.Error("another authority of the same name vouches for it")
				}
			})
		}
	}
}

// spoil changes the last byte of the signature of a request.
func spoil(t *testing.T, data []byte) []byte {
	t.Helper()
	block, _ := pem.Decode(data)
	block.Bytes[len(block.Bytes)-1] ^= 1
	return pem.EncodeToMemory(block)
}

// stolen returns a request with the key of another: its own signature is not
// that key's.
func stolen(t *testing.T) []byte {
	t.Helper()
	victim, thief := newKey(t, elliptic.P256()), newKey(t, elliptic.P256())
	point := func(key *ecdsa.PrivateKey) []byte {
		raw, err := key.PublicKey.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	block, _ := pem.Decode(request(t, thief, nil))
	block.Bytes = bytes.Replace(block.Bytes, point(thief), point(victim), 1)
	return pem.EncodeToMemory(block)
}

func TestNegIssue(t *testing.T) {
	t.Parallel()
	generic, iaca := authority(t, ca.Generic), authority(t, ca.IACA)
	key := newKey(t, elliptic.P256())
	good := request(t, key, nil)
	edited := func(edit func(*x509.CertificateRequest)) []byte { return request(t, key, edit) }
	for _, tt := range []struct {
		name    string
		ca      *ca.Authority
		request []byte
		use     string
		days    int
		want    string
	}{
		{"honest twin", generic, good, "sd-jwt", 365, ""},
		{"honest twin mdoc", iaca, good, "mdoc", 455, ""},
		{"spoilt signature", generic, spoil(t, good), "sd-jwt", 365, "signature"},
		{"key of another", generic, stolen(t), "sd-jwt", 365, "signature"},
		{"not PEM", generic, []byte("no request"), "sd-jwt", 365, "PEM"},
		{"two requests", generic, append(bytes.Clone(good), good...), "sd-jwt", 365, "PEM"},
		{"unknown profile", generic, good, "root", 365, "profile"},
		{"mdoc of a generic authority", generic, good, "mdoc", 365, "kind iaca"},
		{"SD-JWT VC of an IACA", iaca, good, "sd-jwt", 365, "kind generic"},
		{"mdoc for too long", iaca, good, "mdoc", 456, "days"},
		{"for no day", generic, good, "sd-jwt", 0, "days"},
		{"curve P-224", generic, request(t, newKey(t, elliptic.P224()), nil), "sd-jwt", 365, "P-256"},
		{"no legal entity", generic, edited(func(r *x509.CertificateRequest) { r.Subject.ExtraNames = nil }), "sd-jwt", 365, "legal entity"},
		{"wrong check digit", generic, edited(func(r *x509.CertificateRequest) { r.Subject.ExtraNames[0].Value = "NTRJP-1234567890123" }), "sd-jwt", 365, "legal entity"},
		{"no common name", generic, edited(func(r *x509.CertificateRequest) { r.Subject.CommonName = "" }), "sd-jwt", 365, "common name"},
		{"signer with a DNS name", generic, edited(named), "sd-jwt", 365, "alternative names"},
		{"TLS without a name", generic, good, "tls", 365, "DNS name"},
		{"TLS with a URI", generic, edited(func(r *x509.CertificateRequest) {
			r.URIs = []*url.URL{{Scheme: "https", Host: "x.example"}}
		}), "tls", 365, "alternative names"},
		{"TLS for an address", generic, edited(func(r *x509.CertificateRequest) { r.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)} }), "tls", 365, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := tt.ca.Issue(tt.request, tt.use, tt.days, now)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

func TestInit(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "ca")
	if err := ca.Init(dir, options(ca.IACA), now); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(filepath.Join(dir, ca.KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(dir, ca.KeyFile)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := ca.Init(dir, options(ca.IACA), now); err == nil {
		t.Error("a second authority was made in the folder")
	}
	if after, _ := os.ReadFile(filepath.Join(dir, ca.KeyFile)); !bytes.Equal(before, after) {
		t.Error("the key was replaced")
	}
	if _, err := ca.Open(dir, now.AddDate(11, 0, 0)); err == nil {
		t.Error("an authority that has ended opens")
	}
	for name, edit := range map[string]func(*ca.Options){
		"kind": func(o *ca.Options) { o.Kind = "root" }, "no name": func(o *ca.Options) { o.Name = "" },
		"country": func(o *ca.Options) { o.Country = "jp" }, "years": func(o *ca.Options) { o.Years = 21 },
		"no contact": func(o *ca.Options) { o.Contact = "" }, "no CRL": func(o *ca.Options) { o.CRLURL = "" },
		"no URL": func(o *ca.Options) { o.CRLURL = "ca.crl" },
	} {
		o := options(ca.IACA)
		edit(&o)
		if err := ca.Init(filepath.Join(t.TempDir(), "ca"), o, now); err == nil {
			t.Errorf("%s: an authority was made", name)
		}
	}
}

func TestTranscript(t *testing.T) {
	t.Parallel()
	a := authority(t, ca.Generic)
	var b strings.Builder
	if err := ca.Transcript(&b, "made", now, a.Certificate); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(a.Certificate.Raw)
	if !strings.Contains(b.String(), hex.EncodeToString(sum[:])) {
		t.Errorf("no hash of the certificate in\n%s", b.String())
	}
}
