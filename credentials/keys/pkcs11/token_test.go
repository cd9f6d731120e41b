//go:build pkcs11 && cgo

package pkcs11_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/cose"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/keys/pkcs11"
	"github.com/tegata-id/tegata/credentials/keys/pkcs11/pkcs11test"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
)

func generate(t *testing.T, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func open(t *testing.T, c pkcs11.Config) *pkcs11.Token {
	t.Helper()
	token, err := pkcs11.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := token.Close(); err != nil {
			t.Error(err)
		}
	})
	return token
}

func key(t *testing.T, token *pkcs11.Token, name pkcs11.KeyName) crypto.Signer {
	t.Helper()
	signer, err := token.Key(name)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

func TestSign(t *testing.T) {
	hsm := pkcs11test.New(t)
	hsm.Init("tegata")
	curves := map[string]elliptic.Curve{"p256": elliptic.P256(), "p384": elliptic.P384(), "p521": elliptic.P521()}
	originals := map[string]*ecdsa.PrivateKey{}
	for label, curve := range curves {
		originals[label] = generate(t, curve)
		hsm.Import("tegata", label, "0"+label[1:2], originals[label])
	}
	token := open(t, pkcs11.Config{Module: hsm.Module, TokenLabel: "tegata", PIN: pkcs11test.PIN})

	for label, original := range originals {
		t.Run(label, func(t *testing.T) {
			signer := key(t, token, pkcs11.KeyName{Label: label})
			if !original.PublicKey.Equal(signer.Public()) {
				t.Fatal("another key was found")
			}
			if err := (&keys.Key{Signer: signer}).Prove(time.Now()); err != nil {
				t.Error(err)
			}
			payload := []byte(`{"made":"in a token"}`)
			compact, err := jose.Sign(jose.Header{Typ: "test"}, payload, signer)
			if err != nil {
				t.Fatal(err)
			}
			parsed, err := jose.Parse(compact)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := parsed.Verify(&original.PublicKey); err != nil || !bytes.Equal(got, payload) {
				t.Errorf("JWS: %s, %v", got, err)
			}
			if _, err := parsed.Verify(&generate(t, original.Curve).PublicKey); err == nil {
				t.Error("the JWS verifies under another key")
			}
			raw, err := cose.Sign1(cose.SignOptions{}, payload, signer)
			if err != nil {
				t.Fatal(err)
			}
			signed, err := cose.ParseSign1(raw)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := signed.Verify(&original.PublicKey); err != nil || !bytes.Equal(got, payload) {
				t.Errorf("COSE: %s, %v", got, err)
			}
			if _, err := signer.Sign(rand.Reader, []byte("no digest"), crypto.SHA256); err == nil {
				t.Error("what is no digest was signed")
			}
			if _, ok := signer.(interface{ Delete() error }); ok {
				t.Error("the signer can delete its key")
			}
		})
	}
	t.Run("certificate", func(t *testing.T) {
		now := time.Now()
		ca, err := trusttest.NewCA(trusttest.CAOptions{NotBefore: now.Add(-time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		certified, err := ca.IssueSDJWTSigner(trusttest.LeafOptions{Signer: key(t, token, pkcs11.KeyName{Label: "p256"})})
		if err != nil {
			t.Fatal(err)
		}
		if err := certified.Prove(now); err != nil {
			t.Error(err)
		}
		certified.Signer = key(t, token, pkcs11.KeyName{Label: "p384"})
		if err := certified.Prove(now); err == nil {
			t.Error("another key of the token proves the certificate")
		}
	})
	t.Run("many at once", func(t *testing.T) {
		signer := key(t, token, pkcs11.KeyName{Label: "p256"})
		digest := sha256.Sum256([]byte("x"))
		var wait sync.WaitGroup
		for range 4 * pkcs11.MaxSessions {
			wait.Go(func() {
				signature, err := signer.Sign(rand.Reader, digest[:], crypto.SHA256)
				if err != nil || !ecdsa.VerifyASN1(&originals["p256"].PublicKey, digest[:], signature) {
					t.Errorf("signature under load: %v", err)
				}
			})
		}
		wait.Wait()
	})
}

func TestFind(t *testing.T) {
	hsm := pkcs11test.New(t)
	hsm.Init("tegata")
	first, second := generate(t, elliptic.P256()), generate(t, elliptic.P256())
	hsm.Import("tegata", "twin", "0a", first)
	hsm.Import("tegata", "twin", "0b", second)
	hsm.Import("tegata", "alone", "0c", generate(t, elliptic.P256()))
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	hsm.Import("tegata", "rsa", "0d", rsaKey)
	token := open(t, pkcs11.Config{Module: hsm.Module, TokenLabel: "tegata", PIN: pkcs11test.PIN})

	for _, tt := range []struct {
		name pkcs11.KeyName
		want error
	}{
		{pkcs11.KeyName{Label: "alone"}, nil},
		{pkcs11.KeyName{ID: []byte{0x0c}}, nil},
		{pkcs11.KeyName{Label: "alone", ID: []byte{0x0c}}, nil},
		{pkcs11.KeyName{Label: "missing"}, pkcs11.ErrKeyNotFound},
		{pkcs11.KeyName{ID: []byte{0x0f}}, pkcs11.ErrKeyNotFound},
		{pkcs11.KeyName{Label: "alone", ID: []byte{0x0a}}, pkcs11.ErrKeyNotFound},
		{pkcs11.KeyName{Label: "twin"}, pkcs11.ErrAmbiguous},
	} {
		if _, err := token.Key(tt.name); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
	if got := key(t, token, pkcs11.KeyName{Label: "twin", ID: []byte{0x0b}}); !second.PublicKey.Equal(got.Public()) {
		t.Error("the id does not tell the twins apart")
	}
	for _, name := range []pkcs11.KeyName{{}, {Label: "rsa"}} {
		if _, err := token.Key(name); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestOpen(t *testing.T) {
	hsm := pkcs11test.New(t)
	hsm.Init("tegata")
	hsm.Import("tegata", "key", "01", generate(t, elliptic.P256()))
	good := pkcs11.Config{Module: hsm.Module, TokenLabel: "tegata", PIN: pkcs11test.PIN}
	wrong := func(edit func(*pkcs11.Config)) error {
		c := good
		edit(&c)
		token, err := pkcs11.Open(c)
		if err == nil {
			token.Close()
			t.Error("it opens")
		} else if strings.Contains(err.Error(), c.PIN) && c.PIN != "" {
			t.Error("the error holds the PIN")
		}
		return err
	}
	if err := wrong(func(c *pkcs11.Config) { c.PIN = "13572468" }); !errors.Is(err, pkcs11.ErrPIN) {
		t.Errorf("wrong PIN: %v", err)
	}
	if err := wrong(func(c *pkcs11.Config) { c.PIN = "" }); !errors.Is(err, pkcs11.ErrPIN) {
		t.Errorf("no PIN: %v", err)
	}
	_ = wrong(func(c *pkcs11.Config) { c.TokenLabel = "another" })
	_ = wrong(func(c *pkcs11.Config) { c.Module = "/nonexistent/hsm.so" })
	_ = wrong(func(c *pkcs11.Config) { c.Module = "libsofthsm2.so" })

	token := open(t, good)
	signer := key(t, token, pkcs11.KeyName{Label: "key"})
	if err := token.Close(); err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256(nil)
	if _, err := signer.Sign(rand.Reader, digest[:], crypto.SHA256); !errors.Is(err, pkcs11.ErrClosed) {
		t.Errorf("signing after Close: %v", err)
	}
	if _, err := token.Key(pkcs11.KeyName{Label: "key"}); !errors.Is(err, pkcs11.ErrClosed) {
		t.Errorf("Key after Close: %v", err)
	}
	// What was closed can be opened again.
	key(t, open(t, good), pkcs11.KeyName{Label: "key"})
}
