package oidfwallet_test

import (
	"crypto/ecdsa"
	"errors"
	"fmt"
	"strings"
)

// verified returns the claims that the answer shows.
func (v *verifier) verified(answer object) (map[string]string, error) {
	members := []string{"vp_token"}
	if !v.dcapi() && v.params["state"] != nil {
		members = append(members, "state")
	}
	tokens, _ := answer["vp_token"].(object)
	list, _ := tokens["my_credential"].([]any)
	if !only(answer, members...) || len(answer) != len(members) || len(tokens) != 1 || len(list) != 1 || text(answer, "state") != text(v.params, "state") && !v.dcapi() {
		return nil, fmt.Errorf("answer %v", answer)
	}
	presentation, _ := list[0].(string)
	if v.mdoc {
		return v.verifiedMdoc(presentation)
	}
	jwt, kb, shown, err := disclosed(presentation)
	if err != nil {
		return nil, err
	}
	header, payload, err := readJWS("dc+sd-jwt", jwt)
	if err != nil {
		return nil, err
	}
	issuer, err := leafOf(header, v.ca.Certificate)
	if err != nil {
		return nil, err
	}
	cnf, _ := payload["cnf"].(object)
	key, err := keyOf(cnf["jwk"])
	if err != nil {
		return nil, err
	}
	_, k, err := readJWS("kb+jwt", kb)
	if err != nil {
		return nil, err
	}
	aud := text(v.params, "client_id")
	if v.dcapi() {
		aud = "origin:" + origin
	}
	hash := b64.EncodeToString(digest([]byte(strings.TrimSuffix(presentation, kb))))
	return shown, first(
		verify(issuer, jwt), verify(key, kb), recent(k), want(text(k, "aud") == aud, "aud %v, want %s", k["aud"], aud),
		want(text(k, "nonce") == text(v.params, "nonce"), "nonce %v", k["nonce"]), want(text(k, "sd_hash") == hash, "sd_hash %v", k["sd_hash"]),
	)
}

// transcript is that of OpenID4VP appendix B.2.6.
func (v *verifier) transcript() []any {
	var print any
	if v.encrypted() {
		print = thumbprint(&v.key.PublicKey)
	}
	nonce := text(v.params, "nonce")
	if v.dcapi() {
		return []any{nil, nil, []any{"OpenID4VPDCAPIHandover", digest(cbor([]any{origin, nonce, print}))}}
	}
	response := text(v.params, "response_uri")
	if response == "" {
		response = strings.TrimPrefix(text(v.params, "client_id"), "redirect_uri:")
	}
	return []any{nil, nil, []any{"OpenID4VPHandover", digest(cbor([]any{text(v.params, "client_id"), nonce, print, response}))}}
}

func (v *verifier) verifiedMdoc(presentation string) (map[string]string, error) {
	raw, err := b64.DecodeString(presentation)
	if err != nil {
		return nil, err
	}
	read, err := readCBOR(raw)
	if err != nil {
		return nil, err
	}
	response, _ := read.(pairs)
	documents, _ := response.get("documents").([]any)
	if response.get("version") != "1.0" || response.get("status") != 0 || len(documents) != 1 {
		return nil, fmt.Errorf("device response %v", response)
	}
	document, _ := documents[0].(pairs)
	issuerSigned, _ := document.get("issuerSigned").(pairs)
	deviceSigned, _ := document.get("deviceSigned").(pairs)
	spaces, err := embedded(deviceSigned.get("nameSpaces"))
	if err != nil {
		return nil, err
	}
	auth, _ := deviceSigned.get("deviceAuth").(pairs)
	sign1, _ := auth.get("deviceSignature").([]any)
	issuerAuth, _ := issuerSigned.get("issuerAuth").([]any)
	if document.get("docType") != doctype || len(spaces.(pairs)) != 0 || len(sign1) != 4 || sign1[2] != nil || len(issuerAuth) != 4 {
		return nil, fmt.Errorf("document %v", document)
	}
	key, digests, err := deviceKey(issuerAuth[2])
	if err != nil {
		return nil, err
	}
	protected, _ := sign1[0].([]byte)
	signature, _ := sign1[3].([]byte)
	authentication := embed([]any{"DeviceAuthentication", v.transcript(), doctype, embed(pairs{})})
	if err := verifyRaw(key, cbor([]any{"Signature1", protected, []byte{}, []byte(authentication)}), signature); err != nil {
		return nil, err
	}
	return elements(issuerSigned.get("nameSpaces"), digests)
}

// deviceKey reads the mobile security object in a payload.
func deviceKey(payload any) (*ecdsa.PublicKey, pairs, error) {
	raw, _ := payload.([]byte)
	outer, err := readCBOR(raw)
	if err != nil {
		return nil, nil, err
	}
	inner, err := embedded(outer)
	if err != nil {
		return nil, nil, err
	}
	mso, _ := inner.(pairs)
	info, _ := mso.get("deviceKeyInfo").(pairs)
	cose, _ := info.get("deviceKey").(pairs)
	x, _ := cose.get(-2).([]byte)
	y, _ := cose.get(-3).([]byte)
	key, err := keyOf(object{"kty": "EC", "crv": "P-256", "x": b64.EncodeToString(x), "y": b64.EncodeToString(y)})
	all, _ := mso.get("valueDigests").(pairs)
	digests, _ := all.get(namespace).(pairs)
	return key, digests, err
}

// elements returns what is shown, if it is what was signed.
func elements(spaces any, digests pairs) (map[string]string, error) {
	out := map[string]string{}
	table, _ := spaces.(pairs)
	items, _ := table.get(namespace).([]any)
	for _, item := range items {
		read, err := embedded(item)
		if err != nil {
			return nil, err
		}
		element, _ := read.(pairs)
		tag, _ := item.(tagged)
		sum, _ := digests.get(element.get("digestID")).([]byte)
		if string(digest(cbor(tag))) != string(sum) {
			return nil, errors.New("an element is not what was signed")
		}
		name, _ := element.get("elementIdentifier").(string)
		out[name], _ = element.get("elementValue").(string)
	}
	return out, nil
}
