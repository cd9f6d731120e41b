package keys

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
)

// Limits on what is read. A chain of ten certificates fits many times.
const (
	maxFileSize = 256 << 10
	maxChain    = 10
)

// ErrPermissions says that a key file can be read by others than its owner.
var ErrPermissions = errors.New("key file must not be accessible to group or others (chmod 600)")

// LoadFile reads a private key (PEM, PKCS#8 or SEC 1) and, unless chainFile is
// empty, its certificates (PEM, leaf first). It refuses a key file that group
// or others may access ([ErrPermissions]), more than one key in a file, keys
// that cannot sign here, and a chain whose first certificate is for another
// key. Validity in time is left to [Key.Prove].
func LoadFile(keyFile, chainFile string) (*Key, error) {
	data, err := readFile(keyFile, true)
	if err != nil {
		return nil, fmt.Errorf("keys: read key: %w", err)
	}
	signer, err := ParseKeyPEM(data)
	clear(data)
	if err != nil {
		return nil, fmt.Errorf("keys: %s: %w", keyFile, err)
	}
	return WithChainFile(signer, chainFile)
}

// WithChainFile returns the key of a signer that lives elsewhere, in a hardware
// module for example, with the certificates of a file as in [LoadFile].
func WithChainFile(signer crypto.Signer, chainFile string) (*Key, error) {
	key := &Key{Signer: signer}
	pub, err := key.Public()
	if err != nil {
		return nil, err
	}
	if chainFile == "" {
		return key, nil
	}
	data, err := readFile(chainFile, false)
	if err != nil {
		return nil, fmt.Errorf("keys: read chain: %w", err)
	}
	if key.Chain, err = ParseChainPEM(data); err != nil {
		return nil, fmt.Errorf("keys: %s: %w", chainFile, err)
	}
	if !pub.Equal(key.Chain[0].PublicKey) {
		return nil, fmt.Errorf("keys: %s: the first certificate is for another key", chainFile)
	}
	return key, nil
}

// readFile checks the permissions of the very file it then reads.
func readFile(name string, secret bool) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", name)
	}
	if secret && info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s has mode %04o: %w", name, info.Mode().Perm(), ErrPermissions)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFileSize+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxFileSize {
		return nil, fmt.Errorf("%s: larger than %d bytes", name, maxFileSize)
	}
	return data, nil
}

// ParseKeyPEM reads one private key in PEM, as PKCS#8 ("PRIVATE KEY") or SEC 1
// ("EC PRIVATE KEY"). A block "EC PARAMETERS", which OpenSSL writes in front,
// is skipped; anything else, encrypted keys included, is an error.
func ParseKeyPEM(data []byte) (crypto.Signer, error) {
	var found crypto.Signer
	rest := data
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type == "EC PARAMETERS" {
			continue
		}
		signer, err := parseKeyBlock(block)
		if err != nil {
			return nil, err
		}
		if found != nil {
			return nil, errors.New("more than one private key")
		}
		found = signer
	}
	if found == nil {
		return nil, errors.New("no PEM private key found")
	}
	return found, nil
}

func parseKeyBlock(block *pem.Block) (crypto.Signer, error) {
	var parsed any
	var err error
	switch block.Type {
	case "PRIVATE KEY":
		parsed, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		parsed, err = x509.ParseECPrivateKey(block.Bytes)
	default:
		return nil, fmt.Errorf("PEM block %q is not a private key that can be read here", block.Type)
	}
	if err != nil {
		// The parser's own words may quote the input.
		return nil, errors.New("private key is malformed")
	}
	signer, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, errors.New("private key cannot sign")
	}
	if _, err := supported(signer.Public()); err != nil {
		return nil, err
	}
	return signer, nil
}

// ParseChainPEM reads one or more certificates in PEM, leaf first. Other PEM
// blocks and text after the last block are errors.
func ParseChainPEM(data []byte) ([]*x509.Certificate, error) {
	var chain []*x509.Certificate
	rest := data
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("PEM block %q is not a certificate", block.Type)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", len(chain), err)
		}
		if chain = append(chain, cert); len(chain) > maxChain {
			return nil, fmt.Errorf("more than %d certificates", maxChain)
		}
	}
	if len(chain) == 0 {
		return nil, errors.New("no PEM certificate found")
	}
	if len(bytes.TrimSpace(rest)) > 0 {
		return nil, errors.New("unexpected data after the last certificate")
	}
	return chain, nil
}

// EncodeKeyPEM returns the private key as PKCS#8 in PEM. It fails for a signer
// whose key cannot leave its module.
func EncodeKeyPEM(signer crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(signer)
	if err != nil {
		return nil, fmt.Errorf("keys: encode: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// EncodeChainPEM returns the certificates in PEM, in the given order.
func EncodeChainPEM(chain []*x509.Certificate) []byte {
	var b bytes.Buffer
	for _, cert := range chain {
		b.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}))
	}
	return b.Bytes()
}
