package jpki_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"math/big"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/trust/jpki"
)

// TestNegHugeKey uploads a made-up certificate with a modulus of 100,000 bits,
// under which one check takes most of a second.
func TestNegHugeKey(t *testing.T) {
	t.Parallel()
	raw := make([]byte, 100_000/8)
	rand.Read(raw)
	raw[0], raw[len(raw)-1] = raw[0]|0x80, raw[len(raw)-1]|1
	forged := &x509.Certificate{PublicKey: &rsa.PublicKey{N: new(big.Int).SetBytes(raw), E: 1<<31 - 1}}
	signature := make([]byte, len(raw))
	rand.Read(signature)
	signature[0] = 0

	best := time.Hour
	for range 3 { // the machine may be busy
		begin := time.Now()
		if err := jpki.VerifySignature(forged, []byte("challenge"), signature); !errors.Is(err, jpki.ErrSignature) {
			t.Fatalf("got %v, want ErrSignature", err)
		}
		best = min(best, time.Since(begin))
	}
	if best > 50*time.Millisecond {
		t.Errorf("K07 D01: a forged key kept the processor busy for %v", best)
	}

	// The honest twin has a large key that is still acceptable.
	key, err := rsa.GenerateKey(rand.Reader, 4096)
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256([]byte("challenge"))
	if signature, err = rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:]); err != nil {
		t.Fatal(err)
	}
	if err := jpki.VerifySignature(&x509.Certificate{PublicKey: &key.PublicKey}, []byte("challenge"), signature); err != nil {
		t.Errorf("honest twin: %v", err)
	}
}
