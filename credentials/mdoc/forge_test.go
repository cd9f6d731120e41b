package mdoc_test

import (
	"crypto"
	"crypto/sha256"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/cose"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/mdoc"
)

type wireItem struct {
	DigestID *uint64    `cbor:"digestID"`
	Random   cose.Bytes `cbor:"random"`
}

func decodeItems(t testing.TB, raw []byte, namespace string) []wireItem {
	t.Helper()
	var signed struct {
		NameSpaces map[string][]cose.EncodedCBOR `cbor:"nameSpaces"`
	}
	if err := cose.Unmarshal(raw, &signed); err != nil {
		t.Fatal(err)
	}
	out := make([]wireItem, len(signed.NameSpaces[namespace]))
	for i, e := range signed.NameSpaces[namespace] {
		if err := e.Decode(&out[i]); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

type object = map[string]any

// forgery builds a DeviceResponse by hand, properly signed by issuer and
// device, with one deviation. Every hook is optional; without any the response
// is honest.
type forgery struct {
	items     func(items []object) []object     // before digests are taken
	encoded   func(items []any) []any           // as sent, after digests were taken
	mso       func(mso object)                  // before the issuer signs
	payload   func(mso []byte) any              // in place of tag 24 around the MSO
	signer    *keys.Key                         // in place of the world's
	sign      func(payload []byte) any          // in place of issuerAuth
	deviceNS  any                               // in place of the empty map
	device    func(auth object, payload []byte) // deviceAuth
	holder    crypto.Signer                     // in place of the world's
	document  func(document object)             // before it goes into the response
	response  func(response object)             // last
	transform func(encoded []byte) []byte       // on the encoded items, before digests are taken
}

func marshal(t testing.TB, v any) []byte {
	t.Helper()
	data, err := cose.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func tag24(data []byte) cose.Tag { return cose.Tag{Number: 24, Content: data} }

func tdate(t time.Time) cose.TDate { return cose.TDate{Time: t} }

func (f forgery) build(t testing.TB, w *world) []byte {
	t.Helper()
	signed := object{}
	f.buildIssuerPart(t, w, signed)
	document := object{"docType": docType, "issuerSigned": signed, "deviceSigned": f.buildDevicePart(t, w)}
	if f.document != nil {
		f.document(document)
	}
	response := object{"version": "1.0", "documents": []any{document}, "status": 0}
	if f.response != nil {
		f.response(response)
	}
	return marshal(t, response)
}

func (f forgery) buildIssuerPart(t testing.TB, w *world, signed object) {
	t.Helper()
	items := []object{
		{"digestID": 7, "random": make([]byte, 16), "elementIdentifier": "sex", "elementValue": 2},
		{"digestID": 3, "random": make([]byte, 32), "elementIdentifier": "age_over_20", "elementValue": true},
	}
	if f.items != nil {
		items = f.items(items)
	}
	digests := map[any]any{}
	var sent []any
	for _, it := range items {
		encoded := marshal(t, tag24(marshal(t, it)))
		if f.transform != nil {
			encoded = f.transform(encoded)
		}
		digest := sha256.Sum256(encoded)
		digests[it["digestID"]] = digest[:]
		sent = append(sent, cose.RawMessage(encoded))
	}
	if f.encoded != nil {
		sent = f.encoded(sent)
	}
	deviceKey, err := cose.MarshalKey(w.holder.Public())
	if err != nil {
		t.Fatal(err)
	}
	mso := object{
		"version": "1.0", "digestAlgorithm": "SHA-256", "docType": docType,
		"valueDigests":  object{standard: digests},
		"deviceKeyInfo": object{"deviceKey": cose.RawMessage(deviceKey)},
		"validityInfo":  object{"signed": tdate(clock.Add(-time.Hour)), "validFrom": tdate(clock.Add(-time.Hour)), "validUntil": tdate(clock.Add(time.Hour))},
	}
	if f.mso != nil {
		f.mso(mso)
	}
	payload := any(tag24(marshal(t, mso)))
	if f.payload != nil {
		payload = f.payload(marshal(t, mso))
	}
	signed["nameSpaces"] = object{standard: sent}
	signed["issuerAuth"] = f.signIssuer(t, w, marshal(t, payload))
}

func (f forgery) signIssuer(t testing.TB, w *world, payload []byte) any {
	t.Helper()
	if f.sign != nil {
		return f.sign(payload)
	}
	signer := w.signer
	if f.signer != nil {
		signer = f.signer
	}
	auth, err := cose.Sign1(cose.SignOptions{Chain: signer.Chain}, payload, signer.Signer)
	if err != nil {
		t.Fatal(err)
	}
	return cose.RawMessage(auth)
}

func (f forgery) buildDevicePart(t testing.TB, w *world) object {
	t.Helper()
	namespaces := any(object{})
	if f.deviceNS != nil {
		namespaces = f.deviceNS
	}
	encoded := tag24(marshal(t, namespaces))
	transcript, err := mdoc.Transcript(binding())
	if err != nil {
		t.Fatal(err)
	}
	payload := marshal(t, tag24(marshal(t, []any{"DeviceAuthentication", cose.RawMessage(transcript.Bytes()), docType, encoded})))
	holder := crypto.Signer(w.holder)
	if f.holder != nil {
		holder = f.holder
	}
	signature, err := cose.Sign1(cose.SignOptions{Detached: true}, payload, holder)
	if err != nil {
		t.Fatal(err)
	}
	auth := object{"deviceSignature": cose.RawMessage(signature)}
	if f.device != nil {
		f.device(auth, payload)
	}
	return object{"nameSpaces": encoded, "deviceAuth": auth}
}
