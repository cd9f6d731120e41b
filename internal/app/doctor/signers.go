package doctor

import (
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/base64"
	"time"

	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/sdjwt"
)

// signerKeys looks at the published keys that sign SD-JWT VCs (SD-JWT VC
// section 4).
func (d *doctor) signerKeys(ctx context.Context, id string) {
	where, err := sdjwt.IssuerMetadataURL(id)
	if err != nil {
		return // told already
	}
	a, ok := d.get(ctx, where, "application/json", "let the proxy forward /.well-known/ to the service without rewriting it")
	if !ok {
		return
	}
	var m sdjwt.IssuerMetadata
	if err := jose.UnmarshalJSON(a.body, &m); err != nil {
		d.Fault(where, "let the proxy pass the document on unchanged", "the keys of the issuer can't be read: %s", err)
		return
	}
	if !d.identifier(where, "issuer", m.Issuer, id) {
		return
	}
	var last time.Time
	for _, key := range m.JWKS.Keys {
		ends, ok := certified(key)
		if !ok {
			d.Fault(where, "let the proxy pass the document on unchanged", "a published key is not the one that its certificate is for")
			return
		}
		if ends.After(last) {
			last = ends
		}
	}
	now := d.opt.Now()
	switch {
	case !now.Before(last):
		d.Fault(where, "renew the certificate of issuer.keys.sd_jwt", "no key that signs SD-JWT VCs is published, or all have expired")
	case last.Sub(now) < d.opt.Expiry:
		d.Warn(where, "have the next key of issuer.keys.sd_jwt certified and publish it", "the last key that signs SD-JWT VCs expires soon, at %s", last.UTC().Format(time.RFC3339))
	default:
		d.OK(where, "%d keys that sign SD-JWT VCs are published, the last until %s", len(m.JWKS.Keys), last.UTC().Format(time.DateOnly))
	}
}

// certified returns when the certificates of a published key end. It is false if
// there is none, or it is for another key.
func certified(key sdjwt.IssuerKey) (ends time.Time, ok bool) {
	for n, encoded := range key.X5C {
		der, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			return ends, false
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return ends, false
		}
		if n == 0 {
			pub, err := key.VerificationKey()
			certified, isEC := c.PublicKey.(*ecdsa.PublicKey)
			if err != nil || !isEC || !certified.Equal(pub) {
				return ends, false
			}
			ends = c.NotAfter
		}
		if c.NotAfter.Before(ends) {
			ends = c.NotAfter
		}
	}
	return ends, len(key.X5C) > 0
}
