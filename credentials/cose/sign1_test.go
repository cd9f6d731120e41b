package cose_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/cose"
)

func newKey(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newCert(t testing.TB, key *ecdsa.PrivateKey, name string) *x509.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<32, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// opaque hides the key behind the interface and insists, as a hardware module
// would, on being told the hash.
type opaque struct{ key *ecdsa.PrivateKey }

func (o opaque) Public() crypto.PublicKey { return o.key.Public() }
func (o opaque) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if opts.HashFunc().Size() != len(digest) {
		return nil, errors.New("digest of another length than its hash")
	}
	return ecdsa.SignASN1(random, o.key, digest)
}

// TestWorkingGroupExamples runs the examples of the COSE working group.
func TestWorkingGroupExamples(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(filepath.Join("testdata", "cose_wg_sign1.json"))
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		File, Title, Crv, X, Y, CBOR string
		Verifies                     bool
	}
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	curves := map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}
	for _, c := range cases {
		t.Run(c.Title, func(t *testing.T) {
			t.Parallel()
			x, errX := base64.RawURLEncoding.DecodeString(c.X)
			y, errY := base64.RawURLEncoding.DecodeString(c.Y)
			pub, err := ecdsa.ParseUncompressedPublicKey(curves[c.Crv], slices.Concat([]byte{4}, x, y))
			if err := errors.Join(errX, errY, err); err != nil {
				t.Fatal(err)
			}
			msg, err := cose.ParseSign1(unhex(t, c.CBOR))
			var payload []byte
			if err == nil {
				payload, err = msg.Verify(pub)
			}
			if (err == nil) != c.Verifies {
				t.Fatalf("got %v, want it to verify: %v", err, c.Verifies)
			}
			if c.Verifies && string(payload) != "This is the content." {
				t.Errorf("payload %q", payload)
			}
		})
	}
}

func TestSign1(t *testing.T) {
	t.Parallel()
	for alg, curve := range map[int64]elliptic.Curve{-7: elliptic.P256(), -35: elliptic.P384(), -36: elliptic.P521()} {
		key := newKey(t, curve)
		for _, n := range []int{0, 1, 2} {
			var chain []*x509.Certificate
			for range n {
				chain = append(chain, newCert(t, key, "signer"))
			}
			raw, err := cose.Sign1(cose.SignOptions{Chain: chain, Protected: map[any]any{int64(16): "application/x"}}, []byte("payload"), opaque{key})
			if err != nil {
				t.Fatal(err)
			}
			msg, err := cose.ParseSign1(raw)
			if err != nil {
				t.Fatal(err)
			}
			if msg.Algorithm != alg || len(msg.Chain) != n {
				t.Errorf("alg %d, %d certificates", msg.Algorithm, len(msg.Chain))
			}
			if payload, err := msg.Verify(key.Public()); err != nil || string(payload) != "payload" {
				t.Errorf("%q, %v", payload, err)
			}
			if _, err := msg.Verify(newKey(t, curve).Public()); !errors.Is(err, cose.ErrSignature) {
				t.Errorf("another key: %v", err)
			}
		}
	}
}

func TestSign1Detached(t *testing.T) {
	t.Parallel()
	key := newKey(t, elliptic.P256())
	detached, err := cose.Sign1(cose.SignOptions{Detached: true}, []byte("payload"), key)
	if err != nil {
		t.Fatal(err)
	}
	attached, err := cose.Sign1(cose.SignOptions{}, []byte("payload"), key)
	if err != nil {
		t.Fatal(err)
	}
	d, err := cose.ParseSign1(detached)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.VerifyDetached(key.Public(), []byte("payload")); err != nil {
		t.Error(err)
	}
	if err := d.VerifyDetached(key.Public(), []byte("other")); !errors.Is(err, cose.ErrSignature) {
		t.Errorf("other payload: %v", err)
	}
	if _, err := d.Verify(key.Public()); err == nil {
		t.Error("C08: verified without a payload")
	}
	a, err := cose.ParseSign1(attached)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.VerifyDetached(key.Public(), []byte("payload")); err == nil {
		t.Error("C08: detached payload that is not nil")
	}
}

