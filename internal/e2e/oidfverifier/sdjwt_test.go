package oidfverifier_test

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/internal/e2e/wire"
)

// object is a JSON object.
type object = wire.Object

// sdjwt is an SD-JWT VC with its presentation, for a test to spoil before it is
// signed.
type sdjwt struct {
	header, payload object
	// headerJSON replaces the header if it is set.
	headerJSON  string
	payloadJSON string
	disclosures []string
	signer      crypto.Signer
	// kb is the KB-JWT; nil leaves it out.
	kbHeader, kb object
	kbHeaderJSON string
	holder       crypto.Signer
	// spoilJWT and spoilKB change what was signed.
	spoilJWT, spoilKB func(string) string
	// assemble replaces how the parts are put together.
	assemble func(jwt string, disclosures []string, kb string) string
}

// pid returns the credential that the suite presents, for the request.
func (s *suite) pid(t testing.TB, r *request) *sdjwt {
	t.Helper()
	now := time.Now()
	given := wire.Disclosure(rand.Text(), "given_name", "Jean")
	family := wire.Disclosure(rand.Text(), "family_name", "Dupont")
	born := wire.Disclosure(rand.Text(), "birthdate", "1980-05-23")
	return &sdjwt{
		header: object{"alg": "ES256", "typ": "dc+sd-jwt", "x5c": wire.X5C(s.signer.Chain)},
		payload: object{
			"vct": pidVCT, "iss": s.origin, "iat": now.Add(-time.Hour).Unix(), "exp": now.Add(14 * 24 * time.Hour).Unix(),
			"cnf": object{"jwk": wire.JWK(&s.holder.PublicKey)}, "_sd_alg": "sha-256",
			"_sd": []any{wire.Hash(given), wire.Hash(family), wire.Hash(born), wire.Hash("decoy " + rand.Text())},
		},
		disclosures: []string{given, family}, signer: s.signer.Signer,
		kbHeader: object{"alg": "ES256", "typ": "kb+jwt"}, holder: s.holder,
		kb: object{"iat": now.Unix(), "aud": r.ClientID, "nonce": r.Nonce},
	}
}

// sd adds a disclosure to the payload.
func (p *sdjwt) sd(disclosures ...string) {
	for _, d := range disclosures {
		p.payload["_sd"] = append(p.payload["_sd"].([]any), wire.Hash(d))
		p.disclosures = append(p.disclosures, d)
	}
}

// present makes the presentation.
func (p *sdjwt) present(t testing.TB) string {
	t.Helper()
	text := func(o object, raw string) string {
		if raw != "" {
			return raw
		}
		return string(check(json.Marshal(o))(t))
	}
	jwt := wire.SignText(p.signer, text(p.header, p.headerJSON), text(p.payload, p.payloadJSON))
	if p.spoilJWT != nil {
		jwt = p.spoilJWT(jwt)
	}
	presented := strings.Join(append([]string{jwt}, p.disclosures...), "~") + "~"
	kb := ""
	if p.kb != nil {
		if _, ok := p.kb["sd_hash"]; !ok {
			p.kb["sd_hash"] = wire.Hash(presented)
		}
		kb = wire.SignText(p.holder, text(p.kbHeader, p.kbHeaderJSON), text(p.kb, ""))
		if p.spoilKB != nil {
			kb = p.spoilKB(kb)
		}
	}
	if p.assemble != nil {
		return p.assemble(jwt, p.disclosures, kb)
	}
	return presented + kb
}

func certOf(key *keys.Key) *x509.Certificate { return key.Leaf() }
