// Package androidtest makes Android devices for tests: a maker's root, the CA
// of one device under it, and attestations of keys with any content. It writes
// key descriptions by itself, so that a mistake in package android is not in
// the tests too.
package androidtest

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"maps"
	"math/big"
	"slices"
	"time"

	"github.com/tegata-id/tegata/credentials/trust/trusttest"
)

// Package and Signer are the app that devices ask for keys.
const Package = "jp.example.wallet"

// Signer is the digest of the certificate that the app is signed with.
var Signer = sha256.Sum256([]byte("the certificate of the app's developer"))

// OID is that of the key description.
var OID = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 1, 17}

// Device certifies its keys.
type Device struct {
	// Root is the maker's, and CA that of the device.
	Root, CA *trusttest.CA
}

// NewDevice makes a device whose certificates begin at notBefore.
func NewDevice(notBefore time.Time) (*Device, error) {
	root, err := trusttest.NewCA(trusttest.CAOptions{Name: "Maker of devices", NotBefore: notBefore})
	if err != nil {
		return nil, err
	}
	ca, err := root.NewIntermediate(trusttest.CAOptions{Name: "One device", NotBefore: notBefore})
	if err != nil {
		return nil, err
	}
	return &Device{root, ca}, nil
}

// Set is the value of an authorization that is a SET OF INTEGER.
type Set []int

// Null is the value of an authorization that is there or not.
type Null struct{}

// Description is what goes into the extension. Authorizations are by tag; their
// values are int, bool, []byte, Set, Null, RootOfTrust or asn1.RawValue.
type Description struct {
	Version, AttestationLevel, KeystoreLevel int
	Challenge                                []byte
	Software, Hardware                       map[int]any
}

// RootOfTrust is what the device started from.
type RootOfTrust struct {
	BootKey  []byte
	Locked   bool
	State    asn1.Enumerated
	BootHash []byte
}

type packageInfo struct {
	Name    []byte
	Version int
}

// ApplicationID returns the value of the authorization of that name.
func ApplicationID(signer []byte, packages ...string) ([]byte, error) {
	id := struct {
		Packages []packageInfo `asn1:"set"`
		Signers  [][]byte      `asn1:"set"`
	}{}
	for _, name := range packages {
		id.Packages = append(id.Packages, packageInfo{[]byte(name), 7})
	}
	if signer != nil {
		id.Signers = [][]byte{signer}
	}
	return asn1.Marshal(id)
}

// Honest returns the description of a key in the trusted environment of a
// locked and verified device, for the app, with a fingerprint.
func Honest(challenge string) (Description, error) {
	app, err := ApplicationID(Signer[:], Package)
	return Description{
		Version: 300, AttestationLevel: 1, KeystoreLevel: 1, Challenge: []byte(challenge),
		Software: map[int]any{701: 1796000400000, 709: app},
		Hardware: map[int]any{
			1: Set{2}, 2: 3, 3: 256, 5: Set{4}, 10: 1, 504: 2, 702: 0,
			704: RootOfTrust{bytes.Repeat([]byte{1}, 32), true, 0, bytes.Repeat([]byte{2}, 32)},
			705: 150000, 706: 202610, 718: 20261005, 719: 20261005,
		},
	}, err
}

// Marshal returns the value of the extension.
func (d Description) Marshal() ([]byte, error) {
	software, err := authorizations(d.Software)
	if err != nil {
		return nil, err
	}
	hardware, err := authorizations(d.Hardware)
	if err != nil {
		return nil, err
	}
	return asn1.Marshal(struct {
		Version       int
		Level         asn1.Enumerated
		Keystore      int
		KeystoreLevel asn1.Enumerated
		Challenge, ID []byte
		Software      asn1.RawValue
		Hardware      asn1.RawValue
	}{
		d.Version, asn1.Enumerated(d.AttestationLevel), d.Version, asn1.Enumerated(d.KeystoreLevel),
		d.Challenge, nil, software, hardware,
	})
}

func authorizations(values map[int]any) (asn1.RawValue, error) {
	list := asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true}
	for _, tag := range slices.Sorted(maps.Keys(values)) {
		inner, err := value(values[tag])
		if err != nil {
			return list, err
		}
		outer, err := asn1.Marshal(asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: tag, IsCompound: true, Bytes: inner})
		if err != nil {
			return list, err
		}
		list.Bytes = append(list.Bytes, outer...)
	}
	return list, nil
}

func value(v any) ([]byte, error) {
	switch v := v.(type) {
	case Null:
		return asn1.NullBytes, nil
	case Set:
		return asn1.MarshalWithParams([]int(v), "set")
	default:
		return asn1.Marshal(v)
	}
}

// Attest certifies a key with a description and returns the chain with the
// root, the certificate of the key first. Edit, if not nil, changes the
// certificate of the key.
func (d *Device) Attest(key crypto.PublicKey, description Description, edit func(*x509.Certificate)) ([]*x509.Certificate, error) {
	extension, err := description.Marshal()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Android Keystore Key"},
		NotBefore: d.CA.Certificate.NotBefore, NotAfter: d.CA.Certificate.NotAfter,
		KeyUsage:        x509.KeyUsageDigitalSignature,
		ExtraExtensions: []pkix.Extension{{Id: OID, Value: extension}},
	}
	if edit != nil {
		edit(template)
	}
	leaf, err := d.CA.Issue(template, key)
	if err != nil {
		return nil, err
	}
	return []*x509.Certificate{leaf, d.CA.Certificate, d.Root.Certificate}, nil
}
