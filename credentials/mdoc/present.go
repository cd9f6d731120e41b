package mdoc

import (
	"crypto"
	"crypto/ecdsa"
	"errors"
	"fmt"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/cose"
)

// deviceResponse is the DeviceResponse of ISO/IEC 18013-5 section 8.3.2.1.2.2.
type deviceResponse struct {
	Version        string           `cbor:"version"`
	Documents      []deviceDocument `cbor:"documents,omitempty"`
	DocumentErrors cose.RawMessage  `cbor:"documentErrors,omitempty"`
	Status         *uint64          `cbor:"status"`
}

type deviceDocument struct {
	DocType      string       `cbor:"docType"`
	IssuerSigned issuerSigned `cbor:"issuerSigned"`
	DeviceSigned deviceSigned `cbor:"deviceSigned"`
}

type deviceSigned struct {
	NameSpaces cose.EncodedCBOR `cbor:"nameSpaces"`
	DeviceAuth deviceAuth       `cbor:"deviceAuth"`
}

type deviceAuth struct {
	DeviceSignature cose.RawMessage `cbor:"deviceSignature,omitempty"`
	DeviceMac       cose.RawMessage `cbor:"deviceMac,omitempty"`
}

// Present returns a DeviceResponse in CBOR with one document, which discloses
// the elements that the paths select and is signed by holder over the binding.
//
// The first two steps of a path name namespace and element; further steps
// disclose the whole element all the same, since the format cannot part it.
// No paths disclose nothing but the doctype and what the MSO says. A path to
// an element that the document lacks is an error, as is a holder key that the
// document is not bound to.
func Present(raw []byte, paths []credentials.Path, b credentials.Binding, holder crypto.Signer) ([]byte, error) {
	doc, err := parseIssued(raw)
	if err != nil {
		return nil, err
	}
	if holder == nil {
		return nil, errors.New("mdoc: present: no holder key")
	}
	if pub, ok := holder.Public().(*ecdsa.PublicKey); !ok || !pub.Equal(doc.deviceKey) {
		return nil, errors.New("mdoc: present: the document is bound to another key")
	}
	transcript, err := Transcript(b)
	if err != nil {
		return nil, err
	}
	selected, err := doc.selectItems(paths)
	if err != nil {
		return nil, err
	}
	signed, err := signDevice(transcript, doc.mso.DocType, holder)
	if err != nil {
		return nil, fmt.Errorf("mdoc: present: %w", err)
	}
	return cose.Marshal(deviceResponse{
		Version: version,
		Documents: []deviceDocument{{
			DocType:      doc.mso.DocType,
			IssuerSigned: issuerSigned{NameSpaces: selected, IssuerAuth: doc.wire.IssuerAuth},
			DeviceSigned: signed,
		}},
		Status: new(uint64),
	})
}

// selectItems returns the items of the selected elements as received and in
// the order of the document.
func (d *document) selectItems(paths []credentials.Path) (map[string][]cose.EncodedCBOR, error) {
	type key struct{ namespace, element string }
	wanted := make(map[key]bool, len(paths))
	for _, p := range paths {
		if len(p) < 2 {
			return nil, fmt.Errorf("mdoc: present: path %s does not name namespace and element", p)
		}
		namespace, ok := p[0].Name()
		element, also := p[1].Name()
		if !ok || !also {
			return nil, fmt.Errorf("mdoc: present: path %s does not name namespace and element", p)
		}
		wanted[key{namespace, element}] = true
	}
	selected := make(map[string][]cose.EncodedCBOR)
	for _, it := range d.items {
		if k := (key{it.namespace, it.element}); wanted[k] {
			selected[it.namespace] = append(selected[it.namespace], it.encoded)
			delete(wanted, k)
		}
	}
	for k := range wanted {
		return nil, fmt.Errorf("mdoc: present: the document has no element %q in %q", k.element, k.namespace)
	}
	return selected, nil
}

// signDevice signs over the session with no elements of the device's own.
func signDevice(t SessionTranscript, docType string, holder crypto.Signer) (deviceSigned, error) {
	namespaces, err := cose.Encode(map[string]any{})
	if err != nil {
		return deviceSigned{}, err
	}
	payload, err := deviceAuthentication(t, docType, namespaces)
	if err != nil {
		return deviceSigned{}, err
	}
	signature, err := cose.Sign1(cose.SignOptions{Detached: true}, payload, holder)
	if err != nil {
		return deviceSigned{}, err
	}
	return deviceSigned{NameSpaces: namespaces, DeviceAuth: deviceAuth{DeviceSignature: signature}}, nil
}
