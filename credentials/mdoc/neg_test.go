package mdoc_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/cose"
	"github.com/tegata-id/tegata/credentials/mdoc"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
)

// expect builds the forgery and wants it refused for the reason; no reason
// means that it is honest.
func expect(t *testing.T, w *world, f forgery, reason mdoc.Reason) {
	t.Helper()
	got, err := w.verifier().Verify(t.Context(), f.build(t, w), binding())
	if reason == "" {
		if err != nil {
			t.Errorf("honest twin: %v", err)
		}
		return
	}
	var e *mdoc.Error
	if !errors.As(err, &e) || e.Reason != reason {
		t.Errorf("got %v, want reason %s", err, reason)
	}
	if got != nil {
		t.Error("a result beside the error")
	}
}

// TestNeg runs the negative cases by their identifiers. Every group begins with
// the honest response that its forgeries deviate from; a case without a reason
// is the honest twin of its neighbours.
func TestNeg(t *testing.T) {
	t.Parallel()
	negItems(t)
	negMSO(t)
	negResponse(t)
	negDevice(t)
	negBinding(t)
	negIssuer(t)
	negAnchor(t)
}

type negCase struct {
	name   string
	forged forgery
	reason mdoc.Reason
}

func runNeg(t *testing.T, w *world, cases []negCase) {
	t.Helper()
	expect(t, w, forgery{}, "")
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			expect(t, w, c.forged, c.reason)
		})
	}
}

// set returns a hook that sets one member; a nil value removes it.
func set(name string, v any) func(object) {
	return func(o object) {
		o[name] = v
		if v == nil {
			delete(o, name)
		}
	}
}

func firstItem(name string, v any) func([]object) []object {
	return func(items []object) []object { set(name, v)(items[0]); return items }
}

