package oidfverifier_test

import (
	"crypto"
	"testing"
	"time"

	"github.com/tegata-id/tegata/internal/e2e/wire"
)

// mdoc is a document with its presentation, for a test to spoil before it is
// signed.
type mdoc struct {
	docType string
	// items are the IssuerSignedItems that are shown, digests what was signed.
	items   []wire.Pairs
	digests wire.Pairs
	mso     wire.Pairs
	// finish changes the MSO when it is complete.
	finish func(mso wire.Pairs) wire.Pairs
	signer crypto.Signer
	chain  any
	// protected and unprotected are the headers of issuerAuth.
	protected, unprotected wire.Pairs
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
	auth     func(signature wire.Encoded) any
	document func(d wire.Pairs) wire.Pairs
	response func(r wire.Pairs) wire.Pairs
	// raw changes the bytes at last.
	raw func([]byte) []byte
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
		items:   []wire.Pairs{wire.Item(0, "given_name", "Jean"), wire.Item(1, "family_name", "Dupont")},
		mso: wire.Pairs{
			{"version", "1.0"}, {"digestAlgorithm", "SHA-256"}, {"docType", mdlDocType},
			{"deviceKeyInfo", wire.Pairs{{"deviceKey", wire.COSEKey(&s.holder.PublicKey)}}},
			{"validityInfo", wire.Pairs{{"signed", wire.TDate(now)}, {"validFrom", wire.TDate(now)}, {"validUntil", wire.TDate(now.Add(14 * 24 * time.Hour))}}},
		},
		signer: s.docSigner.Signer, chain: leaf.Raw, protected: wire.Pairs{{1, -7}}, unprotected: wire.Pairs{{33, leaf.Raw}},
		clientID: r.ClientID, nonce: r.Nonce, responseURI: r.ResponseURI, thumbprint: thumbprint, handover: "OpenID4VPHandover",
		device: s.holder, deviceSpaces: wire.Embed(wire.Pairs{}),
	}
}

// present makes the DeviceResponse in base64url.
func (m *mdoc) present(t testing.TB) string {
	t.Helper()
	var shown []any
	digests := m.digests
	for _, it := range m.items {
		e := wire.Embed(it)
		if m.digests == nil {
			digests = append(digests, [2]any{it[0][1], wire.Digest(e)})
		}
		shown = append(shown, e)
	}
	mso := m.mso.Set("valueDigests", wire.Pairs{{mdlSpace, digests}})
	if m.finish != nil {
		mso = m.finish(mso)
	}
	payload := []byte(wire.Embed(mso))
	issuerAuth := wire.Sign1(m.signer, m.protected, m.unprotected, payload, payload, m.spoilIssuer)

	info := wire.Digest(wire.CBOR([]any{m.clientID, m.nonce, m.thumbprint, m.responseURI}))
	transcript := []any{nil, nil, []any{m.handover, info}}
	authentication := []byte(wire.Embed([]any{"DeviceAuthentication", transcript, m.docType, m.deviceSpaces}))
	signature := wire.Sign1(m.device, wire.Pairs{{1, -7}}, wire.Pairs{}, authentication, m.devicePayload, nil)
	var auth any = wire.Pairs{{"deviceSignature", signature}}
	if m.auth != nil {
		auth = m.auth(signature)
	}
	document := wire.Pairs{
		{"docType", m.docType},
		{"issuerSigned", wire.Pairs{{"nameSpaces", wire.Pairs{{mdlSpace, shown}}}, {"issuerAuth", issuerAuth}}},
		{"deviceSigned", wire.Pairs{{"nameSpaces", m.deviceSpaces}, {"deviceAuth", auth}}},
	}
	if m.document != nil {
		document = m.document(document)
	}
	response := wire.Pairs{{"version", "1.0"}, {"documents", []any{document}}, {"status", 0}}
	if m.response != nil {
		response = m.response(response)
	}
	out := wire.CBOR(response)
	if m.raw != nil {
		out = m.raw(out)
	}
	return wire.B64(out)
}
