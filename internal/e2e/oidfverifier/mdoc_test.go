package oidfverifier_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"testing"
	"time"
)

// The values that cbor encodes beside the usual ones.
type (
	// pairs is a map in an order of its own, in which keys may stand twice.
	pairs [][2]any
	// tagged is a value under a tag.
	tagged struct {
		number uint64
		value  any
	}
	// encoded is CBOR already.
	encoded []byte
)

// cborHead writes major type and argument in the shortest form.
func cborHead(major byte, n uint64) []byte {
	switch {
	case n < 24:
		return []byte{major<<5 | byte(n)}
	case n < 1<<8:
		return []byte{major<<5 | 24, byte(n)}
	case n < 1<<16:
		return binary.BigEndian.AppendUint16([]byte{major<<5 | 25}, uint16(n))
	case n < 1<<32:
		return binary.BigEndian.AppendUint32([]byte{major<<5 | 26}, uint32(n))
	}
	return binary.BigEndian.AppendUint64([]byte{major<<5 | 27}, n)
}

func cbor(v any) []byte {
	switch v := v.(type) {
	case nil:
		return []byte{0xf6}
	case bool:
		if v {
			return []byte{0xf5}
		}
		return []byte{0xf4}
	case int:
		if v < 0 {
			return cborHead(1, uint64(-1-v))
		}
		return cborHead(0, uint64(v))
	case string:
		return append(cborHead(3, uint64(len(v))), v...)
	case []byte:
		return append(cborHead(2, uint64(len(v))), v...)
	case encoded:
		return v
	case tagged:
		return append(cborHead(6, v.number), cbor(v.value)...)
	case []any:
		out := cborHead(4, uint64(len(v)))
		for _, item := range v {
			out = append(out, cbor(item)...)
		}
		return out
	case pairs:
		out := cborHead(5, uint64(len(v)))
		for _, pair := range v {
			out = append(append(out, cbor(pair[0])...), cbor(pair[1])...)
		}
		return out
	}
	panic(fmt.Sprintf("no CBOR for %T", v))
}

// embed is CBOR in a byte string under tag 24.
func embed(v any) encoded { return cbor(tagged{24, cbor(v)}) }

// set returns the map with another value for a key, or without it.
func (p pairs) set(key, value any) pairs {
	var out pairs
	found := false
	for _, pair := range p {
		if pair[0] == key {
			found = true
			if value == nil {
				continue
			}
			pair[1] = value
		}
		out = append(out, pair)
	}
	if !found && value != nil {
		out = append(out, [2]any{key, value})
	}
	return out
}

// mdoc is a document with its presentation, for a test to spoil before it is
// signed.
type mdoc struct {
	docType string
	// items are the IssuerSignedItems that are shown, digests what was signed.
	items   []pairs
	digests pairs
	mso     pairs
	// finish changes the MSO when it is complete.
	finish func(mso pairs) pairs
	signer crypto.Signer
	chain  any
	// protected and unprotected are the headers of issuerAuth.
	protected, unprotected pairs
	spoilIssuer            func(signature []byte) []byte
	// The session that the device signs for.
	clientID, nonce, responseURI string
	thumbprint                   any
	handover                     string
	device                       crypto.Signer
	deviceSpaces                 any
	devicePayload                any
	// auth replaces the device authentication, document and response what is
	// around it.
	auth     func(signature encoded) any
	document func(d pairs) pairs
	response func(r pairs) pairs
	// raw changes the bytes at last.
	raw func([]byte) []byte
}

func tdate(at time.Time) tagged { return tagged{0, at.UTC().Format("2006-01-02T15:04:05Z")} }

func item(id int, name string, value any) pairs {
	random := make([]byte, 32)
	_, _ = rand.Read(random)
	return pairs{{"digestID", id}, {"random", random}, {"elementIdentifier", name}, {"elementValue", value}}
}

func coseKey(key *ecdsa.PublicKey) pairs {
	point, err := key.ECDH()
	if err != nil {
		panic(err)
	}
	return pairs{{1, 2}, {-1, 1}, {-2, point.Bytes()[1:33]}, {-3, point.Bytes()[33:]}}
}

