package config

import (
	"bytes"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"os"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/jpki"
)

// ErrReadable says that a file with a secret is open to others.
var ErrReadable = errors.New("can be read by others than its owner")

// LoadSecret reads a secret of 16 characters or more; see ReadSecret.
func LoadSecret(use, path string) ([]byte, error) { return ReadSecret(use, path, 16) }

// ReadSecret reads a text from a file that others can't read, without the line
// end. shortest is the least number of characters.
func ReadSecret(use, path string, shortest int) ([]byte, error) {
	if path == "" {
		return nil, fmt.Errorf("%s: needed", use)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", use, err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s: %s %w", use, path, ErrReadable)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", use, err)
	}
	data = bytes.TrimSpace(data)
	if len(data) < shortest {
		return nil, fmt.Errorf("%s: %s holds fewer than %d characters", use, path, shortest)
	}
	return data, nil
}

// LoadHexSecret reads a secret of 32 bytes or more in hexadecimal.
func LoadHexSecret(use, path string) ([]byte, error) {
	text, err := LoadSecret(use, path)
	if err != nil {
		return nil, err
	}
	secret := make([]byte, hex.DecodedLen(len(text)))
	if _, err := hex.Decode(secret, text); err != nil || len(secret) < 32 {
		return nil, fmt.Errorf("%s: %s does not hold 32 bytes in hexadecimal", use, path)
	}
	return secret, nil
}

// LoadAnchors reads trust anchors with what they are trusted for.
func LoadAnchors(use string, configs []Anchor) ([]trust.Anchor, error) {
	var anchors []trust.Anchor
	for _, c := range configs {
		certificates, err := LoadCertificates(use, c.File)
		if err != nil {
			return nil, err
		}
		var formats []credentials.Format
		for _, f := range c.Formats {
			format := credentials.Format(f)
			if format != credentials.FormatSDJWTVC && format != credentials.FormatMdoc {
				return nil, fmt.Errorf("%s: unknown format %q", use, f)
			}
			formats = append(formats, format)
		}
		for _, certificate := range certificates {
			anchors = append(anchors, trust.Anchor{
				Certificate: certificate, Jurisdiction: c.Jurisdiction,
				Formats: formats, Types: c.Types, CertifiedSeal: c.CertifiedSeal,
			})
		}
	}
	if len(anchors) == 0 {
		return nil, fmt.Errorf("%s: no trust anchors", use)
	}
	return anchors, nil
}

// LoadCertificates reads a PEM file with one certificate or more.
func LoadCertificates(use, path string) ([]*x509.Certificate, error) {
	if path == "" {
		return nil, fmt.Errorf("%s: file is needed", use)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", use, err)
	}
	certificates, err := keys.ParseChainPEM(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w", use, path, err)
	}
	if len(certificates) == 0 {
		return nil, errors.New(use + ": " + path + " holds no certificate")
	}
	return certificates, nil
}

// CheckJPKIAnchors reports every anchor that is not of the family, or not fit for
// the mode.
func CheckJPKIAnchors(mode jpki.Mode, family jpki.Family, anchors []trust.Anchor) error {
	var faults []error
	for _, anchor := range anchors {
		faults = append(faults, jpki.CheckAnchor(mode, family, anchor.Certificate))
	}
	return errors.Join(faults...)
}
