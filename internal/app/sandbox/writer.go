package sandbox

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"os"
	"path/filepath"

	"go.yaml.in/yaml/v3"

	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/internal/app/config"
)

// writer writes the files of a sandbox and remembers the first error.
type writer struct {
	dir string
	err error
}

func (w *writer) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

func (w *writer) path(name string) string { return filepath.Join(w.dir, name) }

func (w *writer) file(name string, data []byte) string {
	if w.err == nil {
		w.fail(os.WriteFile(w.path(name), data, 0o600))
	}
	return w.path(name)
}

func (w *writer) secret(name string) string {
	var secret [32]byte
	_, _ = rand.Read(secret[:])
	return w.file(name, []byte(hex.EncodeToString(secret[:])+"\n"))
}

func (w *writer) certificate(name string, c *x509.Certificate) string {
	return w.file(name+".pem", keys.EncodeChainPEM([]*x509.Certificate{c}))
}

func (w *writer) key(name string, key *keys.Key) config.KeyList {
	if w.err != nil {
		return nil
	}
	pem, err := keys.EncodeKeyPEM(key.Signer)
	w.fail(err)
	return config.KeyList{{
		Key:   w.file(name+".key.pem", pem),
		Chain: w.file(name+".chain.pem", keys.EncodeChainPEM(key.Chain)),
	}}
}

func (w *writer) yaml(name string, v any) {
	data, err := yaml.Marshal(v)
	w.fail(err)
	w.file(name, data)
}