func negItems(t *testing.T) {
	t.Helper()
	w := newWorld(t)
	raw := func(s string) cose.RawMessage { return unhex(t, s) }
	runNeg(t, w, []negCase{
		{"C01 duplicate key in an item", forgery{transform: func([]byte) []byte {
			return marshal(t, tag24(unhex(t, "a5"+"68646967657374494407"+"68646967657374494407"+
				"6672616e646f6d5000000000000000000000000000000000"+"71656c656d656e744964656e74696669657263736578"+"6c656c656d656e7456616c756502")))
		}, items: func(items []object) []object { return items[:1] }}, mdoc.ReasonMalformed},
		{"C01 the same without the duplicate", forgery{transform: func([]byte) []byte {
			return marshal(t, tag24(unhex(t, "a4"+"68646967657374494407"+
				"6672616e646f6d5000000000000000000000000000000000"+"71656c656d656e744964656e74696669657263736578"+"6c656c656d656e7456616c756502")))
		}, items: func(items []object) []object { return items[:1] }}, ""},
		{"C03 value nested to the limit", forgery{items: firstItem("elementValue", raw("8181818181818180"))}, ""},
		{"C03 value nested beyond the limit", forgery{items: firstItem("elementValue", raw("818181818181818180"))}, mdoc.ReasonMalformed},
		{"C03 embedded CBOR counts on", forgery{items: firstItem("elementValue", raw("81818181818181d8184180"))}, mdoc.ReasonMalformed},
		{"C05 item in a longer encoding", forgery{transform: func(b []byte) []byte {
			// The tag's head in three bytes instead of two.
			return append([]byte{0xd9, 0, 24}, b[2:]...)
		}}, ""},
		{"C05 MSO in a longer encoding", forgery{payload: func(mso []byte) any {
			return cose.RawMessage(append([]byte{0xd9, 0, 24}, marshal(t, mso)...))
		}}, ""},
		{"C05 item encoded again after the digest was taken", forgery{encoded: func(items []any) []any {
			items[0] = append(cose.RawMessage{0xd9, 0, 24}, items[0].(cose.RawMessage)[2:]...)
			return items
		}}, mdoc.ReasonDigest},
		{"C06 item without tag 24", forgery{encoded: func(items []any) []any {
			items[0] = items[0].(cose.RawMessage)[2:]
			return items
		}}, mdoc.ReasonMalformed},
		{"C06 item with another tag", forgery{transform: func(b []byte) []byte { b[1] = 23; return b }}, mdoc.ReasonMalformed},
		{"C06 full-date that is a number", forgery{items: firstItem("elementValue", raw("d903ec1907b7"))}, mdoc.ReasonMalformed},
		{"C06 full-date", forgery{items: firstItem("elementValue", raw("d903ec6a323031392d31302d3230"))}, ""},
		{"C06 element value that is a bignum", forgery{items: firstItem("elementValue", raw("c24101"))}, mdoc.ReasonMalformed},
		{"C07 name of a member in other case", forgery{items: func(items []object) []object {
			items[0]["DigestID"] = items[0]["digestID"]
			return items
		}}, ""},
		{"C07 only in other case", forgery{items: func(items []object) []object {
			items[0]["ElementIdentifier"] = "sex"
			delete(items[0], "elementIdentifier")
			return items
		}}, mdoc.ReasonMalformed},
		{"C07 random from an array of integers", forgery{items: firstItem("random", slices.Repeat([]any{1}, 16))}, mdoc.ReasonMalformed},
		{"C07 random of 15 bytes", forgery{items: firstItem("random", make([]byte, 15))}, mdoc.ReasonMalformed},
		{"C07 random of 16 bytes", forgery{items: firstItem("random", make([]byte, 16))}, ""},
		{"C07 random as text", forgery{items: firstItem("random", "0123456789abcdef")}, mdoc.ReasonMalformed},
		{"C07 digestID negative", forgery{items: firstItem("digestID", -1)}, mdoc.ReasonMalformed},
		{"C07 digestID 2^31-1", forgery{items: firstItem("digestID", 1<<31-1)}, ""},
		{"C07 digestID 2^32-1", forgery{items: firstItem("digestID", 1<<32-1)}, ""},
		{"C07 digestID 2^32", forgery{items: firstItem("digestID", 1<<32)}, mdoc.ReasonMalformed},
		{"C07 digestID 2^64-1", forgery{items: firstItem("digestID", uint64(1<<64-1))}, mdoc.ReasonMalformed},
		{"C07 digestID missing", forgery{items: func(items []object) []object {
			items[1]["digestID"] = nil
			return items
		}}, mdoc.ReasonMalformed},
		{"C07 digestID twice", forgery{items: firstItem("digestID", 3)}, mdoc.ReasonMalformed},
		{"C07 element twice", forgery{items: firstItem("elementIdentifier", "age_over_20")}, mdoc.ReasonMalformed},
		{"C07 item sent twice", forgery{encoded: func(items []any) []any { return append(items, items[0]) }}, mdoc.ReasonMalformed},
		{"element value missing", forgery{items: func(items []object) []object { delete(items[0], "elementValue"); return items }}, mdoc.ReasonMalformed},
		{"element value null", forgery{items: firstItem("elementValue", nil2())}, ""},
	})
}

// nil2 is the encoded null, which set does not take for a removal.
func nil2() any { return cose.RawMessage{0xf6} }

