package oidfverifier_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/trust/trusttest"
	"github.com/tegata-id/tegata/internal/e2e/wire"
)

// fault is one case of the catalogue. Its honest twin is the same presentation
// without the spoiling, and must be accepted.
type fault struct {
	name string
	// base prepares both, spoil the faulty one alone.
	baseSD, spoilSD   func(p *sdjwt)
	baseDoc, spoilDoc func(m *mdoc)
	query             string
	// reason is that of the refusal, if it matters.
	reason string
}

// tryFaults presents everything twice, to the variant of HAIP.
func (s *suite) tryFaults(t *testing.T, faults []fault) {
	t.Helper()
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			format, query := formatSDJWT, queryOfPID
			if f.spoilDoc != nil || f.baseDoc != nil {
				format, query = formatMdoc, queryOfMDL
			}
			if f.query != "" {
				query = f.query
			}
			both := func(base, spoil func(*sdjwt)) func(*sdjwt) {
				return func(p *sdjwt) {
					for _, change := range []func(*sdjwt){base, spoil} {
						if change != nil {
							change(p)
						}
					}
				}
			}
			bothDoc := func(base, spoil func(*mdoc)) func(*mdoc) {
				return func(m *mdoc) {
					for _, change := range []func(*mdoc){base, spoil} {
						if change != nil {
							change(m)
						}
					}
				}
			}
			v := variants[0]
			tx := s.begin(t, v, query, "same_device")
			r := s.read(t, v, tx, nil)
			a := s.post(t, r.ResponseURI, r.form(t, s.presentation(t, r, format, both(f.baseSD, nil), bothDoc(f.baseDoc, nil))))
			if a.status != http.StatusOK {
				t.Fatalf("the honest twin: %d %s", a.status, a.body)
			}
			tx = s.begin(t, v, query, "same_device")
			r = s.read(t, v, tx, nil)
			a = s.post(t, r.ResponseURI, r.form(t, s.presentation(t, r, format, both(f.baseSD, f.spoilSD), bothDoc(f.baseDoc, f.spoilDoc))))
			if reason := s.wantRefused(t, v, tx, a); f.reason != "" && reason != f.reason {
				t.Errorf("refused for %s, want %s", reason, f.reason)
			}
		})
	}
}

// noneAlg takes the signature away.
func noneAlg(p string) string { return p[:strings.LastIndexByte(p, '.')+1] }

