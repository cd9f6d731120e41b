package oidfverifier_test

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/internal/e2e/wire"
)

func withoutUsage(c *x509.Certificate) {
	c.ExtKeyUsage, c.UnknownExtKeyUsage, c.ExtraExtensions = nil, nil, withoutEKU(c)
}

// TestNegSDJWT holds the rules of RFC 9901 and of SD-JWT VC.
func TestNegSDJWT(t *testing.T) {
	t.Parallel()
	s := newSuite(t, "")
	d := func(members ...any) string { return wire.Disclosure(append([]any{rand.Text()}, members...)...) }
	raw := func(text string) string { return wire.B64([]byte(text)) }
	add := func(disclosures ...string) func(p *sdjwt) { return func(p *sdjwt) { p.sd(disclosures...) } }
	nick := d("nickname", "J")
	good := add(nick)
	inner := d("inner", 1)
	element := d("element")
	deep := func(levels int) func(p *sdjwt) {
		return func(p *sdjwt) {
			last := d("x", 1)
			p.disclosures = append(p.disclosures, last)
			for range levels {
				last = d("x", object{"_sd": []any{wire.Hash(last)}})
				p.disclosures = append(p.disclosures, last)
			}
			p.payload["_sd"] = append(p.payload["_sd"].([]any), wire.Hash(last))
		}
	}
	set := func(name string, value any) func(p *sdjwt) { return func(p *sdjwt) { p.payload[name] = value } }
	joined := func(between, end string) func(p *sdjwt) {
		return func(p *sdjwt) {
			p.assemble = func(jwt string, d []string, kb string) string {
				return jwt + between + strings.Join(d, between) + end + kb
			}
		}
	}
	s.tryFaults(t, []fault{
		{name: "S01 digest twice in one place", baseSD: good, spoilSD: func(p *sdjwt) { p.payload["_sd"] = append(p.payload["_sd"].([]any), wire.Hash(nick)) }},
		{name: "S01 digest twice in two objects", baseSD: good, spoilSD: set("other", object{"_sd": []any{wire.Hash(nick)}})},
		{name: "S01 decoy twice", spoilSD: func(p *sdjwt) { p.payload["_sd"] = append(p.payload["_sd"].([]any), p.payload["_sd"].([]any)[3]) }},
		{name: "S01 digest in the payload and in a disclosure", baseSD: good, spoilSD: add(d("outer", object{"_sd": []any{wire.Hash(nick)}}))},
		{name: "S01 digest in an array and in an object", baseSD: good, spoilSD: set("list", []any{object{"...": wire.Hash(nick)}})},
		{name: "S02 disclosure that nothing refers to", baseSD: good, spoilSD: func(p *sdjwt) { p.disclosures = append(p.disclosures, d("stray", 1)) }},
		{name: "S02 disclosure whose parent is kept back", baseSD: add(inner, d("outer", object{"_sd": []any{wire.Hash(d("other", 1))}})), spoilSD: func(p *sdjwt) {
			hidden := d("leaf", 1)
			parent := d("parent", object{"_sd": []any{wire.Hash(hidden)}})
			p.payload["_sd"] = append(p.payload["_sd"].([]any), wire.Hash(parent))
			p.disclosures = append(p.disclosures, hidden)
		}},
		{name: "S02 disclosure twice", baseSD: good, spoilSD: func(p *sdjwt) { p.disclosures = append(p.disclosures, nick) }},
		{name: "S03 claim named _sd", baseSD: good, spoilSD: add(d("_sd", []any{}))},
		{name: "S03 claim named ...", baseSD: good, spoilSD: add(d("...", "x"))},
		{name: "S04 claim that is there already", baseSD: good, spoilSD: add(d("vct", pidVCT))},
		{name: "S04 two claims of one name", baseSD: good, spoilSD: add(d("nickname", "K"))},
		{name: "S05 two elements for a claim", baseSD: good, spoilSD: add(wire.Disclosure(rand.Text(), "value"))},
		{name: "S05 three elements for an array", baseSD: func(p *sdjwt) {
			p.payload["list"] = []any{object{"...": wire.Hash(element)}}
			p.disclosures = append(p.disclosures, element)
		}, spoilSD: func(p *sdjwt) {
			p.disclosures[2] = d("a", "b")
			p.payload["list"] = []any{object{"...": wire.Hash(p.disclosures[2])}}
		}},
		{name: "S05 no elements", baseSD: good, spoilSD: add(raw(`[]`))},
		{name: "S05 one element", baseSD: good, spoilSD: add(raw(`["salt"]`))},
		{name: "S05 four elements", baseSD: good, spoilSD: add(raw(`["salt","a",1,2]`))},
		{name: "S05 no array", baseSD: good, spoilSD: add(raw(`{"salt":"a"}`))},
		{name: "S05 salt is a number", baseSD: good, spoilSD: add(raw(`[1,"a",2]`))},
		{name: "S05 name is a number", baseSD: good, spoilSD: add(raw(`["salt",1,2]`))},
		{name: "S06 further key beside ...", baseSD: set("list", []any{object{"...": wire.Hash("decoy")}}), spoilSD: set("list", []any{object{"...": wire.Hash("decoy"), "x": 1}})},
		{name: "S06 ... is a number", baseSD: set("list", []any{object{"...": wire.Hash("decoy")}}), spoilSD: set("list", []any{object{"...": 1}})},
		{name: "S06 _sd is a text", baseSD: set("o", object{"_sd": []any{}}), spoilSD: set("o", object{"_sd": "x"})},
		{name: "S06 _sd holds a number", baseSD: set("o", object{"_sd": []any{}}), spoilSD: set("o", object{"_sd": []any{1}})},
		{name: "S06 _sd_alg within", baseSD: set("o", object{"a": 1}), spoilSD: set("o", object{"_sd_alg": "sha-256"})},
		{name: "S06 sha-1", spoilSD: set("_sd_alg", "sha-1")},
		{name: "S07 deep", baseSD: deep(4), spoilSD: deep(40)},
		{name: "S07 many", baseSD: good, spoilSD: func(p *sdjwt) {
			for range 2000 {
				p.sd(d(rand.Text(), 1))
			}
		}},
		{name: "S08 exp in a disclosure", spoilSD: func(p *sdjwt) {
			exp := p.payload["exp"]
			delete(p.payload, "exp")
			p.sd(d("exp", exp))
		}},
		{name: "S08 cnf in a disclosure", spoilSD: func(p *sdjwt) {
			cnf := p.payload["cnf"]
			delete(p.payload, "cnf")
			p.sd(d("cnf", cnf))
		}},
		{name: "S08 status in a disclosure", spoilSD: add(d("status", object{}))},
		{name: "S08 neither exp nor status", spoilSD: func(p *sdjwt) { delete(p.payload, "exp") }},
		{name: "S09 no tilde at the end", spoilSD: func(p *sdjwt) {
			p.assemble = func(jwt string, d []string, _ string) string { return jwt + "~" + strings.Join(d, "~") }
		}},
		{name: "S09 the JWT alone", spoilSD: func(p *sdjwt) { p.assemble = func(jwt string, _ []string, _ string) string { return jwt } }},
		{name: "S09 empty part", baseSD: joined("~", "~"), spoilSD: joined("~~", "~")},
		{name: "S09 two KB-JWTs", spoilSD: func(p *sdjwt) {
			p.assemble = func(jwt string, d []string, kb string) string {
				return jwt + "~" + strings.Join(d, "~") + "~" + kb + "~" + kb
			}
		}},
		{name: "S10 padding", baseSD: add(raw(`["salt","ab",1]`)), spoilSD: func(p *sdjwt) { p.disclosures[2] += "=" }},
		{name: "S10 line feed", baseSD: good, spoilSD: func(p *sdjwt) { p.disclosures[2] += "\n" }},
		{name: "S10 trailing bits", baseSD: add(raw(`["salt","a",1]`)), spoilSD: add(raw(`["salt","b",12]`)[:18] + "9")},
		{name: "S10 no UTF-8", baseSD: good, spoilSD: add(raw("[\"salt\",\"a\",\"\xff\"]"))},
		{name: "S10 lone surrogate", baseSD: good, spoilSD: add(raw(`["salt","a","\ud800"]`))},
		{name: "S10 key twice", baseSD: good, spoilSD: add(raw(`["salt","a",{"b":1,"b":2}]`))},
		{name: "S10 huge number", baseSD: good, spoilSD: add(raw(`["salt","a",1e400]`))},
		{name: "S10 byte order mark", baseSD: good, spoilSD: add(raw("\xef\xbb\xbf" + `["salt","a",1]`))},
		{name: "S11 JSON serialization", spoilSD: func(p *sdjwt) {
			p.assemble = func(jwt string, d []string, kb string) string {
				parts := strings.Split(jwt, ".")
				return string(check(json.Marshal(object{"protected": parts[0], "payload": parts[1], "signature": parts[2], "header": object{"disclosures": d, "kb_jwt": kb}}))(t))
			}
		}},
		{name: "S12 typ", spoilSD: func(p *sdjwt) { p.header["typ"] = "vc+sd-jwt" }},
		{name: "S12 no vct", spoilSD: func(p *sdjwt) { delete(p.payload, "vct") }},
		{name: "S12 vct is a number", spoilSD: set("vct", 1)},
	})
}