func negMSO(t *testing.T) {
	t.Helper()
	w := newWorld(t)
	validity := func(signed, from, until time.Time) func(object) {
		return set("validityInfo", object{"signed": tdate(signed), "validFrom": tdate(from), "validUntil": tdate(until)})
	}
	ago := func(d time.Duration) time.Time { return clock.Add(-d) }
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	otherKey, err := cose.MarshalKey(p384.Public())
	if err != nil {
		t.Fatal(err)
	}
	issuerKey, err := cose.MarshalKey(w.signer.Signer.Public())
	if err != nil {
		t.Fatal(err)
	}
	deviceKey := func(raw []byte) func(object) {
		return set("deviceKeyInfo", object{"deviceKey": cose.RawMessage(raw)})
	}
	leaf := w.signer.Leaf()
	statusList := object{"idx": 1, "uri": "https://issuer.example/1"}
	runNeg(t, w, []negCase{
		{"C06 payload without tag 24", forgery{payload: func(mso []byte) any { return cose.RawMessage(mso) }}, mdoc.ReasonMalformed},
		{"C06 payload a bare byte string", forgery{payload: func(mso []byte) any { return mso }}, mdoc.ReasonMalformed},
		{"C09 version 2.0", forgery{mso: set("version", "2.0")}, mdoc.ReasonVersion},
		{"C09 SHA-1", forgery{mso: set("digestAlgorithm", "SHA-1")}, mdoc.ReasonDigest},
		{"C09 digest algorithm in other case", forgery{mso: set("digestAlgorithm", "sha-256")}, mdoc.ReasonDigest},
		{"C09 digests of another algorithm", forgery{mso: set("digestAlgorithm", "SHA-512")}, mdoc.ReasonDigest},
		{"C09 no digests", forgery{mso: set("valueDigests", object{})}, mdoc.ReasonDigest},
		{"C09 digests under another namespace", forgery{mso: func(m object) {
			m["valueDigests"] = object{docType: m["valueDigests"].(object)[standard]}
		}}, mdoc.ReasonDigest},
		{"C09 digests swapped", forgery{mso: func(m object) {
			d := m["valueDigests"].(object)[standard].(map[any]any)
			d[3], d[7] = d[7], d[3]
		}}, mdoc.ReasonDigest},
		{"C09 digest as array of integers", forgery{mso: func(m object) {
			m["valueDigests"].(object)[standard].(map[any]any)[3] = slices.Repeat([]any{1}, 32)
		}}, mdoc.ReasonMalformed},
		{"C09 digest cut", forgery{mso: func(m object) {
			d := m["valueDigests"].(object)[standard].(map[any]any)
			d[3] = d[3].([]byte)[:31]
		}}, mdoc.ReasonDigest},
		{"C09 digest for an element that was not sent", forgery{mso: func(m object) {
			m["valueDigests"].(object)[standard].(map[any]any)[9] = make([]byte, 32)
		}}, ""},
		{"C09 validFrom after validUntil", forgery{mso: validity(ago(2*time.Hour), clock.Add(time.Hour), ago(time.Hour))}, mdoc.ReasonValidity},
		{"C09 signed after validFrom", forgery{mso: validity(ago(1*time.Hour), ago(2*time.Hour), clock.Add(time.Hour))}, mdoc.ReasonValidity},
		{"C09 signed in the future", forgery{mso: validity(clock.Add(time.Second), clock.Add(time.Second), clock.Add(time.Hour))}, mdoc.ReasonValidity},
		{"C09 signed now", forgery{mso: validity(clock, clock, clock.Add(time.Hour))}, ""},
		{"C09 validFrom in a second", forgery{mso: validity(ago(time.Hour), clock.Add(time.Second), clock.Add(time.Hour))}, mdoc.ReasonNotYetValid},
		{"C09 validUntil a second ago", forgery{mso: validity(ago(time.Hour), ago(time.Hour), ago(time.Second))}, mdoc.ReasonExpired},
		{"C09 validUntil now", forgery{mso: validity(ago(time.Hour), ago(time.Hour), clock)}, ""},
		{"C09 signed before the certificate", forgery{mso: validity(leaf.NotBefore.Add(-time.Second), ago(time.Hour), clock.Add(time.Hour))}, mdoc.ReasonValidity},
		{"C09 signed when the certificate began", forgery{mso: validity(leaf.NotBefore, ago(time.Hour), clock.Add(time.Hour))}, ""},
		{"C09 no validityInfo", forgery{mso: set("validityInfo", nil)}, mdoc.ReasonMalformed},
		{"C09 fraction of a second", forgery{mso: func(m object) {
			m["validityInfo"].(object)["signed"] = cose.Tag{Number: 0, Content: "2026-11-23T11:00:00.0Z"}
		}}, mdoc.ReasonMalformed},
		{"C09 time without tag", forgery{mso: func(m object) {
			m["validityInfo"].(object)["signed"] = "2026-11-23T11:00:00Z"
		}}, mdoc.ReasonMalformed},
		{"C09 device key of another curve", forgery{mso: deviceKey(otherKey)}, mdoc.ReasonDeviceSignature},
		{"C09 device key that is the identity", forgery{mso: deviceKey(unhex(t, "a40102200121402240"))}, mdoc.ReasonDeviceKey},
		{"C09 no device key", forgery{mso: set("deviceKeyInfo", object{})}, mdoc.ReasonDeviceKey},
		{"P18 device key of the issuer", forgery{mso: deviceKey(issuerKey), holder: w.signer.Signer}, mdoc.ReasonDeviceKey},
		{"P07 docType of the MSO", forgery{mso: set("docType", "org.iso.18013.5.1.mDL")}, mdoc.ReasonDocType},
		{"P07 docType of the document", forgery{document: set("docType", "org.iso.18013.5.1.mDL")}, mdoc.ReasonDocType},
		{"MSO-09 status list", forgery{mso: set("status", object{"status_list": statusList})}, ""},
		{"MSO-09 status list with more members", forgery{mso: set("status", object{"status_list": object{"idx": 1, "uri": "u", "note": "x"}, "note": 7})}, ""},
		{"T05 status of no known mechanism", forgery{mso: set("status", object{"other": 1})}, mdoc.ReasonStatusMechanism},
		{"T05 status of two mechanisms", forgery{mso: set("status", object{"status_list": statusList, "identifier_list": object{"id": []byte{1}, "uri": "u"}})}, mdoc.ReasonStatusMechanism},
		{"T02 index negative", forgery{mso: set("status", object{"status_list": object{"idx": -1, "uri": "u"}})}, mdoc.ReasonMalformed},
		{"T02 index a float", forgery{mso: set("status", object{"status_list": object{"idx": 1.5, "uri": "u"}})}, mdoc.ReasonMalformed},
		{"T02 no index", forgery{mso: set("status", object{"status_list": object{"uri": "u"}})}, mdoc.ReasonMalformed},
	})
}