// TestNegPresentation holds what a presentation may be bound to and signed by.
func TestNegPresentation(t *testing.T) {
	t.Parallel()
	s := newSuite(t, "")
	stranger, foreign := wire.NewKey(), check(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))(t)
	revoked, _ := s.publish(t, "/p17", nil)
	twoBits, _ := s.publish(t, "/p17-two-bits", func(l *list) { l.bits, l.bytes = 2, []byte{2 << 2, 0} })
	const holderBinding = "holder_binding"
	now := time.Now()
	s.tryFaults(t, []fault{
		{name: "P01 no KB-JWT", spoilSD: func(p *sdjwt) { p.kb = nil }, reason: holderBinding},
		{name: "P02 typ", spoilSD: func(p *sdjwt) { p.kbHeader["typ"] = "JWT" }, reason: holderBinding},
		{name: "P02 alg none", spoilSD: func(p *sdjwt) { p.kbHeader["alg"], p.spoilKB = "none", noneAlg }, reason: holderBinding},
		{name: "P02 key of another", spoilSD: func(p *sdjwt) { p.holder = stranger }, reason: holderBinding},
		{name: "P02 no nonce", spoilSD: func(p *sdjwt) { delete(p.kb, "nonce") }, reason: holderBinding},
		{name: "P02 no iat", spoilSD: func(p *sdjwt) { delete(p.kb, "iat") }, reason: holderBinding},
		{name: "P02 aud is a list", spoilSD: func(p *sdjwt) { p.kb["aud"] = []any{p.kb["aud"]} }, reason: holderBinding},
		{name: "P03 a disclosure more", spoilSD: func(p *sdjwt) {
			p.assemble = func(jwt string, d []string, kb string) string {
				return jwt + "~" + d[0] + "~" + d[1] + "~" + d[2] + "~" + kb
			}
			extra := wire.Disclosure(rand.Text(), "nickname", "J")
			p.payload["_sd"] = append(p.payload["_sd"].([]any), wire.Hash(extra))
			whole := p.disclosures
			p.spoilJWT = func(jwt string) string {
				p.kb["sd_hash"] = wire.Hash(jwt + "~" + strings.Join(whole, "~") + "~")
				return jwt
			}
			p.disclosures = append(p.disclosures[:2:2], extra)
		}, reason: holderBinding},
		{name: "P03 a disclosure less", spoilSD: func(p *sdjwt) {
			p.assemble = func(jwt string, d []string, kb string) string { return jwt + "~" + d[0] + "~" + kb }
		}, reason: holderBinding},
		{name: "P04 client identifier without its prefix", spoilSD: func(p *sdjwt) {
			_, p.kb["aud"], _ = strings.Cut(p.kb["aud"].(string), ":")
		}, reason: holderBinding},
		{name: "P05 nonce", spoilDoc: func(m *mdoc) { m.nonce += "x" }, reason: holderBinding},
		{name: "P05 client_id", spoilDoc: func(m *mdoc) { m.clientID += "x" }, reason: holderBinding},
		{name: "P05 response_uri", spoilDoc: func(m *mdoc) { m.responseURI += "x" }, reason: holderBinding},
		{name: "P05 thumbprint", spoilDoc: func(m *mdoc) { m.thumbprint = make([]byte, 32) }, reason: holderBinding},
		{name: "P05 no thumbprint", spoilDoc: func(m *mdoc) { m.thumbprint = nil }, reason: holderBinding},
		{name: "P05 handover of the Digital Credentials API", spoilDoc: func(m *mdoc) { m.handover = "OpenID4VPDCAPIHandover" }, reason: holderBinding},
		{name: "P06 no device authentication", spoilDoc: func(m *mdoc) { m.auth = func(wire.Encoded) any { return wire.Pairs{} } }},
		{name: "P06 a MAC", spoilDoc: func(m *mdoc) {
			m.auth = func(wire.Encoded) any {
				return wire.Pairs{{"deviceMac", []any{wire.CBOR(wire.Pairs{{1, 5}}), wire.Pairs{}, nil, make([]byte, 32)}}}
			}
		}, reason: holderBinding},
		{name: "P06 both", spoilDoc: func(m *mdoc) {
			m.auth = func(e wire.Encoded) any { return wire.Pairs{{"deviceSignature", e}, {"deviceMac", e}} }
		}, reason: holderBinding},
		{name: "P06 payload that should be detached", spoilDoc: func(m *mdoc) { m.devicePayload = []byte("x") }, reason: holderBinding},
		{name: "P06 element that the device may not sign", spoilDoc: func(m *mdoc) {
			m.deviceSpaces = wire.Embed(wire.Pairs{{mdlSpace, wire.Pairs{{"given_name", "Jeanne"}}}})
		}, reason: holderBinding},
		{name: "P06 key of another", spoilDoc: func(m *mdoc) { m.device = stranger }, reason: holderBinding},
		{name: "P07 document of another type than its MSO", spoilDoc: func(m *mdoc) { m.mso = m.mso.Set("docType", "org.other") }, reason: "issuer_signature"},
		{name: "P07 document of another type than asked for", spoilDoc: func(m *mdoc) { m.docType, m.mso = "org.other", m.mso.Set("docType", "org.other") }, reason: "query_not_satisfied"},
		{name: "P16 claim is missing", spoilSD: func(p *sdjwt) { p.disclosures = p.disclosures[:1] }, reason: "query_not_satisfied"},
		{name: "P16 element is missing", spoilDoc: func(m *mdoc) { m.items = m.items[:1] }, reason: "query_not_satisfied"},
		{name: "P16 vct", spoilSD: func(p *sdjwt) { p.payload["vct"] = "urn:eudi:pid:2" }, reason: "query_not_satisfied"},
		{name: "P16 vct that claims to be another, too", spoilSD: func(p *sdjwt) {
			p.payload["vct"], p.payload["aka_vcts"] = "urn:other", []any{pidVCT}
		}, reason: "query_not_satisfied"},
		{
			name: "P16 value", query: strings.Replace(queryOfPID, `"given_name"]`, `"given_name"],"values":["Jean"]`, 1),
			spoilSD: func(p *sdjwt) {
				other := wire.Disclosure(rand.Text(), "given_name", "jean")
				p.payload["_sd"].([]any)[0], p.disclosures[0] = wire.Hash(other), other
			}, reason: "query_not_satisfied",
		},
		{
			name: "P16 authority", query: strings.Replace(queryOfPID, `"meta"`, `"trusted_authorities":[{"type":"aki","values":["`+wire.B64(s.ca.Certificate.SubjectKeyId)+`"]}],"meta"`, 1),
			spoilSD: func(p *sdjwt) { p.signer, p.header["x5c"] = s.secondSigner.Signer, wire.X5C(s.secondSigner.Chain) }, reason: "query_not_satisfied",
		},
		{
			name: "P16 claim set", query: strings.NewReplacer(`{"path":["given_name"]},{"path":["family_name"]}`, `{"id":"a","path":["given_name"]},{"id":"b","path":["family_name"]},{"id":"c","path":["nickname"]}`, `]}]}`, `],"claim_sets":[["c"],["a","b"]]}]}`).Replace(queryOfPID),
			spoilSD: func(p *sdjwt) { p.disclosures = p.disclosures[1:] }, reason: "query_not_satisfied",
		},
		{name: "P17 issuer of the same name", spoilSD: func(p *sdjwt) { p.signer, p.header["x5c"] = s.strange.Signer, wire.X5C(s.strange.Chain) }, reason: "issuer_untrusted"},
		{name: "P17 expired by a second", spoilSD: func(p *sdjwt) { p.payload["exp"] = now.Add(-time.Second).Unix() }, reason: "credential_expired"},
		{name: "P17 not valid yet", spoilSD: func(p *sdjwt) { p.payload["nbf"] = now.Add(time.Hour).Unix() }, reason: "credential_not_yet_valid"},
		{name: "P17 revoked", baseSD: withStatus(revoked, 3), spoilSD: withStatus(revoked, revokedEntry), reason: "credential_revoked"},
		{name: "P17 suspended", baseSD: withStatus(twoBits, 0), spoilSD: withStatus(twoBits, 1), reason: "credential_suspended"},
		{name: "P17 status that can't be found out", baseSD: withStatus(revoked, 3), spoilSD: withStatus(s.lists.URL+"/nothing", 3), reason: "status_unavailable"},
		{name: "P17 document expired", spoilDoc: func(m *mdoc) {
			m.mso = m.mso.Set("validityInfo", wire.Pairs{{"signed", wire.TDate(now.Add(-3 * time.Hour))}, {"validFrom", wire.TDate(now.Add(-3 * time.Hour))}, {"validUntil", wire.TDate(now.Add(-time.Second))}})
		}, reason: "credential_expired"},
		{name: "P17 document revoked", baseDoc: func(m *mdoc) {
			m.mso = m.mso.Set("status", wire.Pairs{{"status_list", wire.Pairs{{"idx", 3}, {"uri", revoked}}}})
		}, spoilDoc: func(m *mdoc) {
			m.mso = m.mso.Set("status", wire.Pairs{{"status_list", wire.Pairs{{"idx", revokedEntry}, {"uri", revoked}}}})
		}, reason: "credential_revoked"},
		{name: "P18 key of the issuer", spoilSD: func(p *sdjwt) {
			p.payload["cnf"], p.holder = object{"jwk": wire.JWK(s.signer.Leaf().PublicKey.(*ecdsa.PublicKey))}, s.signer.Signer
		}, reason: holderBinding},
		{name: "P18 no cnf", spoilSD: func(p *sdjwt) { delete(p.payload, "cnf") }, reason: holderBinding},
		{name: "P18 jwk and kid", spoilSD: func(p *sdjwt) { p.payload["cnf"].(object)["kid"] = "x" }, reason: holderBinding},
		{name: "P18 key of another type", spoilSD: func(p *sdjwt) {
			p.payload["cnf"] = object{"jwk": object{"kty": "OKP", "crv": "Ed25519", "x": wire.B64(make([]byte, 32))}}
		}, reason: holderBinding},
		{name: "P18 private key", spoilSD: func(p *sdjwt) { p.payload["cnf"].(object)["jwk"].(object)["d"] = wire.B64(make([]byte, 32)) }, reason: holderBinding},
		{name: "P18 point that is not on the curve", spoilSD: func(p *sdjwt) { p.payload["cnf"].(object)["jwk"].(object)["y"] = wire.B64(make([]byte, 32)) }, reason: holderBinding},
		{name: "P18 device key of another curve than it says", spoilDoc: func(m *mdoc) {
			point := check(foreign.PublicKey.ECDH())(t).Bytes()
			m.mso = m.mso.Set("deviceKeyInfo", wire.Pairs{{"deviceKey", wire.Pairs{{1, 2}, {-1, 1}, {-2, point[1:49]}, {-3, point[49:]}}}})
		}, reason: holderBinding},
		{name: "C11 document signer without its extended key usage", spoilDoc: func(m *mdoc) {
			key := check(s.iaca.IssueMdocSigner(trusttest.LeafOptions{Edit: withoutUsage}))(t)
			m.signer, m.unprotected = key.Signer, wire.Pairs{{33, key.Leaf().Raw}}
		}, reason: "issuer_untrusted"},
		{name: "C11 document signer that lives too long", spoilDoc: func(m *mdoc) {
			key := check(s.iaca.IssueMdocSigner(trusttest.LeafOptions{Lifetime: 600 * 24 * time.Hour}))(t)
			m.signer, m.unprotected = key.Signer, wire.Pairs{{33, key.Leaf().Raw}}
		}, reason: "issuer_untrusted"},
	})
}

