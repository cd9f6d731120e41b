package oidfwallet_test

import (
	"crypto/ecdsa"
	"crypto/rand"
	"encoding/json"
	"time"
)

// claims are what everybody here is called.
var claims = [][2]string{{"given_name", "Jean"}, {"family_name", "Dupont"}, {"birth_date", "1980-05-23"}}

// issueSDJWT returns a credential with disclosures in an order that is not that
// of the digests.
func (p *peer) issueSDJWT(holder *ecdsa.PublicKey, edit func(object)) string {
	var digests []any
	disclosures := ""
	for _, c := range claims {
		d := b64.EncodeToString(fine(json.Marshal([]string{rand.Text(), c[0], c[1]})))
		digests = append([]any{b64.EncodeToString(digest([]byte(d)))}, digests...)
		disclosures += d + "~"
	}
	now := time.Now().Truncate(time.Hour)
	payload := object{
		"iss": p.id, "vct": vct, "iat": now.Unix(), "exp": now.Add(14 * 24 * time.Hour).Unix(), "_sd_alg": "sha-256", "_sd": digests,
		"cnf": object{"jwk": jwkOf(holder)},
	}
	if edit != nil {
		edit(payload)
	}
	return sign(p.sd.Signer, object{"typ": "dc+sd-jwt", "x5c": x5c(p.sd)}, payload) + "~" + disclosures
}

func tdate(at time.Time) tagged { return tagged{0, at.UTC().Format("2006-01-02T15:04:05Z")} }

// issueMdoc returns an IssuerSigned structure in base64url.
func (p *peer) issueMdoc(holder *ecdsa.PublicKey) string {
	var items []any
	var digests pairs
	for i, c := range claims {
		random := make([]byte, 32)
		_, _ = rand.Read(random)
		item := embed(pairs{{"digestID", i}, {"random", random}, {"elementIdentifier", c[0]}, {"elementValue", c[1]}})
		items, digests = append(items, item), append(digests, [2]any{i, digest(item)})
	}
	point := fine(holder.Bytes())
	now := time.Now().Truncate(time.Hour)
	mso := embed(pairs{
		{"version", "1.0"}, {"digestAlgorithm", "SHA-256"}, {"docType", doctype}, {"valueDigests", pairs{{namespace, digests}}},
		{"deviceKeyInfo", pairs{{"deviceKey", pairs{{1, 2}, {-1, 1}, {-2, point[1:33]}, {-3, point[33:]}}}}},
		{"validityInfo", pairs{{"signed", tdate(now)}, {"validFrom", tdate(now)}, {"validUntil", tdate(now.Add(14 * 24 * time.Hour))}}},
	})
	protected := cbor(pairs{{1, -7}})
	signature := signRaw(p.doc.Signer, cbor([]any{"Signature1", protected, []byte{}, []byte(mso)}))
	auth := []any{protected, pairs{{33, p.doc.Chain[0].Raw}}, []byte(mso), signature}
	return b64.EncodeToString(cbor(pairs{{"nameSpaces", pairs{{namespace, items}}}, {"issuerAuth", auth}}))
}