func negResponse(t *testing.T) {
	t.Helper()
	w := newWorld(t)
	runNeg(t, w, []negCase{
		{"C10 two documents", forgery{response: func(r object) { r["documents"] = append(r["documents"].([]any), r["documents"].([]any)[0]) }}, mdoc.ReasonDocumentCount},
		{"C10 one good, one bad document", forgery{response: func(r object) { r["documents"] = append(r["documents"].([]any), object{"docType": "x"}) }}, mdoc.ReasonDocumentCount},
		{"C10 no document", forgery{response: func(r object) { r["documents"] = []any{} }}, mdoc.ReasonDocumentCount},
		{"C10 documents missing", forgery{response: set("documents", nil)}, mdoc.ReasonDocumentCount},
		{"C10 documentErrors", forgery{response: set("documentErrors", []any{object{"other": 0}})}, mdoc.ReasonResponseStatus},
		{"C10 status 10", forgery{response: set("status", 10)}, mdoc.ReasonResponseStatus},
		{"C10 no status", forgery{response: set("status", nil)}, mdoc.ReasonMalformed},
		{"C10 status as text", forgery{response: set("status", "0")}, mdoc.ReasonMalformed},
		{"C10 version 9.9", forgery{response: set("version", "9.9")}, mdoc.ReasonVersion},
		{"C10 no version", forgery{response: set("version", nil)}, mdoc.ReasonVersion},
		{"C10 unknown members", forgery{response: set("x", 1), document: set("errors", object{standard: object{"name": 0}})}, ""},
		{"C02 nothing in the document", forgery{document: func(d object) { clear(d) }}, mdoc.ReasonDeviceAuth},
		{"C06 device namespaces without tag 24", forgery{document: func(d object) {
			d["deviceSigned"].(object)["nameSpaces"] = object{}
		}}, mdoc.ReasonMalformed},
		{"C06 no device namespaces", forgery{document: func(d object) { delete(d["deviceSigned"].(object), "nameSpaces") }}, mdoc.ReasonMalformed},
		{"C06 device namespaces null", forgery{deviceNS: nil2()}, mdoc.ReasonMalformed},
		{"C08 issuerAuth with tag 18", forgery{document: func(d object) {
			s := d["issuerSigned"].(object)
			s["issuerAuth"] = append(cose.RawMessage{0xd2}, s["issuerAuth"].(cose.RawMessage)...)
		}}, ""},
		{"C08 issuerAuth with detached payload", forgery{sign: func(payload []byte) any {
			auth, err := cose.Sign1(cose.SignOptions{Chain: w.signer.Chain, Detached: true}, payload, w.signer.Signer)
			if err != nil {
				t.Error(err)
			}
			return cose.RawMessage(auth)
		}}, mdoc.ReasonMalformed},
		{"C08 issuerAuth missing", forgery{document: func(d object) { delete(d["issuerSigned"].(object), "issuerAuth") }}, mdoc.ReasonMalformed},
		{"C08 MSO changed after signing", forgery{document: func(d object) {
			auth := slices.Clone(d["issuerSigned"].(object)["issuerAuth"].(cose.RawMessage))
			auth[len(auth)-1] ^= 1
			d["issuerSigned"].(object)["issuerAuth"] = auth
		}}, mdoc.ReasonIssuerSignature},
	})
	good := forgery{}.build(t, w)
	for name, raw := range map[string][]byte{
		"C04 trailing byte": append(slices.Clone(good), 0), "C04 truncated": good[:len(good)-1], "C04 empty": nil,
		"C02 indefinite map": append(append([]byte{0xbf}, good[1:]...), 0xff),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var e *mdoc.Error
			if _, err := w.verifier().Verify(t.Context(), raw, binding()); !errors.As(err, &e) || e.Reason != mdoc.ReasonMalformed {
				t.Errorf("got %v", err)
			}
		})
	}
}

