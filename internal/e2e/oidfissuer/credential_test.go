package oidfissuer_test

import (
	"bytes"
	"compress/zlib"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials"
)

// facts is what the suite compares between credentials.
type facts struct {
	key *ecdsa.PublicKey
	// times are those that were stated, in seconds.
	times []int64
	// dataset is the contents in one form, without what differs on purpose.
	dataset string
	salts   []string
	uri     string
	index   float64
}

// check checks a credential of the wallet's format that is bound to the key.
func (c *wallet) check(t *testing.T, credential string, key *ecdsa.PublicKey) *facts {
	t.Helper()
	f := &facts{}
	if c.format == "mdoc" {
		c.checkMdoc(t, credential, f)
	} else {
		c.checkSDJWT(t, credential, f)
	}
	if key != nil && !f.key.Equal(key) {
		t.Error("the credential is bound to another key than that of the proof")
	}
	for _, at := range f.times {
		if rest := at % 3600; rest != 0 && rest != 1 {
			t.Errorf("%d is no full hour", at)
		}
	}
	return f
}

// leaf checks a chain that ends at, and does not hold, the anchor of the format,
// and returns the certificate that signs.
func (w *world) leaf(t *testing.T, chain [][]byte, format credentials.Format) *x509.Certificate {
	t.Helper()
	roots, intermediates := x509.NewCertPool(), x509.NewCertPool()
	anchor := w.box.IssuerAnchors[format].Certificate
	roots.AddCert(anchor)
	var certificates []*x509.Certificate
	for i, der := range chain {
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		if certificate.Equal(anchor) {
			t.Error("the chain has the anchor in it")
		}
		if i > 0 {
			intermediates.AddCert(certificate)
		}
		certificates = append(certificates, certificate)
	}
	if len(certificates) == 0 {
		t.Fatal("no certificate")
	}
	leaf := certificates[0]
	if bytes.Equal(leaf.RawIssuer, leaf.RawSubject) {
		t.Error("the certificate is self-signed")
	}
	// Which extended key usages are right is not the suite's business.
	leaf.UnhandledCriticalExtensions = nil
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: intermediates, CurrentTime: w.now(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err != nil {
		t.Error(err)
	}
	if _, ok := leaf.PublicKey.(*ecdsa.PublicKey); !ok {
		t.Fatalf("the key is a %T", leaf.PublicKey)
	}
	return leaf
}

// x5c reads the header of that name.
func x5c(t *testing.T, header object) (chain [][]byte) {
	t.Helper()
	list, _ := header["x5c"].([]any)
	for _, entry := range list {
		der, err := base64.StdEncoding.DecodeString(entry.(string))
		if err != nil {
			t.Fatal(err)
		}
		chain = append(chain, der)
	}
	return chain
}

func (c *wallet) checkSDJWT(t *testing.T, credential string, f *facts) {
	t.Helper()
	parts := strings.Split(credential, "~")
	if parts[len(parts)-1] != "" {
		t.Fatal("something follows the last tilde")
	}
	header, claims := readJWT(t, parts[0])
	leaf := c.w.leaf(t, x5c(t, header), credentials.FormatSDJWTVC)
	if text(header, "typ") != "dc+sd-jwt" || !verified(t, leaf.PublicKey.(*ecdsa.PublicKey), parts[0]) {
		t.Errorf("header %v, or a bad signature", header)
	}
	if text(claims, "vct") != text(c.configured(t), "vct") {
		t.Errorf("vct %q", text(claims, "vct"))
	}
	cnf, _ := claims["cnf"].(object)
	jwk, _ := cnf["jwk"].(object)
	if len(cnf) != 1 || jwk["d"] != nil {
		t.Errorf("cnf %v", cnf)
	}
	f.key = keyOf(t, jwk)
	for _, name := range []string{"iat", "nbf", "exp"} {
		if at, ok := claims[name].(float64); ok {
			f.times = append(f.times, int64(at))
			if moment := time.Unix(int64(at), 0); name != "exp" && moment.After(c.w.now().Add(5*time.Minute)) || moment.Year() < 2019 {
				t.Errorf("%s %s", name, moment)
			}
		} else if name == "exp" {
			t.Error("no exp")
		}
	}
	c.disclosures(t, parts[0], claims, parts[1:len(parts)-1], f)
	status, _ := claims["status"].(object)
	list, _ := status["status_list"].(object)
	f.uri, _ = list["uri"].(string)
	f.index, _ = list["idx"].(float64)
	c.checkStatus(t, f)
}

// disclosures finds the place of every disclosure.
func (c *wallet) disclosures(t *testing.T, jwt string, claims object, list []string, f *facts) {
	t.Helper()
	if alg := text(claims, "_sd_alg"); alg != "" && alg != "sha-256" {
		t.Errorf("_sd_alg %q", alg)
	}
	payload, err := b64.DecodeString(strings.Split(jwt, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	whole := string(payload)
	var contents []string
	for _, disclosure := range list {
		raw, err := b64.DecodeString(disclosure)
		if err != nil {
			t.Fatal(err)
		}
		whole += string(raw)
		var triple []any
		if err := json.Unmarshal(raw, &triple); err != nil || len(triple) < 2 || len(triple) > 3 {
			t.Fatalf("disclosure %s: %v", raw, err)
		}
		salt, _ := triple[0].(string)
		f.salts = append(f.salts, salt)
		if len(triple) == 3 {
			if slices.Contains([]string{"iat", "nbf", "exp", "cnf", "vct", "status", "iss"}, triple[1].(string)) {
				t.Errorf("%v is selectively disclosed", triple[1])
			}
			// Digests inside a value differ by its salts, and what they stand
			// for is in the list by itself.
			if nested, ok := triple[2].(object); !ok || nested["_sd"] == nil {
				contents = append(contents, fmt.Sprint(triple[1:]))
			}
		}
	}
	for _, disclosure := range list {
		digest := sha256.Sum256([]byte(disclosure))
		if n := strings.Count(whole, `"`+b64.EncodeToString(digest[:])+`"`); n != 1 {
			t.Errorf("a disclosure has %d places", n)
		}
	}
	slices.Sort(contents)
	f.dataset = strings.Join(contents, "\n")
	if len(contents) == 0 {
		t.Error("nothing is disclosed")
	}
}

// checkStatus reads the status list and finds the credential VALID in it.
func (c *wallet) checkStatus(t *testing.T, f *facts) {
	t.Helper()
	if !strings.HasPrefix(f.uri, "https://") {
		t.Fatalf("no status list: %q", f.uri)
	}
	r := c.w.send(t, http.MethodGet, f.uri, http.Header{"Accept": {"application/statuslist+jwt"}}, nil)
	if r.status != http.StatusOK || r.mediaType() != "application/statuslist+jwt" {
		t.Fatalf("status list: %d %s", r.status, r.mediaType())
	}
	header, claims := readJWT(t, string(r.body))
	leaf := c.w.leaf(t, x5c(t, header), credentials.FormatSDJWTVC)
	if text(header, "typ") != "statuslist+jwt" || text(claims, "sub") != f.uri || !verified(t, leaf.PublicKey.(*ecdsa.PublicKey), string(r.body)) {
		t.Errorf("status list header %v, sub %q", header, text(claims, "sub"))
	}
	list, _ := claims["status_list"].(object)
	if list["bits"] != 1.0 {
		t.Fatalf("bits %v", list["bits"])
	}
	compressed, err := b64.DecodeString(text(list, "lst"))
	if err != nil {
		t.Fatal(err)
	}
	z, err := zlib.NewReader(bytes.NewReader(compressed))
	if err != nil {
		t.Fatal(err)
	}
	bits, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	if n := int(f.index); n/8 >= len(bits) || bits[n/8]>>(n%8)&1 != 0 {
		t.Errorf("entry %d of %d is not VALID", n, len(bits)*8)
	}
}

// configured is the configuration that is asked for, from the metadata.
func (c *wallet) configured(t *testing.T) object {
	t.Helper()
	all, _ := c.w.issuer["credential_configurations_supported"].(object)
	o, ok := all[c.configuration()].(object)
	if !ok {
		t.Fatalf("no %s in the metadata", c.configuration())
	}
	return o
}

func (c *wallet) checkMdoc(t *testing.T, credential string, f *facts) {
	t.Helper()
	data, err := b64.DecodeString(credential)
	if err != nil {
		t.Fatal(err)
	}
	signed := as[cborPairs](t, readCBOR(t, data))
	sign1 := as[cborArray](t, signed.get("issuerAuth"))
	protected, payload, signature := as[[]byte](t, sign1.items[0]), as[[]byte](t, sign1.items[2]), as[[]byte](t, sign1.items[3])
	if alg := as[cborPairs](t, readCBOR(t, protected)).get(int64(1)); alg != int64(-7) {
		t.Errorf("alg %v", alg)
	}
	var chain [][]byte
	switch x5chain := as[cborPairs](t, sign1.items[1]).get(int64(33)).(type) {
	case []byte:
		chain = [][]byte{x5chain}
	case cborArray:
		for _, item := range x5chain.items {
			chain = append(chain, as[[]byte](t, item))
		}
	}
	leaf := c.w.leaf(t, chain, credentials.FormatMdoc)
	input := append([]byte{0x84}, cborBytes(3, []byte("Signature1"))...)
	input = append(append(append(input, cborBytes(2, protected)...), cborBytes(2, nil)...), cborBytes(2, payload)...)
	if !verifiedRaw(leaf.PublicKey.(*ecdsa.PublicKey), input, signature) {
		t.Error("the signature does not verify")
	}
	mso := as[cborPairs](t, readCBOR(t, as[[]byte](t, as[cborTag](t, readCBOR(t, payload)).content)))
	if doctype := mso.get("docType"); doctype != text(c.configured(t), "doctype") || mso.get("digestAlgorithm") != "SHA-256" {
		t.Errorf("docType %v", doctype)
	}
	device := as[cborPairs](t, as[cborPairs](t, mso.get("deviceKeyInfo")).get("deviceKey"))
	point := append([]byte{4}, append(slices.Clone(as[[]byte](t, device.get(int64(-2)))), as[[]byte](t, device.get(int64(-3)))...)...)
	if f.key, err = ecdsa.ParseUncompressedPublicKey(leaf.PublicKey.(*ecdsa.PublicKey).Curve, point); err != nil {
		t.Fatal(err)
	}
	validity := as[cborPairs](t, mso.get("validityInfo"))
	for _, name := range []string{"signed", "validFrom", "validUntil"} {
		at, err := time.Parse(time.RFC3339, as[string](t, as[cborTag](t, validity.get(name)).content))
		if err != nil {
			t.Error(err)
		}
		f.times = append(f.times, at.Unix())
	}
	status := as[cborPairs](t, mso.get("status"))
	for _, pair := range status {
		if pair.key != "status_list" && pair.key != "identifier_list" {
			t.Errorf("status %v", pair.key)
		}
	}
	list := as[cborPairs](t, status.get("status_list"))
	f.uri, f.index = as[string](t, list.get("uri")), float64(as[int64](t, list.get("idx")))
	digests(t, as[cborPairs](t, signed.get("nameSpaces")), as[cborPairs](t, mso.get("valueDigests")), f)
}

// digests compares every element with its digest.
func digests(t *testing.T, spaces, valueDigests cborPairs, f *facts) {
	t.Helper()
	var contents []string
	for _, space := range spaces {
		known := as[cborPairs](t, valueDigests.get(space.key))
		items := as[cborArray](t, space.value)
		for i, item := range items.items {
			element := as[cborPairs](t, readCBOR(t, as[[]byte](t, as[cborTag](t, item).content)))
			digest := sha256.Sum256(items.raw[i])
			if !bytes.Equal(as[[]byte](t, known.get(element.get("digestID"))), digest[:]) {
				t.Errorf("digest of %v", element.get("elementIdentifier"))
			}
			random := as[[]byte](t, element.get("random"))
			if len(random) < 16 {
				t.Errorf("%d bytes of random", len(random))
			}
			f.salts = append(f.salts, string(random))
			contents = append(contents, fmt.Sprint(space.key, element.get("elementIdentifier"), element.get("elementValue")))
		}
	}
	slices.Sort(contents)
	if f.dataset = strings.Join(contents, "\n"); len(contents) == 0 {
		t.Error("no elements")
	}
}
