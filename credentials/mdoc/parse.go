package mdoc

import (
	"crypto"
	"crypto/x509"
	"maps"
	"slices"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/cose"
)

// Unverified is what an IssuerSigned structure says before anything was
// verified. It is for holders, who want to show and select what they have;
// decisions need [VerifyIssued].
type Unverified struct {
	DocType string
	// Elements has the namespaces on the first level.
	Elements credentials.Object
	// HolderKey is the device key that the document is bound to.
	HolderKey crypto.PublicKey
	// Chain is the document signer's chain as sent.
	Chain                           []*x509.Certificate
	SignedAt, ValidFrom, ValidUntil time.Time
	// Status is nil if the document cannot be revoked.
	Status *credentials.StatusRef
}

// Parse reads an IssuerSigned structure. It checks the structure, not the
// signature, the digests or the validity. Errors are [*Error].
func Parse(raw []byte) (*Unverified, error) {
	doc, err := parseIssued(raw)
	if err != nil {
		return nil, err
	}
	v := doc.mso.ValidityInfo
	return &Unverified{
		DocType:   doc.mso.DocType,
		Elements:  doc.elements(),
		HolderKey: doc.deviceKey,
		Chain:     doc.auth.Chain,
		SignedAt:  v.Signed.Time, ValidFrom: v.ValidFrom.Time, ValidUntil: v.ValidUntil.Time,
		Status: doc.status,
	}, nil
}

// document is a parsed IssuerSigned structure, before verification.
type document struct {
	wire      issuerSigned
	items     []item
	auth      *cose.Unverified
	mso       securityObject
	deviceKey crypto.PublicKey
	status    *credentials.StatusRef
}

// item is one element with the bytes that its digest covers.
type item struct {
	namespace, element string
	digestID           uint64
	value              credentials.Value
	encoded            cose.EncodedCBOR
}

func parseIssued(raw []byte) (*document, error) {
	var wire issuerSigned
	if err := cose.Unmarshal(raw, &wire); err != nil {
		return nil, wrap(ReasonMalformed, err, "IssuerSigned")
	}
	return readIssued(wire)
}

func readIssued(wire issuerSigned) (*document, error) {
	doc := &document{wire: wire}
	if err := doc.readItems(); err != nil {
		return nil, err
	}
	if err := doc.readAuth(); err != nil {
		return nil, err
	}
	return doc, nil
}

func (d *document) readAuth() error {
	var err error
	if d.auth, err = cose.ParseSign1(d.wire.IssuerAuth); err != nil {
		return wrap(ReasonMalformed, err, "issuerAuth")
	}
	var payload cose.EncodedCBOR
	if err := cose.Unmarshal(d.auth.UnverifiedPayload(), &payload); err != nil {
		return wrap(ReasonMalformed, err, "payload of issuerAuth")
	}
	if err := payload.Decode(&d.mso); err != nil {
		return wrap(ReasonMalformed, err, "MSO")
	}
	if err := d.mso.check(); err != nil {
		return err
	}
	if d.deviceKey, err = cose.ParseKey(d.mso.DeviceKeyInfo.DeviceKey); err != nil {
		return wrap(ReasonDeviceKey, err, "device key of the MSO")
	}
	d.status, err = d.mso.Status.reference()
	return err
}

// readItems decodes the elements and refuses what could be read in two ways:
// an element or a digestID that occurs twice in a namespace.
func (d *document) readItems() error {
	for _, namespace := range slices.Sorted(maps.Keys(d.wire.NameSpaces)) {
		encoded := d.wire.NameSpaces[namespace]
		ids, names := make(map[uint64]bool, len(encoded)), make(map[string]bool, len(encoded))
		for _, e := range encoded {
			it, err := readItem(namespace, e)
			if err != nil {
				return err
			}
			if ids[it.digestID] || names[it.element] {
				return fail(ReasonMalformed, "an element or digestID occurs twice in a namespace")
			}
			ids[it.digestID], names[it.element] = true, true
			d.items = append(d.items, it)
		}
	}
	return nil
}

func readItem(namespace string, encoded cose.EncodedCBOR) (item, error) {
	var wire issuerSignedItem
	if err := encoded.Decode(&wire); err != nil {
		return item{}, wrap(ReasonMalformed, err, "IssuerSignedItem")
	}
	switch {
	case wire.DigestID == nil || *wire.DigestID > maxDigestID:
		return item{}, fail(ReasonMalformed, "digestID is missing or out of range")
	case len(wire.Random) < minRandom:
		return item{}, fail(ReasonMalformed, "random is shorter than %d bytes", minRandom)
	case wire.ElementIdentifier == "" || wire.ElementValue == nil:
		return item{}, fail(ReasonMalformed, "element without name or value")
	}
	value, err := cose.ValueFromCBOR(wire.ElementValue)
	if err != nil {
		return item{}, wrap(ReasonMalformed, err, "element value")
	}
	return item{namespace, wire.ElementIdentifier, *wire.DigestID, value, encoded}, nil
}

// elements returns the claims tree.
func (d *document) elements() credentials.Object {
	out := make(credentials.Object)
	for _, it := range d.items {
		elements, ok := out[it.namespace].(credentials.Object)
		if !ok {
			elements = make(credentials.Object)
			out[it.namespace] = elements
		}
		elements[it.element] = it.value
	}
	return out
}
