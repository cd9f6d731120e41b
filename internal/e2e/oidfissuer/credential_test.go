package oidfissuer_test

import (
	"bytes"
	"compress/zlib"
	"crypto/ecdsa"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/internal/e2e/wire"
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
// and returns the key that signs.
func (w *world) leaf(t *testing.T, chain [][]byte, format credentials.Format) *ecdsa.PublicKey {
	t.Helper()
	_, key, err := wire.Leaf(chain, w.box.IssuerAnchors[format].Certificate, w.now())
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (c *wallet) checkSDJWT(t *testing.T, credential string, f *facts) {
	t.Helper()
	parts := strings.Split(credential, "~")
	if parts[len(parts)-1] != "" {
		t.Fatal("something follows the last tilde")
	}
	header, claims := readJWT(t, parts[0])
	leaf := c.w.leaf(t, x5c(t, header), credentials.FormatSDJWTVC)
	if wire.Text(header, "typ") != "dc+sd-jwt" || wire.VerifyJWS(leaf, parts[0]) != nil {
		t.Errorf("header %v, or a bad signature", header)
	}
	if wire.Text(claims, "vct") != wire.Text(c.configured(t), "vct") {
		t.Errorf("vct %q", wire.Text(claims, "vct"))
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
	if alg := wire.Text(claims, "_sd_alg"); alg != "" && alg != "sha-256" {
		t.Errorf("_sd_alg %q", alg)
	}
	payload, err := wire.UnB64(strings.Split(jwt, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	whole := string(payload)
	var contents []string
	for _, disclosure := range list {
		raw, err := wire.UnB64(disclosure)
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
		if n := strings.Count(whole, `"`+wire.Hash(disclosure)+`"`); n != 1 {
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
	if wire.Text(header, "typ") != "statuslist+jwt" || wire.Text(claims, "sub") != f.uri || wire.VerifyJWS(leaf, string(r.body)) != nil {
		t.Errorf("status list header %v, sub %q", header, wire.Text(claims, "sub"))
	}
	list, _ := claims["status_list"].(object)
	if list["bits"] != 1.0 {
		t.Fatalf("bits %v", list["bits"])
	}
	compressed, err := wire.UnB64(wire.Text(list, "lst"))
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
	data, err := wire.UnB64(credential)
	if err != nil {
		t.Fatal(err)
	}
	signed := readCBOR[wire.Pairs](t, data)
	sign1 := as[[]any](t, signed.Get("issuerAuth"))
	protected, payload, signature := as[[]byte](t, sign1[0]), as[[]byte](t, sign1[2]), as[[]byte](t, sign1[3])
	if alg := readCBOR[wire.Pairs](t, protected).Get(1); alg != -7 {
		t.Errorf("alg %v", alg)
	}
	var chain [][]byte
	switch x5chain := as[wire.Pairs](t, sign1[1]).Get(33).(type) {
	case []byte:
		chain = [][]byte{x5chain}
	case []any:
		for _, item := range x5chain {
			chain = append(chain, as[[]byte](t, item))
		}
	}
	leaf := c.w.leaf(t, chain, credentials.FormatMdoc)
	if err := wire.VerifyRaw(leaf, wire.Signed(protected, payload), signature); err != nil {
		t.Error(err)
	}
	mso := embedded[wire.Pairs](t, readCBOR[any](t, payload))
	if doctype := mso.Get("docType"); doctype != wire.Text(c.configured(t), "doctype") || mso.Get("digestAlgorithm") != "SHA-256" {
		t.Errorf("docType %v", doctype)
	}
	device := as[wire.Pairs](t, as[wire.Pairs](t, mso.Get("deviceKeyInfo")).Get("deviceKey"))
	point := append([]byte{4}, append(slices.Clone(as[[]byte](t, device.Get(-2))), as[[]byte](t, device.Get(-3))...)...)
	if f.key, err = ecdsa.ParseUncompressedPublicKey(leaf.Curve, point); err != nil {
		t.Fatal(err)
	}
	validity := as[wire.Pairs](t, mso.Get("validityInfo"))
	for _, name := range []string{"signed", "validFrom", "validUntil"} {
		at, err := time.Parse(time.RFC3339, as[string](t, as[wire.Tagged](t, validity.Get(name)).Value))
		if err != nil {
			t.Error(err)
		}
		f.times = append(f.times, at.Unix())
	}
	status := as[wire.Pairs](t, mso.Get("status"))
	for _, pair := range status {
		if pair[0] != "status_list" && pair[0] != "identifier_list" {
			t.Errorf("status %v", pair[0])
		}
	}
	list := as[wire.Pairs](t, status.Get("status_list"))
	f.uri, f.index = as[string](t, list.Get("uri")), float64(as[int](t, list.Get("idx")))
	digests(t, as[wire.Pairs](t, signed.Get("nameSpaces")), as[wire.Pairs](t, mso.Get("valueDigests")), f)
}

// digests compares every element with its digest.
func digests(t *testing.T, spaces, valueDigests wire.Pairs, f *facts) {
	t.Helper()
	var contents []string
	for _, space := range spaces {
		known := as[wire.Pairs](t, valueDigests.Get(space[0]))
		for _, item := range as[[]any](t, space[1]) {
			element := embedded[wire.Pairs](t, item)
			if !bytes.Equal(as[[]byte](t, known.Get(element.Get("digestID"))), wire.Digest(wire.CBOR(item))) {
				t.Errorf("digest of %v", element.Get("elementIdentifier"))
			}
			random := as[[]byte](t, element.Get("random"))
			if len(random) < 16 {
				t.Errorf("%d bytes of random", len(random))
			}
			f.salts = append(f.salts, string(random))
			contents = append(contents, fmt.Sprint(space[0], element.Get("elementIdentifier"), element.Get("elementValue")))
		}
	}
	slices.Sort(contents)
	if f.dataset = strings.Join(contents, "\n"); len(contents) == 0 {
		t.Error("no elements")
	}
}
