//go:build linux

package bench_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// need is the cryptography that a request can't do without.
type need struct {
	signs, verifies int // ECDSA P-256 with SHA-256
	digests         int // SHA-256 of a claim with its salt, 96 bytes
	salts           int // 16 random bytes
	macs            int // HMAC-SHA-256 of 64 bytes: names of objects in the session store
	opens           int // AES-256-GCM of 1 KiB: what the session store has sealed, a response
	agreements      int // ECDH with P-256
}

func (n need) String() string {
	var parts []string
	for _, p := range []struct {
		n    int
		what string
	}{
		{n.verifies, "ECDSA P-256 verify"}, {n.signs, "ECDSA P-256 sign"}, {n.digests, "SHA-256 of 96 bytes"},
		{n.salts, "16 random bytes"}, {n.macs, "HMAC-SHA-256 of 64 bytes"}, {n.opens, "AES-256-GCM open of 1 KiB"},
		{n.agreements, "ECDH P-256"},
	} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d × %s", p.n, p.what))
		}
	}
	return strings.Join(parts, ", ")
}

// needOf is what a request for n credentials with so many claims each needs: the
// DPoP proof and a proof per key verified, the credentials signed; the token's
// hash and the thumbprint of its key; the access token, nonce and DPoP proof
// looked up under keyed names, and the access opened.
func needOf(n, claims int) need {
	return need{verifies: 1 + n, signs: n, digests: n*claims + 2, salts: n * claims, macs: 3, opens: 1}
}

// bare does what requests need, in this process.
type bare struct {
	key       *ecdsa.PrivateKey
	signature []byte
	digest    [32]byte
	aead      cipher.AEAD
	sealed    []byte
	message   [96]byte
	mine      *ecdh.PrivateKey
	theirs    *ecdh.PublicKey
}

func newBare(t testing.TB) *bare {
	t.Helper()
	b := &bare{key: newKey(t)}
	var err error
	if b.signature, err = ecdsa.SignASN1(rand.Reader, b.key, b.digest[:]); err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(b.message[:32])
	if err == nil {
		b.aead, err = cipher.NewGCM(block)
	}
	if err != nil {
		t.Fatal(err)
	}
	if b.mine, err = newKey(t).ECDH(); err != nil {
		t.Fatal(err)
	}
	if b.theirs, err = newKey(t).PublicKey.ECDH(); err != nil {
		t.Fatal(err)
	}
	b.sealed = b.aead.Seal(nil, b.message[:12], make([]byte, 1024), nil)
	return b
}

// cost returns the processor time of what a request needs, over so many
// requests.
func (b *bare) cost(t testing.TB, n need, requests int) time.Duration {
	t.Helper()
	before := clock(t, unix.CLOCK_PROCESS_CPUTIME_ID)
	for range requests {
		b.once(t, n)
	}
	return (clock(t, unix.CLOCK_PROCESS_CPUTIME_ID) - before) / time.Duration(requests)
}

func (b *bare) once(t testing.TB, n need) {
	for range n.signs {
		if _, err := ecdsa.SignASN1(rand.Reader, b.key, b.digest[:]); err != nil {
			t.Fatal(err)
		}
	}
	for range n.verifies {
		if !ecdsa.VerifyASN1(&b.key.PublicKey, b.digest[:], b.signature) {
			t.Fatal("the signature does not verify")
		}
	}
	for range n.digests {
		sha256.Sum256(b.message[:])
	}
	for range n.salts {
		_, _ = rand.Read(b.message[:16])
	}
	for range n.macs {
		mac := hmac.New(sha256.New, b.message[:32])
		mac.Write(b.message[:64])
		mac.Sum(nil)
	}
	for range n.opens {
		if _, err := b.aead.Open(nil, make([]byte, 12), b.sealed, nil); err != nil {
			t.Fatal(err)
		}
	}
	for range n.agreements {
		if _, err := b.mine.ECDH(b.theirs); err != nil {
			t.Fatal(err)
		}
	}
}

func decode(t testing.TB, encoded string) []byte {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
