package cose_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"

	"github.com/tegata-id/tegata/credentials/cose"
)

// FuzzSign1: no message but those that the key signed verifies.
func FuzzSign1(f *testing.F) {
	key := newKey(f, elliptic.P256())
	signed, err := cose.Sign1(cose.SignOptions{}, []byte("payload"), key)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(signed)
	data, err := os.ReadFile("testdata/cose_wg_sign1.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, text := range hexStrings(f, data) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		u, err := cose.ParseSign1(data)
		if err != nil {
			return
		}
		if payload, err := u.Verify(key.Public()); err == nil && string(payload) != "payload" {
			t.Errorf("%x verifies", data)
		}
		_ = u.VerifyDetached(key.Public(), []byte("detached"))
	})
}

// hexStrings returns what in a JSON file is long hexadecimal text.
func hexStrings(tb testing.TB, data []byte) [][]byte {
	tb.Helper()
	var tree any
	if err := json.Unmarshal(data, &tree); err != nil {
		tb.Fatal(err)
	}
	var out [][]byte
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for _, member := range v {
				walk(member)
			}
		case []any:
			for _, element := range v {
				walk(element)
			}
		case string:
			if raw, err := hex.DecodeString(v); err == nil && len(raw) > 32 {
				out = append(out, raw)
			}
		}
	}
	walk(tree)
	return out
}

// FuzzKey: what is accepted is a point on a curve, and comes back the same.
func FuzzKey(f *testing.F) {
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		data, err := cose.MarshalKey(newKey(f, curve).Public())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte{0xa0})
	f.Fuzz(func(t *testing.T, data []byte) {
		pub, err := cose.ParseKey(data)
		if err != nil {
			return
		}
		again, err := cose.MarshalKey(pub)
		if err != nil {
			t.Fatal(err)
		}
		back, err := cose.ParseKey(again)
		if err != nil || !pub.(*ecdsa.PublicKey).Equal(back) {
			t.Errorf("%x became %x, %v", data, again, err)
		}
	})
}