// TestNegJOSE holds the rules for the signatures of SD-JWT VCs and KB-JWTs.
func TestNegJOSE(t *testing.T) {
	t.Parallel()
	s := newSuite(t, "")
	h := func(name string, value any) func(p *sdjwt) { return func(p *sdjwt) { p.header[name] = value } }
	k := func(name string, value any) func(p *sdjwt) { return func(p *sdjwt) { p.kbHeader[name] = value } }
	headerJSON := func(extra string) func(p *sdjwt) {
		return func(p *sdjwt) {
			p.headerJSON = strings.Replace(string(check(json.Marshal(p.header))(t)), "{", "{"+extra+",", 1)
		}
	}
	signature := func(change func(sig []byte) []byte) func(p *sdjwt) {
		return func(p *sdjwt) {
			p.spoilJWT = func(jwt string) string {
				at := strings.LastIndexByte(jwt, '.') + 1
				return jwt[:at] + wire.B64(change(unb64(t, jwt[at:])))
			}
		}
	}
	leaf := s.signer.Leaf()
	times := func(value any) func(p *sdjwt) { return func(p *sdjwt) { p.payload["exp"] = value } }
	exp := time.Now().Add(time.Hour).Unix()
	faults := []fault{
		{name: "J01 none in another spelling", spoilSD: func(p *sdjwt) { p.header["alg"], p.spoilJWT = "nOnE", noneAlg }},
		{name: "J01 empty signature", spoilSD: func(p *sdjwt) { p.spoilJWT = noneAlg }},
		{name: "J01 no alg", spoilSD: func(p *sdjwt) { delete(p.header, "alg") }},
		{name: "J01 alg is a list", spoilSD: h("alg", []string{"ES256"})},
		{name: "J02 HS256", spoilSD: h("alg", "HS256")},
		{name: "J03 DER", spoilSD: signature(func(sig []byte) []byte { return append([]byte{0x30, 0x44, 2, 0x20}, sig...) })},
		{name: "J03 too short", spoilSD: signature(func(sig []byte) []byte { return sig[:63] })},
		{name: "J03 zeros", spoilSD: signature(func([]byte) []byte { return make([]byte, 64) })},
		{name: "J04 ES384 for a key on P-256", spoilSD: h("alg", "ES384")},
		{name: "J05 jwk of a stranger", spoilSD: func(p *sdjwt) {
			key := wire.NewKey()
			p.signer, p.header["jwk"] = key, wire.JWK(&key.PublicKey)
			delete(p.header, "x5c")
		}},
		{name: "J05 jwk beside x5c", spoilSD: func(p *sdjwt) {
			key := wire.NewKey()
			p.signer, p.header["jwk"] = key, wire.JWK(&key.PublicKey)
		}},
		{name: "J05 jku", spoilSD: func(p *sdjwt) {
			p.header["jku"] = s.lists.URL + "/keys"
			delete(p.header, "x5c")
		}},
		{name: "J05 x5u", spoilSD: func(p *sdjwt) {
			p.header["x5u"] = s.lists.URL + "/chain"
			delete(p.header, "x5c")
		}},
		{name: "J06 anchor in x5c", spoilSD: func(p *sdjwt) {
			p.header["x5c"] = append(wire.X5C(s.signer.Chain), base64.StdEncoding.EncodeToString(s.ca.Certificate.Raw))
		}},
		{name: "J06 certificate of another key", spoilSD: h("x5c", wire.X5C(s.statusSigner.Chain))},
		{name: "J06 a hundred certificates", spoilSD: func(p *sdjwt) {
			var chain []string
			for range 100 {
				chain = append(chain, wire.X5C(s.signer.Chain)...)
			}
			p.header["x5c"] = chain
		}},
		{name: "J06 PEM", spoilSD: h("x5c", []string{string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.Raw}))})},
		{name: "J06 base64url", spoilSD: h("x5c", []string{wire.B64(leaf.Raw)})},
		{name: "J06 empty", spoilSD: h("x5c", []string{})},
		{name: "J07 unknown crit", spoilSD: func(p *sdjwt) { p.header["crit"], p.header["x"] = []string{"x"}, 1 }},
		{name: "J07 empty crit", spoilSD: h("crit", []string{})},
		{name: "J07 crit names alg", spoilSD: h("crit", []string{"alg"})},
		{name: "J07 b64", spoilSD: func(p *sdjwt) { p.header["b64"], p.header["crit"] = false, []string{"b64"} }},
		{name: "J08 member twice", spoilSD: headerJSON(`"alg":"ES256"`)},
		{name: "J08 other case beside it", baseSD: headerJSON(`"x":"y"`), spoilSD: headerJSON(`"alg":"none","ALG":"ES256"`)},
		{name: "J08 no object", spoilSD: func(p *sdjwt) { p.headerJSON = `["ES256"]` }},
		{name: "J08 huge", spoilSD: h("x", strings.Repeat("x", 200<<10))},
		{name: "J09 exp is a text", baseSD: times(exp), spoilSD: times(fmt.Sprint(exp))},
		{name: "J09 exp with a fraction", baseSD: times(exp), spoilSD: times(float64(exp) + 0.5)},
		{name: "J09 exp is negative", baseSD: times(exp), spoilSD: times(-1)},
		{name: "J09 exp is huge", baseSD: times(exp), spoilSD: times(uint64(1) << 63)},
		{name: "J09 iat of the KB-JWT is a text", spoilSD: func(p *sdjwt) { p.kb["iat"] = fmt.Sprint(p.kb["iat"]) }},
		{name: "J08 a member of the KB-JWT's header twice", spoilSD: func(p *sdjwt) { p.kbHeaderJSON = `{"alg":"ES256","alg":"ES256","typ":"kb+jwt"}` }},
		{name: "J07 crit in the KB-JWT", spoilSD: k("crit", []string{"exp"})},
		{name: "J05 jwk in the KB-JWT", spoilSD: func(p *sdjwt) {
			key := wire.NewKey()
			p.holder, p.kbHeader["jwk"] = key, wire.JWK(&key.PublicKey)
		}},
	}
	// J08: a token of any other type in the place of a credential or KB-JWT.
	for _, typ := range []string{
		"openid4vci-proof+jwt", "dpop+jwt", "oauth-client-attestation+jwt", "oauth-client-attestation-pop+jwt", "key-attestation+jwt",
		"oauth-authz-req+jwt", "statuslist+jwt", "at+jwt", "JWT", "",
	} {
		faults = append(faults,
			fault{name: "J08 credential with typ " + typ, spoilSD: h("typ", typ)},
			fault{name: "J08 KB-JWT with typ " + typ, spoilSD: k("typ", typ)})
	}
	faults = append(faults, fault{name: "J08 credential with typ kb+jwt", spoilSD: h("typ", "kb+jwt")}, fault{name: "J08 KB-JWT with typ dc+sd-jwt", spoilSD: k("typ", "dc+sd-jwt")})
	s.tryFaults(t, faults)
}

