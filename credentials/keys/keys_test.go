package keys_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
)

var start = time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)

func testKey(t *testing.T, signer crypto.Signer) *keys.Key {
	t.Helper()
	ca, err := trusttest.NewCA(trusttest.CAOptions{NotBefore: start})
	if err != nil {
		t.Fatal(err)
	}
	sub, err := ca.NewIntermediate(trusttest.CAOptions{})
	if err != nil {
		t.Fatal(err)
	}
	key, err := sub.IssueSDJWTSigner(trusttest.LeafOptions{Signer: signer, Lifetime: 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func generate(t *testing.T, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func write(t *testing.T, name string, mode os.FileMode, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// liar signs with another key than it announces.
type liar struct{ announced, used crypto.Signer }

func (l liar) Public() crypto.PublicKey { return l.announced.Public() }
func (l liar) Sign(r io.Reader, digest []byte, o crypto.SignerOpts) ([]byte, error) {
	return l.used.Sign(r, digest, o)
}

func TestProve(t *testing.T) {
	t.Parallel()
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		key := testKey(t, generate(t, curve))
		if err := key.Prove(start); err != nil {
			t.Errorf("%s: %v", curve.Params().Name, err)
		}
	}
	honest := testKey(t, nil)
	end := start.Add(24 * time.Hour)
	tests := []struct {
		name string
		key  *keys.Key
		now  time.Time
		ok   bool
	}{
		{"first second", honest, start, true},
		{"last second", honest, end.Add(999 * time.Millisecond), true},
		{"one second early", honest, start.Add(-time.Second), false},
		{"one second late", honest, end.Add(time.Second), false},
		{"without certificates", &keys.Key{Signer: honest.Signer}, start, true},
		{"no signer", &keys.Key{Chain: honest.Chain}, start, false},
		{"certificate of another key", &keys.Key{Signer: generate(t, elliptic.P256()), Chain: honest.Chain}, start, false},
		{"signature of another key", &keys.Key{Signer: liar{honest.Signer, generate(t, elliptic.P256())}, Chain: honest.Chain}, start, false},
		{"intermediate of another CA", &keys.Key{Signer: honest.Signer, Chain: []*x509.Certificate{honest.Chain[0], testKey(t, nil).Chain[1]}}, start, false},
		{"curve P-224", &keys.Key{Signer: generate(t, elliptic.P224())}, start, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.key.Prove(tt.now); (err == nil) != tt.ok {
				t.Errorf("Prove: %v, want ok %v", err, tt.ok)
			}
		})
	}
}

func TestLoadFile(t *testing.T) {
	t.Parallel()
	key := testKey(t, nil)
	pkcs8, err := keys.EncodeKeyPEM(key.Signer)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalECPrivateKey(key.Signer.(*ecdsa.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	sec1 := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})
	params := pem.EncodeToMemory(&pem.Block{Type: "EC PARAMETERS", Bytes: []byte{6, 1, 0}})
	chain := keys.EncodeChainPEM(key.Chain)
	otherChain := keys.EncodeChainPEM(testKey(t, nil).Chain)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	rsaPEM, err := keys.EncodeKeyPEM(rsaKey)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name       string
		key, chain []byte
		mode       os.FileMode
		ok         bool
	}{
		{"PKCS#8 with chain", pkcs8, chain, 0o600, true},
		{"PKCS#8 read-only", pkcs8, chain, 0o400, true},
		{"SEC 1 with parameters", append(params, sec1...), chain, 0o600, true},
		{"no chain", sec1, nil, 0o600, true},
		{"group may read", pkcs8, chain, 0o640, false},
		{"others may read", pkcs8, chain, 0o604, false},
		{"two keys", append(append([]byte{}, pkcs8...), sec1...), chain, 0o600, false},
		{"chain of another key", pkcs8, otherChain, 0o600, false},
		{"chain with a key in it", pkcs8, append(append([]byte{}, chain...), pkcs8...), 0o600, false},
		{"chain with trailing text", pkcs8, append(append([]byte{}, chain...), "x"...), 0o600, false},
		{"RSA", rsaPEM, nil, 0o600, false},
		{"certificate instead of key", chain, nil, 0o600, false},
		{"empty", nil, nil, 0o600, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			chainFile := ""
			if tt.chain != nil {
				chainFile = write(t, "chain.pem", 0o644, tt.chain)
			}
			got, err := keys.LoadFile(write(t, "key.pem", tt.mode, tt.key), chainFile)
			if (err == nil) != tt.ok {
				t.Fatalf("LoadFile: %v, want ok %v", err, tt.ok)
			}
			if tt.mode&0o077 != 0 && !errors.Is(err, keys.ErrPermissions) {
				t.Errorf("error %v is not ErrPermissions", err)
			}
			if tt.ok {
				if err := got.Prove(start); err != nil {
					t.Errorf("loaded key: %v", err)
				}
			}
		})
	}
}
