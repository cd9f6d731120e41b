package oidfverifier_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/keys"
)

type object = map[string]any

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

// rawSign signs with ES256.
func rawSign(t testing.TB, header, payload string, key crypto.Signer) string {
	t.Helper()
	input := b64([]byte(header)) + "." + b64([]byte(payload))
	digest := sha256.Sum256([]byte(input))
	return input + "." + b64(fixed(t, check(key.Sign(rand.Reader, digest[:], crypto.SHA256))(t)))
}

// fixed turns a signature in DER into r and s of 32 bytes each.
func fixed(t testing.TB, der []byte) []byte {
	t.Helper()
	var sig struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &sig); err != nil {
		t.Fatal(err)
	}
	return append(sig.R.FillBytes(make([]byte, 32)), sig.S.FillBytes(make([]byte, 32))...)
}

func chainOf(key *keys.Key) []string {
	var out []string
	for _, c := range key.Chain {
		out = append(out, base64.StdEncoding.EncodeToString(c.Raw))
	}
	return out
}

func jwkOf(key *ecdsa.PublicKey) object {
	point, err := key.ECDH()
	if err != nil {
		panic(err)
	}
	return object{"kty": "EC", "crv": "P-256", "x": b64(point.Bytes()[1:33]), "y": b64(point.Bytes()[33:])}
}

func disclosure(t testing.TB, members ...any) string {
	t.Helper()
	return b64(check(json.Marshal(members))(t))
}

func digestOf(disclosure string) string {
	sum := sha256.Sum256([]byte(disclosure))
	return b64(sum[:])
}

// pid returns the credential that the suite presents, for the request.
func (s *suite) pid(t testing.TB, r *request) *sdjwt {
	t.Helper()
	now := time.Now()
	given := disclosure(t, rand.Text(), "given_name", "Jean")
	family := disclosure(t, rand.Text(), "family_name", "Dupont")
	born := disclosure(t, rand.Text(), "birthdate", "1980-05-23")
	return &sdjwt{
		header: object{"alg": "ES256", "typ": "dc+sd-jwt", "x5c": chainOf(s.signer)},
		payload: object{
			"vct": pidVCT, "iss": s.origin, "iat": now.Add(-time.Hour).Unix(), "exp": now.Add(14 * 24 * time.Hour).Unix(),
			"cnf": object{"jwk": jwkOf(&s.holder.PublicKey)}, "_sd_alg": "sha-256",
			"_sd": []any{digestOf(given), digestOf(family), digestOf(born), digestOf("decoy " + rand.Text())},
		},
		disclosures: []string{given, family}, signer: s.signer.Signer,
		kbHeader: object{"alg": "ES256", "typ": "kb+jwt"}, holder: s.holder,
		kb: object{"iat": now.Unix(), "aud": r.ClientID, "nonce": r.Nonce},
	}
}

// sd adds a disclosure to the payload.
func (p *sdjwt) sd(disclosures ...string) {
	for _, d := range disclosures {
		p.payload["_sd"] = append(p.payload["_sd"].([]any), digestOf(d))
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
	jwt := rawSign(t, text(p.header, p.headerJSON), text(p.payload, p.payloadJSON), p.signer)
	if p.spoilJWT != nil {
		jwt = p.spoilJWT(jwt)
	}
	presented := strings.Join(append([]string{jwt}, p.disclosures...), "~") + "~"
	kb := ""
	if p.kb != nil {
		if _, ok := p.kb["sd_hash"]; !ok {
			p.kb["sd_hash"] = digestOf(presented)
		}
		kb = rawSign(t, text(p.kbHeader, p.kbHeaderJSON), text(p.kb, ""), p.holder)
		if p.spoilKB != nil {
			kb = p.spoilKB(kb)
		}
	}
	if p.assemble != nil {
		return p.assemble(jwt, p.disclosures, kb)
	}
	return presented + kb
}

// flip changes the first bit of the signature, which is in a byte of its own.
func flip(jws string) string {
	at := strings.LastIndexByte(jws, '.') + 1
	c := byte('A')
	if jws[at] == 'A' {
		c = 'B'
	}
	return jws[:at] + string(c) + jws[at+1:]
}

func certOf(key *keys.Key) *x509.Certificate { return key.Leaf() }
