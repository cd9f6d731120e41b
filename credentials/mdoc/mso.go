package mdoc

import (
	"crypto"
	_ "crypto/sha256" // the hashes of digestAlgorithms
	_ "crypto/sha512"
	"math"
	"slices"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/cose"
)

// version is the version of the MSO and of the DeviceResponse.
const version = "1.0"

// maxDigestID is the greatest digestID that is accepted. ISO/IEC 18013-5 section
// 9.1.2.4 ends at 2^31-1, which is what is issued here, but there are issuers that
// draw 32 bits, and nothing depends on the difference.
const maxDigestID = math.MaxUint32

// minRandom is the least length of an item's random in bytes.
const minRandom = 16

// securityObject is the MobileSecurityObject of ISO/IEC 18013-5 section
// 9.1.2.4, with the status of the second edition.
type securityObject struct {
	Version         string                           `cbor:"version"`
	DigestAlgorithm string                           `cbor:"digestAlgorithm"`
	ValueDigests    map[string]map[uint64]cose.Bytes `cbor:"valueDigests"`
	DeviceKeyInfo   deviceKeyInfo                    `cbor:"deviceKeyInfo"`
	DocType         string                           `cbor:"docType"`
	ValidityInfo    validityInfo                     `cbor:"validityInfo"`
	Status          *statusInfo                      `cbor:"status,omitempty"`
}

type deviceKeyInfo struct {
	DeviceKey         cose.RawMessage    `cbor:"deviceKey"`
	KeyAuthorizations *keyAuthorizations `cbor:"keyAuthorizations,omitempty"`
}

// keyAuthorizations says which elements the device may sign itself.
type keyAuthorizations struct {
	NameSpaces   []string            `cbor:"nameSpaces,omitempty"`
	DataElements map[string][]string `cbor:"dataElements,omitempty"`
}

func (k *keyAuthorizations) allows(namespace, element string) bool {
	return k != nil && (slices.Contains(k.NameSpaces, namespace) || slices.Contains(k.DataElements[namespace], element))
}

type validityInfo struct {
	Signed     cose.TDate `cbor:"signed"`
	ValidFrom  cose.TDate `cbor:"validFrom"`
	ValidUntil cose.TDate `cbor:"validUntil"`
}

type statusInfo struct {
	StatusList     *statusListInfo     `cbor:"status_list,omitempty"`
	IdentifierList *identifierListInfo `cbor:"identifier_list,omitempty"`
}

type statusListInfo struct {
	Index *uint64 `cbor:"idx"`
	URI   string  `cbor:"uri"`
}

// identifierListInfo is a reference into an identifier list. The certificate
// that may stand beside it is no reason to trust the list and is not read.
type identifierListInfo struct {
	ID  cose.Bytes `cbor:"id"`
	URI string     `cbor:"uri"`
}

// reference returns where the document's status is published. A status of no
// known mechanism, or of two, is an error: the document could be revoked
// without anybody noticing.
func (s *statusInfo) reference() (*credentials.StatusRef, error) {
	switch {
	case s == nil:
		return nil, nil
	case (s.StatusList == nil) == (s.IdentifierList == nil):
		return nil, fail(ReasonStatusMechanism, "status is not exactly a status list or an identifier list")
	case s.IdentifierList != nil && (len(s.IdentifierList.ID) == 0 || s.IdentifierList.URI == ""):
		return nil, fail(ReasonMalformed, "identifier list reference without identifier or address")
	case s.IdentifierList != nil:
		return &credentials.StatusRef{URI: s.IdentifierList.URI, Identifier: string(s.IdentifierList.ID)}, nil
	case s.StatusList.Index == nil || s.StatusList.URI == "":
		return nil, fail(ReasonMalformed, "status list reference without index or address")
	}
	return &credentials.StatusRef{URI: s.StatusList.URI, Index: *s.StatusList.Index}, nil
}

// hash returns the digest algorithm of the MSO, which must be one of three.
func (m *securityObject) hash() (crypto.Hash, error) {
	switch m.DigestAlgorithm {
	case "SHA-256":
		return crypto.SHA256, nil
	case "SHA-384":
		return crypto.SHA384, nil
	case "SHA-512":
		return crypto.SHA512, nil
	}
	return 0, fail(ReasonDigest, "digest algorithm is not SHA-256, SHA-384 or SHA-512")
}

// check applies what must hold in every MSO whatever the time.
func (m *securityObject) check() error {
	if m.Version != version {
		return fail(ReasonVersion, "MSO of a version other than %s", version)
	}
	if m.DocType == "" {
		return fail(ReasonMalformed, "MSO without docType")
	}
	if _, err := m.hash(); err != nil {
		return err
	}
	v := m.ValidityInfo
	if v.Signed.IsZero() || v.ValidFrom.IsZero() || v.ValidUntil.IsZero() {
		return fail(ReasonMalformed, "MSO without signed, validFrom or validUntil")
	}
	if v.ValidFrom.Before(v.Signed.Time) || !v.ValidFrom.Before(v.ValidUntil.Time) {
		return fail(ReasonValidity, "signed, validFrom and validUntil are not in this order")
	}
	return nil
}

// issuerSigned is what an issuer delivers (ISO/IEC 18013-5 section 8.3.2.1.2.2).
type issuerSigned struct {
	NameSpaces map[string][]cose.EncodedCBOR `cbor:"nameSpaces,omitempty"`
	IssuerAuth cose.RawMessage               `cbor:"issuerAuth"`
}

// issuerSignedItem is one element with the random that hides it.
type issuerSignedItem struct {
	DigestID          *uint64         `cbor:"digestID"`
	Random            cose.Bytes      `cbor:"random"`
	ElementIdentifier string          `cbor:"elementIdentifier"`
	ElementValue      cose.RawMessage `cbor:"elementValue"`
}
