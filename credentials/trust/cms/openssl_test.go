package cms_test

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/tegata-id/tegata/credentials/trust/cms"
)

// TestOpenSSL reads what another program makes.
func TestOpenSSL(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	all, err := people()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	cert := write("cert.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: all[0].cert.Raw}))
	key := write("key.pem", pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(all[0].key)}))
	text := write("content", content)
	for name, tt := range map[string]struct {
		options []string
		ok      bool
	}{
		"detached":             {nil, true},
		"attached":             {[]string{"-nodetach"}, true},
		"by key identifier":    {[]string{"-keyid"}, true},
		"CAdES":                {[]string{"-cades"}, true},
		"no signed attributes": {[]string{"-noattr"}, false},
		"no certificate":       {[]string{"-nocerts"}, false},
		"streamed (BER)":       {[]string{"-nodetach", "-stream"}, false},
		"SHA-512":              {[]string{"-md", "sha512"}, false},
		"PSS":                  {[]string{"-keyopt", "rsa_padding_mode:pss"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			args := append([]string{"cms", "-sign", "-binary", "-in", text, "-signer", cert, "-inkey", key, "-outform", "DER", "-md", "sha256"}, tt.options...)
			der, err := exec.CommandContext(t.Context(), program, args...).Output()
			if err != nil {
				t.Skipf("openssl %v: %v", tt.options, err)
			}
			if _, err := cms.Verify(der, content, check); (err == nil) != tt.ok {
				t.Errorf("got %v, want ok %v", err, tt.ok)
			}
		})
	}
}