func negDevice(t *testing.T) {
	t.Helper()
	w := newWorld(t)
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	mac := cose.RawMessage(unhex(t, "8443a10105a0f658200000000000000000000000000000000000000000000000000000000000000000"))
	authorise := func(k object) func(object) {
		return func(m object) { m["deviceKeyInfo"].(object)["keyAuthorizations"] = k }
	}
	own := object{standard: object{"note": "x"}}
	runNeg(t, w, []negCase{
		{"P06 no device authentication", forgery{device: func(auth object, _ []byte) { clear(auth) }}, mdoc.ReasonDeviceAuth},
		{"P06 MAC", forgery{device: func(auth object, _ []byte) { clear(auth); auth["deviceMac"] = mac }}, mdoc.ReasonDeviceMAC},
		{"P06 MAC and signature", forgery{device: func(auth object, _ []byte) { auth["deviceMac"] = mac }}, mdoc.ReasonDeviceAuth},
		{"P06 payload not detached", forgery{device: func(auth object, payload []byte) {
			signed, err := cose.Sign1(cose.SignOptions{}, payload, w.holder)
			if err != nil {
				t.Error(err)
			}
			auth["deviceSignature"] = cose.RawMessage(signed)
		}}, mdoc.ReasonDeviceSignature},
		{"P06 signed by another key", forgery{holder: other}, mdoc.ReasonDeviceSignature},
		{"P06 signed by the issuer", forgery{holder: w.signer.Signer}, mdoc.ReasonDeviceSignature},
		{"P06 device elements not authorised", forgery{deviceNS: own}, mdoc.ReasonDeviceElements},
		{"P06 other element authorised", forgery{deviceNS: own, mso: authorise(object{"dataElements": object{standard: []any{"sex"}}})}, mdoc.ReasonDeviceElements},
		{"P06 other namespace authorised", forgery{deviceNS: own, mso: authorise(object{"nameSpaces": []any{docType}})}, mdoc.ReasonDeviceElements},
		{"P06 element authorised", forgery{deviceNS: own, mso: authorise(object{"dataElements": object{standard: []any{"note"}}})}, ""},
		{"P06 namespace authorised", forgery{deviceNS: own, mso: authorise(object{"nameSpaces": []any{standard}})}, ""},
		{"P06 device replaces an element of the issuer", forgery{deviceNS: object{standard: object{"sex": 1}}, mso: authorise(object{"nameSpaces": []any{standard}})}, mdoc.ReasonDeviceElements},
		{"P06 device elements exchanged after signing", forgery{
			mso:      authorise(object{"nameSpaces": []any{standard}}),
			document: func(d object) { d["deviceSigned"].(object)["nameSpaces"] = tag24(marshal(t, own)) },
		}, mdoc.ReasonDeviceSignature},
	})
}

func negBinding(t *testing.T) {
	t.Helper()
	w := newWorld(t)
	response := forgery{}.build(t, w)
	expect(t, w, forgery{}, "")
	for name, edit := range map[string]func(*credentials.Binding){
		"P05 wrong nonce":          func(b *credentials.Binding) { b.Nonce = "other" },
		"P05 wrong client":         func(b *credentials.Binding) { b.ClientID = "verifier.example" },
		"P05 wrong response URI":   func(b *credentials.Binding) { b.ResponseURI += "/" },
		"P05 wrong thumbprint":     func(b *credentials.Binding) { b.EncryptionKeyThumbprint = append(make([]byte, 31), 1) },
		"P05 no thumbprint":        func(b *credentials.Binding) { b.EncryptionKeyThumbprint = nil },
		"P05 DC API handover":      func(b *credentials.Binding) { b.Mode, b.Origin = credentials.BindingDCAPI, "https://verifier.example" },
		"P05 binding without mode": func(b *credentials.Binding) { b.Mode = 0 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := binding()
			edit(&b)
			_, err := w.verifier().Verify(t.Context(), response, b)
			var e *mdoc.Error
			if !errors.As(err, &e) || e.Reason != mdoc.ReasonDeviceSignature {
				t.Errorf("got %v", err)
			}
		})
	}
}

