package ca

import (
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/trust"
)

// WriteCertificate writes a certificate in PEM to a file that must not exist
// yet.
func WriteCertificate(path string, certificate *x509.Certificate) error {
	return write(path, keys.EncodeChainPEM([]*x509.Certificate{certificate}), 0o644)
}

// write makes a file that must not exist yet.
func write(path string, data []byte, mode os.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}

// Transcript writes what was made, for the minutes of a ceremony: what those
// who attend compare with what they are given afterwards. Hashes are SHA-256,
// of the certificate in DER and of its public key (SubjectPublicKeyInfo).
func Transcript(w io.Writer, what string, now time.Time, c *x509.Certificate) error {
	entity := "none"
	if e, ok := trust.LegalEntityOf(c); ok {
		entity = e.OrganizationIdentifier + " " + e.Name
	}
	_, err := fmt.Fprintf(w, `%s  %s
  subject      %s
  entity       %s
  issuer       %s
  serial       %x
  valid        %s to %s
  certificate  sha256 %x
  public key   sha256 %x
`,
		now.UTC().Format(time.RFC3339), what, c.Subject, entity, c.Issuer, c.SerialNumber,
		c.NotBefore.UTC().Format(time.RFC3339), c.NotAfter.UTC().Format(time.RFC3339),
		sha256.Sum256(c.Raw), sha256.Sum256(c.RawSubjectPublicKeyInfo))
	return err
}
