package keys_test

import (
	"testing"

	"github.com/tegata-id/tegata/credentials/keys"
)

// FuzzPEM reads what operators and, with a CSR, certification authorities hand
// in.
func FuzzPEM(f *testing.F) {
	key, err := keys.GenerateP256()
	if err != nil {
		f.Fatal(err)
	}
	data, err := keys.EncodeKeyPEM(key)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if signer, err := keys.ParseKeyPEM(data); err == nil && signer.Public() == nil {
			t.Error("a key without a public half")
		}
		if chain, err := keys.ParseChainPEM(data); err == nil && len(chain) == 0 {
			t.Error("an empty chain")
		}
	})
}
