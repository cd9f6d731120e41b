package mdoc

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"fmt"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/trust"
)

// mdlNamespace is where issuing_country and issuing_jurisdiction repeat what
// the document signer's certificate says (ISO/IEC 18013-5 section 7.2.1).
const mdlNamespace = "org.iso.18013.5.1"

// VerifyIssued checks an IssuerSigned structure as a wallet does on receiving
// it: trust in the document signer, its signature, the digests of all elements
// and the validity at now. The policy's profile is normally
// [trust.ProfileMdocSigner].
//
// HolderKey of the result is the key the document is bound to; that somebody
// holds it has not been proven here. Errors are [*Error], or the context's.
func VerifyIssued(ctx context.Context, raw []byte, policy *trust.Policy, now time.Time) (*credentials.Verified, error) {
	doc, err := parseIssued(raw)
	if err != nil {
		return nil, err
	}
	return doc.verify(ctx, policy, now, 0)
}

// verify is the inspection of ISO/IEC 18013-5 section 9.3.1 but for device
// authentication. Leeway is how far the issuer's clock may be ahead.
func (d *document) verify(ctx context.Context, policy *trust.Policy, now time.Time, leeway time.Duration) (*credentials.Verified, error) {
	chain, err := d.verifyChain(ctx, policy)
	if err != nil {
		return nil, err
	}
	leaf := chain.Certificates[0]
	// The payload was read before; here it is known to be the one signed.
	if _, err := d.auth.Verify(leaf.PublicKey); err != nil {
		return nil, wrap(ReasonIssuerSignature, err, "issuerAuth")
	}
	if leafKey, ok := leaf.PublicKey.(*ecdsa.PublicKey); !ok || leafKey.Equal(d.deviceKey) {
		return nil, fail(ReasonDeviceKey, "the device key is the issuer's own")
	}
	if err := d.verifyDigests(); err != nil {
		return nil, err
	}
	if err := d.verifyCountry(leaf.Subject.Country, leaf.Subject.Province); err != nil {
		return nil, err
	}
	v := d.mso.ValidityInfo
	if v.Signed.Before(leaf.NotBefore) || v.Signed.After(leaf.NotAfter) {
		return nil, fail(ReasonValidity, "signed outside the validity of the document signer's certificate")
	}
	if err := v.verify(now, leeway); err != nil {
		return nil, err
	}
	checks := append([]credentials.Check{{Name: "issuer_chain", Detail: "the document signer's certificate leads to a trusted issuing authority"}}, chain.Checks...)
	checks = append(checks,
		credentials.Check{Name: "issuer_signature", Detail: fmt.Sprintf("signed by the document signer with COSE algorithm %d", d.auth.Algorithm)},
		credentials.Check{Name: "digests", Detail: fmt.Sprintf("%d elements match the %s digests that the issuer signed", len(d.items), d.mso.DigestAlgorithm)},
		credentials.Check{Name: "validity", Detail: "valid now and signed while the document signer's certificate was valid"},
	)
	return &credentials.Verified{
		Format:    credentials.FormatMdoc,
		Type:      d.mso.DocType,
		Claims:    d.elements(),
		Chain:     chain.Certificates,
		HolderKey: d.deviceKey,
		SignedAt:  v.Signed.Time, ValidFrom: v.ValidFrom.Time, ValidUntil: v.ValidUntil.Time,
		Status: d.status,
		Checks: checks,
	}, nil
}

func (d *document) verifyChain(ctx context.Context, policy *trust.Policy) (*trust.Chain, error) {
	if policy == nil {
		return nil, fail(ReasonIssuerUntrusted, "no trust policy")
	}
	if len(d.auth.Chain) == 0 {
		return nil, fail(ReasonIssuerUntrusted, "issuerAuth carries no certificate")
	}
	chain, err := policy.Verify(ctx, d.auth.Chain[0], d.auth.Chain[1:])
	if err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		return nil, wrap(ReasonIssuerUntrusted, err, "document signer")
	}
	if !chain.Anchor.Allows(credentials.FormatMdoc, d.mso.DocType) {
		return nil, fail(ReasonIssuerUntrusted, "the trust anchor may not vouch for mdocs of this doctype")
	}
	return chain, nil
}

// verifyDigests compares every element received with what the issuer signed.
func (d *document) verifyDigests() error {
	algorithm, err := d.mso.hash()
	if err != nil {
		return err
	}
	for _, it := range d.items {
		want, ok := d.mso.ValueDigests[it.namespace][it.digestID]
		if !ok {
			return fail(ReasonDigest, "an element is not in the MSO")
		}
		if !bytes.Equal(digest(algorithm, it.encoded.Raw()), want) {
			return fail(ReasonDigest, "an element is not the one that the issuer signed")
		}
	}
	return nil
}

func digest(algorithm crypto.Hash, data []byte) []byte {
	h := algorithm.New()
	h.Write(data)
	return h.Sum(nil)
}

// verifyCountry compares issuing_country and issuing_jurisdiction, where they
// are disclosed, with the certificate (ISO/IEC 18013-5 section 9.3.1).
func (d *document) verifyCountry(country, province []string) error {
	for _, it := range d.items {
		if it.namespace != mdlNamespace {
			continue
		}
		switch it.element {
		case "issuing_country":
			if len(country) != 1 || it.value != credentials.Text(country[0]) {
				return fail(ReasonIssuingCountry, "issuing_country is not that of the document signer's certificate")
			}
		case "issuing_jurisdiction":
			if len(province) > 0 && it.value != credentials.Text(province[0]) {
				return fail(ReasonIssuingCountry, "issuing_jurisdiction is not that of the document signer's certificate")
			}
		}
	}
	return nil
}

// verify judges the validity at now, in whole seconds with both ends included.
func (v validityInfo) verify(now time.Time, leeway time.Duration) error {
	now = now.Truncate(time.Second)
	switch {
	case v.Signed.After(now.Add(leeway)):
		return fail(ReasonValidity, "signed in the future")
	case v.ValidFrom.After(now.Add(leeway)):
		return fail(ReasonNotYetValid, "not valid yet")
	case now.After(v.ValidUntil.Time):
		return fail(ReasonExpired, "no longer valid")
	}
	return nil
}
