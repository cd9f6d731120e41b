package oidfwallet_test

import (
	"crypto/ecdsa"
	"crypto/rand"
	"time"

	"github.com/tegata-id/tegata/internal/e2e/wire"
)

// claims are what everybody here is called.
var claims = [][2]string{{"given_name", "Jean"}, {"family_name", "Dupont"}, {"birth_date", "1980-05-23"}}

// issueSDJWT returns a credential with disclosures in an order that is not that
// of the digests.
func (p *peer) issueSDJWT(holder *ecdsa.PublicKey, edit func(object)) string {
	var digests []any
	disclosures := ""
	for _, c := range claims {
		d := wire.Disclosure(rand.Text(), c[0], c[1])
		digests = append([]any{wire.Hash(d)}, digests...)
		disclosures += d + "~"
	}
	now := time.Now().Truncate(time.Hour)
	payload := object{
		"iss": p.id, "vct": vct, "iat": now.Unix(), "exp": now.Add(14 * 24 * time.Hour).Unix(), "_sd_alg": "sha-256", "_sd": digests,
		"cnf": object{"jwk": wire.JWK(holder)},
	}
	if edit != nil {
		edit(payload)
	}
	return wire.Sign(p.sd.Signer, object{"typ": "dc+sd-jwt", "x5c": wire.X5C(p.sd.Chain)}, payload) + "~" + disclosures
}

// issueMdoc returns an IssuerSigned structure in base64url.
func (p *peer) issueMdoc(holder *ecdsa.PublicKey) string {
	var items []any
	var digests wire.Pairs
	for i, c := range claims {
		item := wire.Embed(wire.Item(i, c[0], c[1]))
		items, digests = append(items, item), append(digests, [2]any{i, wire.Digest(item)})
	}
	now := time.Now().Truncate(time.Hour)
	mso := wire.Embed(wire.Pairs{
		{"version", "1.0"}, {"digestAlgorithm", "SHA-256"}, {"docType", doctype}, {"valueDigests", wire.Pairs{{namespace, digests}}},
		{"deviceKeyInfo", wire.Pairs{{"deviceKey", wire.COSEKey(holder)}}},
		{"validityInfo", wire.Pairs{{"signed", wire.TDate(now)}, {"validFrom", wire.TDate(now)}, {"validUntil", wire.TDate(now.Add(14 * 24 * time.Hour))}}},
	})
	auth := wire.Sign1(p.doc.Signer, wire.Pairs{{1, -7}}, wire.Pairs{{33, p.doc.Chain[0].Raw}}, mso, []byte(mso), nil)
	return wire.B64(wire.CBOR(wire.Pairs{{"nameSpaces", wire.Pairs{{namespace, items}}}, {"issuerAuth", auth}}))
}