// build assembles a COSE_Sign1 by hand and signs it properly, so that only the
// deviation under test can be the reason for refusal.
func build(t *testing.T, key *ecdsa.PrivateKey, protected []byte, unprotected any, payload any) []byte {
	t.Helper()
	tbs, err := cose.Marshal([]any{"Signature1", protected, []byte{}, payload})
	if err != nil {
		t.Fatal(err)
	}
	size := (key.Curve.Params().BitSize + 7) / 8
	hash := map[int]crypto.Hash{32: crypto.SHA256, 48: crypto.SHA384, 66: crypto.SHA512}[size].New()
	hash.Write(tbs)
	r, s, err := ecdsa.Sign(rand.Reader, key, hash.Sum(nil))
	if err != nil {
		t.Fatal(err)
	}
	signature := append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
	raw, err := cose.Marshal([]any{protected, unprotected, payload, signature})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func negSign1(t *testing.T) {
	t.Helper()
	key := newKey(t, elliptic.P256())
	cert := newCert(t, key, "signer").Raw
	es256 := unhex(t, "a10126")
	withChain := func(alg byte) []byte {
		data, err := cose.Marshal(map[any]any{1: -1 - int(alg&0x1f), 33: cert})
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	payload := []byte("payload")
	honest := map[string][]byte{
		"plain":                             build(t, key, es256, map[any]any{}, payload),
		"tag 18":                            append([]byte{0xd2}, build(t, key, es256, map[any]any{}, payload)...),
		"fully specified algorithm":         build(t, key, unhex(t, "a10128"), map[any]any{}, payload),
		"alg in a longer encoding":          build(t, key, unhex(t, "a1180126"), map[any]any{}, payload),
		"single certificate":                build(t, key, es256, map[any]any{33: cert}, payload),
		"array of one certificate":          build(t, key, es256, map[any]any{33: []any{cert}}, payload),
		"certificate in the protected part": build(t, key, withChain(0x26), map[any]any{}, payload),
	}
	for name, raw := range honest {
		t.Run("honest "+name, func(t *testing.T) {
			t.Parallel()
			msg, err := cose.ParseSign1(raw)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := msg.Verify(key.Public()); err != nil || !bytes.Equal(got, payload) {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
	p384 := newKey(t, elliptic.P384())
	short := build(t, key, es256, map[any]any{}, payload)
	bad := []struct {
		name string
		raw  []byte
		pub  crypto.PublicKey
	}{
		{"alg in the unprotected header only", build(t, key, nil, map[any]any{1: -7}, payload), key.Public()},
		{"alg in the unprotected header of an empty map", build(t, key, []byte{0xa0}, map[any]any{1: -7}, payload), key.Public()},
		{"no alg", build(t, key, unhex(t, "a10300"), map[any]any{}, payload), key.Public()},
		{"alg in both", build(t, key, es256, map[any]any{1: -7}, payload), key.Public()},
		{"alg as text", build(t, key, unhex(t, "a101654553323536"), map[any]any{}, payload), key.Public()},
		{"crit", build(t, key, unhex(t, "a20126028103"), map[any]any{}, payload), key.Public()},
		{"crit known", build(t, key, unhex(t, "a3012602810303 00"), map[any]any{}, payload), key.Public()},
		{"empty protected header", build(t, key, nil, map[any]any{}, payload), key.Public()},
		{"duplicate label", build(t, key, unhex(t, "a201260126"), map[any]any{}, payload), key.Public()},
		{"duplicate label in two encodings", build(t, key, unhex(t, "a20126180126"), map[any]any{}, payload), key.Public()},
		{"trailing byte in the protected header", build(t, key, unhex(t, "a1012600"), map[any]any{}, payload), key.Public()},
		{"x5chain in both", build(t, key, withChain(0x26), map[any]any{33: cert}, payload), key.Public()},
		{"x5chain of none", build(t, key, es256, map[any]any{33: []any{}}, payload), key.Public()},
		{"x5chain of text", build(t, key, es256, map[any]any{33: "cert"}, payload), key.Public()},
		{"x5chain that does not parse", build(t, key, es256, map[any]any{33: cert[:len(cert)-1]}, payload), key.Public()},
		{"x5chain of nine", build(t, key, es256, map[any]any{33: slices.Repeat([]any{cert}, 9)}, payload), key.Public()},
		{"ES384 with a P-256 key", build(t, key, unhex(t, "a1013822"), map[any]any{}, payload), key.Public()},
		{"ES256 with a P-384 key", build(t, p384, es256, map[any]any{}, payload), p384.Public()},
		{"HMAC", build(t, key, unhex(t, "a10105"), map[any]any{}, payload), key.Public()},
		{"empty payload", build(t, key, es256, map[any]any{}, []byte{}), key.Public()},
		{"payload as text", build(t, key, es256, map[any]any{}, "payload"), key.Public()},
		{"signature cut", append(short[:len(short)-66:len(short)-66], append([]byte{0x58, 63}, short[len(short)-64:len(short)-1]...)...), key.Public()},
		{"other tag", append([]byte{0xd1}, short...), key.Public()},
		{"tag 18 twice", append([]byte{0xd2, 0xd2}, short...), key.Public()},
		{"RSA key", short, nil},
	}
	for _, c := range bad {
		t.Run("C08 "+c.name, func(t *testing.T) {
			t.Parallel()
			msg, err := cose.ParseSign1(c.raw)
			if err == nil {
				_, err = msg.Verify(c.pub)
			}
			if err == nil {
				t.Error("verified")
			}
		})
	}
}

func TestKey(t *testing.T) {
	t.Parallel()
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		key := newKey(t, curve)
		raw, err := cose.MarshalKey(key.Public())
		if err != nil {
			t.Fatal(err)
		}
		if got, err := cose.ParseKey(raw); err != nil || !key.PublicKey.Equal(got) {
			t.Errorf("%v, %v", got, err)
		}
	}
}

func negKey(t *testing.T) {
	t.Helper()
	// The device key of ISO/IEC 18013-5 annex D.
	const x = "96313d6c63e24e3372742bfdb1a33ba2c897dcd68ab8c753e4fbd48dca6b7f9a"
	const y = "1fb3269edd418857de1b39a4e4a44b92fa484caa722c228288f01d0c03a2c3d6"
	honest := "a4 0102 2001 215820" + x + "225820" + y
	if _, err := cose.ParseKey(unhex(t, honest)); err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]string{
		"C09 off the curve":    "a4 0102 2001 215820" + x + "225820" + x,
		"C09 identity":         "a4 0102 2001 2140 2240",
		"C09 all zero":         "a4 0102 2001 215820" + string(bytes.Repeat([]byte("00"), 32)) + "225820" + string(bytes.Repeat([]byte("00"), 32)),
		"C09 curve P-384":      "a4 0102 2002 215820" + x + "225820" + y,
		"C09 unknown curve":    "a4 0102 2008 215820" + x + "225820" + y,
		"C09 type OKP":         "a4 0101 2001 215820" + x + "225820" + y,
		"C09 compressed":       "a4 0102 2001 215820" + x + "22f5",
		"C09 private":          "a5 0102 2001 215820" + x + "225820" + y + "2340",
		"C09 alg of other key": "a5 0102 2001 215820" + x + "225820" + y + "033822",
		"C09 no y":             "a3 0102 2001 215820" + x,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := cose.ParseKey(unhex(t, s)); err == nil {
				t.Error("accepted")
			}
		})
	}
}