// mdl returns the document that is presented, for the request.
func (s *suite) mdl(t testing.TB, r *request) *mdoc {
	t.Helper()
	now := time.Now().Add(-time.Hour)
	leaf := certOf(s.docSigner)
	var thumbprint any
	if sum := r.thumbprint(); sum != nil {
		thumbprint = sum
	}
	return &mdoc{
		docType: mdlDocType,
		items:   []pairs{item(0, "given_name", "Jean"), item(1, "family_name", "Dupont")},
		mso: pairs{
			{"version", "1.0"}, {"digestAlgorithm", "SHA-256"}, {"docType", mdlDocType},
			{"deviceKeyInfo", pairs{{"deviceKey", coseKey(&s.holder.PublicKey)}}},
			{"validityInfo", pairs{{"signed", tdate(now)}, {"validFrom", tdate(now)}, {"validUntil", tdate(now.Add(14 * 24 * time.Hour))}}},
		},
		signer: s.docSigner.Signer, chain: leaf.Raw, protected: pairs{{1, -7}}, unprotected: pairs{{33, leaf.Raw}},
		clientID: r.ClientID, nonce: r.Nonce, responseURI: r.ResponseURI, thumbprint: thumbprint, handover: "OpenID4VPHandover",
		device: s.holder, deviceSpaces: embed(pairs{}),
	}
}

// sign1 is a COSE_Sign1 over a payload, which it holds or not.
func sign1(t testing.TB, key crypto.Signer, protected, unprotected pairs, payload []byte, held any, spoil func([]byte) []byte) encoded {
	t.Helper()
	header := cbor(protected)
	digest := sha256.Sum256(cbor([]any{"Signature1", header, []byte{}, payload}))
	signature := fixed(t, check(key.Sign(rand.Reader, digest[:], crypto.SHA256))(t))
	if spoil != nil {
		signature = spoil(signature)
	}
	return cbor([]any{header, unprotected, held, signature})
}

// present makes the DeviceResponse in base64url.
func (m *mdoc) present(t testing.TB) string {
	t.Helper()
	var shown []any
	digests := m.digests
	for _, it := range m.items {
		e := embed(it)
		sum := sha256.Sum256(e)
		if m.digests == nil {
			digests = append(digests, [2]any{it[0][1], sum[:]})
		}
		shown = append(shown, e)
	}
	mso := m.mso.set("valueDigests", pairs{{mdlSpace, digests}})
	if m.finish != nil {
		mso = m.finish(mso)
	}
	payload := []byte(embed(mso))
	issuerAuth := sign1(t, m.signer, m.protected, m.unprotected, payload, payload, m.spoilIssuer)

	info := sha256.Sum256(cbor([]any{m.clientID, m.nonce, m.thumbprint, m.responseURI}))
	transcript := []any{nil, nil, []any{m.handover, info[:]}}
	authentication := []byte(embed([]any{"DeviceAuthentication", transcript, m.docType, m.deviceSpaces}))
	signature := sign1(t, m.device, pairs{{1, -7}}, pairs{}, authentication, m.devicePayload, nil)
	var auth any = pairs{{"deviceSignature", signature}}
	if m.auth != nil {
		auth = m.auth(signature)
	}
	document := pairs{
		{"docType", m.docType},
		{"issuerSigned", pairs{{"nameSpaces", pairs{{mdlSpace, shown}}}, {"issuerAuth", issuerAuth}}},
		{"deviceSigned", pairs{{"nameSpaces", m.deviceSpaces}, {"deviceAuth", auth}}},
	}
	if m.document != nil {
		document = m.document(document)
	}
	response := pairs{{"version", "1.0"}, {"documents", []any{document}}, {"status", 0}}
	if m.response != nil {
		response = m.response(response)
	}
	out := cbor(response)
	if m.raw != nil {
		out = m.raw(out)
	}
	return b64(out)
}