func negIssuer(t *testing.T) {
	t.Helper()
	w := newWorld(t)
	foreign := newWorld(t)
	abroad, err := trusttest.NewCA(trusttest.CAOptions{Profile: trusttest.IACA, NotBefore: clock.AddDate(0, -1, 0), Country: "FR", Signer: nil})
	if err != nil {
		t.Fatal(err)
	}
	w.policy.Anchors = append(w.policy.Anchors, abroad.Anchor())
	edited := func(o trusttest.LeafOptions) forgery { return forgery{signer: newSigner(t, w.ca, o)} }
	noUsage := edited(trusttest.LeafOptions{Edit: func(c *x509.Certificate) { c.ExtraExtensions = nil }})
	country := edited(trusttest.LeafOptions{Edit: func(c *x509.Certificate) { c.Subject = pkix.Name{Country: []string{"FR"}, CommonName: "x"} }})
	runNeg(t, w, []negCase{
		{"C11 other signer of the same authority", edited(trusttest.LeafOptions{Name: "other"}), ""},
		{"C11 no extended key usage", noUsage, mdoc.ReasonIssuerUntrusted},
		{"C11 other country than the authority", country, mdoc.ReasonIssuerUntrusted},
		{"C11 lifetime beyond the profile", edited(trusttest.LeafOptions{Lifetime: 500 * 24 * time.Hour}), mdoc.ReasonIssuerUntrusted},
		{"C11 expired", edited(trusttest.LeafOptions{Lifetime: 24 * time.Hour}), mdoc.ReasonIssuerUntrusted},
		{"P17 authority that is not trusted", forgery{signer: foreign.signer}, mdoc.ReasonIssuerUntrusted},
		{"C08 no certificate", forgery{sign: func(payload []byte) any {
			auth, err := cose.Sign1(cose.SignOptions{}, payload, w.signer.Signer)
			if err != nil {
				t.Error(err)
			}
			return cose.RawMessage(auth)
		}}, mdoc.ReasonIssuerUntrusted},
		{"C08 certificate of another signer", forgery{sign: func(payload []byte) any {
			auth, err := cose.Sign1(cose.SignOptions{Chain: w.signer.Chain}, payload, foreign.signer.Signer)
			if err != nil {
				t.Error(err)
			}
			return cose.RawMessage(auth)
		}}, mdoc.ReasonIssuerSignature},
	})
}

// negAnchor looks at limits of anchors and at the elements of an mDL that
// repeat the certificate, which need another doctype or policy.
func negAnchor(t *testing.T) {
	t.Helper()
	w := newWorld(t)
	present := func(country string) []byte {
		d := w.draft()
		d.Claims["org.iso.18013.5.1"] = credentials.Object{"issuing_country": credentials.Text(country)}
		raw, err := mdoc.Issue(d, w.signer)
		if err != nil {
			t.Fatal(err)
		}
		out, err := mdoc.Present(raw, []credentials.Path{credentials.PathOf("org.iso.18013.5.1", "issuing_country")}, binding(), w.holder)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	reason := func(raw []byte) mdoc.Reason {
		_, err := w.verifier().Verify(t.Context(), raw, binding())
		var e *mdoc.Error
		if errors.As(err, &e) {
			return e.Reason
		}
		return ""
	}
	if got := reason(present("JP")); got != "" {
		t.Errorf("honest twin: %s", got)
	}
	if got := reason(present("FR")); got != mdoc.ReasonIssuingCountry {
		t.Errorf("MSO-08 issuing_country of another country: %q", got)
	}
	w.policy.Anchors[0].Types = []string{"org.iso.18013.5.1.mDL"}
	if got := reason(present("JP")); got != mdoc.ReasonIssuerUntrusted {
		t.Errorf("anchor for another doctype: %q", got)
	}
	w.policy.Anchors[0].Types = []string{docType}
	if got := reason(present("JP")); got != "" {
		t.Errorf("anchor for this doctype: %q", got)
	}
	w.policy.Anchors[0].Formats = []credentials.Format{credentials.FormatSDJWTVC}
	if got := reason(present("JP")); got != mdoc.ReasonIssuerUntrusted {
		t.Errorf("anchor for another format: %q", got)
	}
}