// wantTurnedAway posts what a wallet must not.
func (s *suite) wantTurnedAway(t testing.TB, name string, address string, form url.Values) {
	t.Helper()
	if a := s.post(t, address, form); a.status < 400 || a.status > 499 || !json.Valid(a.body) {
		t.Errorf("%s: %d %s", name, a.status, a.body)
	}
}

// TestNegToken holds the shape of the VP token.
func TestNegToken(t *testing.T) {
	t.Parallel()
	s := newSuite(t, "")
	v := variants[0]
	for name, shape := range map[string]func(p string) string{
		"P15 honest twin":       func(p string) string { return `{"my_credential":["` + p + `"]}` },
		"P15 unknown query":     func(p string) string { return `{"other":["` + p + `"]}` },
		"P15 one more":          func(p string) string { return `{"my_credential":["` + p + `"],"other":["` + p + `"]}` },
		"P15 twice":             func(p string) string { return `{"my_credential":["` + p + `","` + p + `"]}` },
		"P15 member twice":      func(p string) string { return `{"my_credential":["` + p + `"],"my_credential":["` + p + `"]}` },
		"P15 no array":          func(p string) string { return `{"my_credential":"` + p + `"}` },
		"P15 array of an array": func(p string) string { return `{"my_credential":[["` + p + `"]]}` },
		"P15 empty array":       func(string) string { return `{"my_credential":[]}` },
		"P15 empty":             func(string) string { return `{}` },
		"P15 a text":            func(p string) string { return `"` + p + `"` },
		"P15 null":              func(string) string { return `null` },
	} {
		tx := s.begin(t, v, queryOfPID, "same_device")
		r := s.read(t, v, tx, nil)
		form := r.formOf(t, map[string]any{"vp_token": json.RawMessage(shape(s.pid(t, r).present(t))), "state": r.State})
		if strings.HasSuffix(name, "twin") {
			s.wantAccepted(t, v, tx, s.post(t, r.ResponseURI, form), honestClaims[formatSDJWT])
			continue
		}
		if name == "P15 member twice" { // the encoder would mend it
			plain := `{"vp_token":` + shape(s.pid(t, r).present(t)) + `,"state":"` + r.State + `"}`
			form = url.Values{"response": {encrypt(t, r.ClientMetadata.JWKS.Keys[0], "A128GCM", []byte(plain), nil)}}
		}
		if a := s.post(t, r.ResponseURI, form); a.status < 400 || a.status > 499 {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
		if got := s.result(t, v, tx, ""); got.State != "refused" {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// TestNegEncryption holds how responses are encrypted.
func TestNegEncryption(t *testing.T) {
	t.Parallel()
	s := newSuite(t, "")
	v := variants[0]
	tx, other := s.begin(t, v, queryOfPID, "same_device"), s.begin(t, v, queryOfPID, "same_device")
	r, there := s.read(t, v, tx, nil), s.read(t, v, other, nil)
	plain := check(json.Marshal(map[string]any{"vp_token": map[string]any{credential: []string{s.pid(t, r).present(t)}}, "state": r.State}))(t)
	key := r.ClientMetadata.JWKS.Keys[0]
	header := func(name string, value any) func(object) { return func(h object) { h[name] = value } }
	sealed := encrypt(t, key, "A256GCM", plain, nil)
	parts := strings.Split(sealed, ".")
	tries := []struct {
		name string
		form url.Values
	}{
		{"P14 key of another transaction", url.Values{"response": {encrypt(t, there.ClientMetadata.JWKS.Keys[0], "A128GCM", plain, nil)}}},
		{"P14 the right kid for another key", url.Values{"response": {encrypt(t, there.ClientMetadata.JWKS.Keys[0], "A128GCM", plain, header("kid", key["kid"]))}}},
		{"P14 apu is not that of the key", url.Values{"response": {encrypt(t, key, "A128GCM", plain, header("apu", wire.B64([]byte("x"))))}}},
		{"P14 apv is not that of the key", url.Values{"response": {encrypt(t, key, "A128GCM", plain, header("apv", wire.B64([]byte("x"))))}}},
	}
	for _, tt := range tries {
		s.wantTurnedAway(t, tt.name, r.ResponseURI, tt.form)
	}
	s.wantAccepted(t, v, tx, s.post(t, r.ResponseURI, url.Values{"response": {sealed}}), honestClaims[formatSDJWT])
	for name, jwe := range map[string]string{
		"J10 RSA1_5":                 encrypt(t, key, "A128GCM", plain, header("alg", "RSA1_5")),
		"J10 dir":                    encrypt(t, key, "A128GCM", plain, header("alg", "dir")),
		"J10 PBES2":                  encrypt(t, key, "A128GCM", plain, func(h object) { h["alg"], h["p2c"] = "PBES2-HS256+A128KW", 1000000 }),
		"J10 other enc":              encrypt(t, key, "A128GCM", plain, header("enc", "A128CBC-HS256")),
		"J10 enc swapped":            encrypt(t, key, "A128GCM", plain, header("enc", "A256GCM")),
		"J10 zip":                    encrypt(t, key, "A128GCM", plain, header("zip", "DEF")),
		"J10 crit":                   encrypt(t, key, "A128GCM", plain, header("crit", []string{"exp"})),
		"J10 epk off the curve":      encrypt(t, key, "A128GCM", plain, header("epk", object{"kty": "EC", "crv": "P-256", "x": wire.B64(make([]byte, 32)), "y": wire.B64(make([]byte, 32))})),
		"J10 tag cut short":          strings.Join(append(parts[:4:4], parts[4][:16]), "."),
		"J10 no tag":                 strings.Join(append(parts[:4:4], ""), "."),
		"J10 encrypted key is there": strings.Join([]string{parts[0], "AAAA", parts[2], parts[3], parts[4]}, "."),
		"J10 JSON serialization":     `{"protected":"` + parts[0] + `","iv":"` + parts[2] + `","ciphertext":"` + parts[3] + `","tag":"` + parts[4] + `"}`,
		"J11 a million dots":         strings.Repeat(".", 400000),
		"P14 replayed":               sealed,
	} {
		tx := s.begin(t, v, queryOfPID, "same_device")
		r := s.read(t, v, tx, nil)
		s.wantTurnedAway(t, name, r.ResponseURI, url.Values{"response": {jwe}})
		if got := s.result(t, v, tx, ""); got.State == "verified" {
			t.Errorf("%s: %+v", name, got)
		}
	}
	tx = s.begin(t, v, queryOfPID, "same_device")
	r = s.read(t, v, tx, nil)
	token := string(check(json.Marshal(map[string]any{credential: []string{s.pid(t, r).present(t)}}))(t))
	s.wantTurnedAway(t, "P14 not encrypted", r.ResponseURI, url.Values{"vp_token": {token}, "state": {r.State}})
	if got := s.result(t, v, tx, ""); got.Refusal.Reason != "response_not_encrypted" {
		t.Errorf("P14 not encrypted: %+v", got)
	}
}