// TestNegCBOR holds the rules for DeviceResponses.
func TestNegCBOR(t *testing.T) {
	t.Parallel()
	s := newSuite(t, "")
	response := func(change func(r wire.Pairs) wire.Pairs) func(m *mdoc) { return func(m *mdoc) { m.response = change } }
	document := func(change func(d wire.Pairs) wire.Pairs) func(m *mdoc) { return func(m *mdoc) { m.document = change } }
	mso := func(name string, value any) func(m *mdoc) { return func(m *mdoc) { m.mso = m.mso.Set(name, value) } }
	with := func(value any) func(m *mdoc) {
		return func(m *mdoc) { m.items = append(m.items, wire.Item(2, "note", value)) }
	}
	raw := func(change func(b []byte) []byte) func(m *mdoc) { return func(m *mdoc) { m.raw = change } }
	nested := func(depth int) wire.Encoded {
		out := []byte{0}
		for range depth {
			out = append([]byte{0x81}, out...)
		}
		return out
	}
	now := time.Now()
	validity := func(signed, from, until time.Duration) any {
		return wire.Pairs{{"signed", wire.TDate(now.Add(signed))}, {"validFrom", wire.TDate(now.Add(from))}, {"validUntil", wire.TDate(now.Add(until))}}
	}
	good := with("x")
	s.tryFaults(t, []fault{
		{name: "C01 text key twice", spoilDoc: response(func(r wire.Pairs) wire.Pairs { return append(r, [2]any{"status", 0}) })},
		{name: "C01 text key twice in embedded CBOR", spoilDoc: func(m *mdoc) { m.finish = func(p wire.Pairs) wire.Pairs { return append(p, [2]any{"version", "1.0"}) } }},
		{name: "C01 integer key twice", spoilDoc: func(m *mdoc) { m.protected = append(m.protected, [2]any{1, -7}) }},
		{name: "C01 key twice in an element", baseDoc: with(wire.Pairs{{"a", 1}}), spoilDoc: with(wire.Pairs{{"a", 1}, {"a", 2}})},
		{name: "C02 indefinite map", baseDoc: with(wire.Pairs{}), spoilDoc: with(wire.Encoded{0xbf, 0xff})},
		{name: "C02 indefinite array", baseDoc: with([]any{}), spoilDoc: with(wire.Encoded{0x9f, 0xff})},
		{name: "C02 indefinite text", baseDoc: good, spoilDoc: with(wire.Encoded{0x7f, 0x61, 'x', 0xff})},
		{name: "C02 indefinite bytes", baseDoc: good, spoilDoc: with(wire.Encoded{0x5f, 0x41, 'x', 0xff})},
		{name: "C03 depth", baseDoc: with(nested(3)), spoilDoc: with(nested(33))},
		{name: "C03 tags", baseDoc: good, spoilDoc: func(m *mdoc) {
			out := wire.Encoded{0}
			for range 40 {
				out = append(wire.Encoded{0xc6}, out...)
			}
			with(out)(m)
		}},
		{name: "C04 length of 2^32", baseDoc: good, spoilDoc: with(wire.Encoded{0x5b, 0, 0, 0, 1, 0, 0, 0, 0})},
		{name: "C04 length of 2^64-1", baseDoc: good, spoilDoc: with(wire.Encoded{0x9b, 255, 255, 255, 255, 255, 255, 255, 255})},
		{name: "C04 cut short", spoilDoc: raw(func(b []byte) []byte { return b[:len(b)-1] })},
		{name: "C04 trailing byte", spoilDoc: raw(func(b []byte) []byte { return append(b, 0) })},
		{name: "C04 reserved information", baseDoc: good, spoilDoc: with(wire.Encoded{0x1c})},
		{name: "C04 lone break", baseDoc: good, spoilDoc: with(wire.Encoded{0xff})},
		{name: "C04 simple value in two bytes", baseDoc: good, spoilDoc: with(wire.Encoded{0xf8, 0x14})},
		{name: "C05 element is not what was signed", baseDoc: good, spoilDoc: func(m *mdoc) {
			m.raw = func(b []byte) []byte { return []byte(strings.Replace(string(b), "dJean", "dJeam", 1)) }
		}, reason: "issuer_signature"},
		{name: "C06 element without tag 24", spoilDoc: document(func(d wire.Pairs) wire.Pairs {
			issued := d[1][1].(wire.Pairs)
			return d.Set("issuerSigned", issued.Set("nameSpaces", wire.Pairs{{mdlSpace, []any{wire.CBOR(wire.Item(0, "given_name", "Jean"))}}}))
		})},
		{name: "C06 tdate is no text", spoilDoc: mso("validityInfo", wire.Pairs{{"signed", wire.Tag(0, 1)}, {"validFrom", wire.TDate(now)}, {"validUntil", wire.TDate(now.Add(time.Hour))}})},
		{name: "C06 tdate with a fraction", baseDoc: mso("validityInfo", validity(-time.Hour, -time.Hour, time.Hour)), spoilDoc: mso("validityInfo", wire.Pairs{{"signed", wire.Tag(0, now.Add(-time.Hour).UTC().Format("2006-01-02T15:04:05.5Z"))}, {"validFrom", wire.TDate(now.Add(-time.Minute))}, {"validUntil", wire.TDate(now.Add(time.Hour))}})},
		{name: "C06 full-date that no calendar has", baseDoc: with(wire.Tag(1004, "2024-02-29")), spoilDoc: with(wire.Tag(1004, "2023-02-29"))},
		{name: "C06 bignum", baseDoc: good, spoilDoc: with(wire.Tag(2, make([]byte, 16)))},
		{name: "C07 other case", spoilDoc: response(func(r wire.Pairs) wire.Pairs { return append(r[1:], [2]any{"Version", "1.0"}) })},
		{name: "C07 bytes from an array", spoilDoc: func(m *mdoc) { m.unprotected = wire.Pairs{{33, []any{[]any{1, 2}}}} }},
		{name: "C07 digestID is negative", spoilDoc: func(m *mdoc) { m.items[0][0][1] = -1 }},
		{name: "C07 digestID is huge", spoilDoc: func(m *mdoc) { m.items[0][0][1] = 1 << 32 }},
		{name: "C07 digestID twice", spoilDoc: func(m *mdoc) { m.items[1][0][1] = 0 }},
		{name: "C07 short random", spoilDoc: func(m *mdoc) { m.items[0][1][1] = make([]byte, 15) }},
		{name: "C08 alg in the unprotected header alone", spoilDoc: func(m *mdoc) { m.protected, m.unprotected = wire.Pairs{}, append(m.unprotected, [2]any{1, -7}) }},
		{name: "C08 crit", spoilDoc: func(m *mdoc) { m.protected = append(m.protected, [2]any{2, []any{99}}, [2]any{99, 1}) }},
		{name: "C08 alg of another curve", spoilDoc: func(m *mdoc) { m.protected = wire.Pairs{{1, -35}} }},
		{name: "C08 no certificate", spoilDoc: func(m *mdoc) { m.unprotected = wire.Pairs{} }},
		{name: "C08 issuer's signature", spoilDoc: func(m *mdoc) { m.spoilIssuer = func(sig []byte) []byte { sig[0] ^= 1; return sig } }, reason: "issuer_signature"},
		{name: "C09 SHA-1", spoilDoc: mso("digestAlgorithm", "SHA-1")},
		{name: "C09 no time at all", baseDoc: mso("validityInfo", validity(-time.Hour, -time.Hour, time.Hour)), spoilDoc: mso("validityInfo", validity(-time.Hour, time.Hour, time.Hour))},
		{name: "C09 signed in the future", spoilDoc: mso("validityInfo", validity(time.Hour, time.Hour, 2*time.Hour))},
		{name: "C09 expired by a second", baseDoc: mso("validityInfo", validity(-time.Hour, -time.Hour, time.Hour)), spoilDoc: mso("validityInfo", validity(-time.Hour, -time.Hour, -time.Second)), reason: "credential_expired"},
		{name: "C09 signed before the signer's certificate", spoilDoc: mso("validityInfo", validity(-48*time.Hour, -time.Hour, time.Hour))},
		{name: "C09 namespace without digests", spoilDoc: func(m *mdoc) { m.finish = func(p wire.Pairs) wire.Pairs { return p.Set("valueDigests", wire.Pairs{}) } }, reason: "issuer_signature"},
		{name: "C09 version", spoilDoc: mso("version", "2.0")},
		{name: "C10 two documents", spoilDoc: response(func(r wire.Pairs) wire.Pairs { return r.Set("documents", append(r[1][1].([]any), r[1][1].([]any)...)) })},
		{name: "C10 no document", spoilDoc: response(func(r wire.Pairs) wire.Pairs { return r.Set("documents", []any{}) })},
		{name: "C10 documentErrors", spoilDoc: response(func(r wire.Pairs) wire.Pairs { return append(r, [2]any{"documentErrors", []any{}}) })},
		{name: "C10 status", spoilDoc: response(func(r wire.Pairs) wire.Pairs { return r.Set("status", 10) })},
		{name: "C10 version", spoilDoc: response(func(r wire.Pairs) wire.Pairs { return r.Set("version", "2.0") })},
		{name: "T05 two mechanisms", spoilDoc: mso("status", wire.Pairs{{"status_list", wire.Pairs{{"idx", 1}, {"uri", "https://a.example"}}}, {"identifier_list", wire.Pairs{{"id", []byte{1}}, {"uri", "https://a.example"}}}}), reason: "status_unavailable"},
		{name: "T05 no known mechanism", spoilDoc: mso("status", wire.Pairs{{"other", 1}}), reason: "status_unavailable"},
	})
}

// withoutEKU returns the extensions but for the extended key usages.
func withoutEKU(c *x509.Certificate) []pkix.Extension {
	var out []pkix.Extension
	for _, e := range c.ExtraExtensions {
		if e.Id.String() != "2.5.29.37" {
			out = append(out, e)
		}
	}
	return out
}
