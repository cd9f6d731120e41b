package oidfwallet_test

import (
	"crypto/ecdsa"
	"errors"
	"fmt"
	"strings"

	"github.com/tegata-id/tegata/internal/e2e/wire"
)

// verified returns the claims that the answer shows.
func (v *verifier) verified(answer object) (map[string]string, error) {
	members := []string{"vp_token"}
	if !v.dcapi() && v.params["state"] != nil {
		members = append(members, "state")
	}
	tokens, _ := answer["vp_token"].(object)
	list, _ := tokens["my_credential"].([]any)
	if !only(answer, members...) || len(answer) != len(members) || len(tokens) != 1 || len(list) != 1 || wire.Text(answer, "state") != wire.Text(v.params, "state") && !v.dcapi() {
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
	key, err := wire.Key(cnf["jwk"])
	if err != nil {
		return nil, err
	}
	_, k, err := readJWS("kb+jwt", kb)
	if err != nil {
		return nil, err
	}
	aud := wire.Text(v.params, "client_id")
	if v.dcapi() {
		aud = "origin:" + origin
	}
	hash := wire.Hash(strings.TrimSuffix(presentation, kb))
	return shown, first(
		wire.VerifyJWS(issuer, jwt), wire.VerifyJWS(key, kb), recent(k), want(wire.Text(k, "aud") == aud, "aud %v, want %s", k["aud"], aud),
		want(wire.Text(k, "nonce") == wire.Text(v.params, "nonce"), "nonce %v", k["nonce"]), want(wire.Text(k, "sd_hash") == hash, "sd_hash %v", k["sd_hash"]),
	)
}

// transcript is that of OpenID4VP appendix B.2.6.
func (v *verifier) transcript() []any {
	var print any
	if v.encrypted() {
		print = wire.Thumbprint(&v.key.PublicKey)
	}
	nonce := wire.Text(v.params, "nonce")
	if v.dcapi() {
		return []any{nil, nil, []any{"OpenID4VPDCAPIHandover", wire.Digest(wire.CBOR([]any{origin, nonce, print}))}}
	}
	response := wire.Text(v.params, "response_uri")
	if response == "" {
		response = strings.TrimPrefix(wire.Text(v.params, "client_id"), "redirect_uri:")
	}
	return []any{nil, nil, []any{"OpenID4VPHandover", wire.Digest(wire.CBOR([]any{wire.Text(v.params, "client_id"), nonce, print, response}))}}
}

func (v *verifier) verifiedMdoc(presentation string) (map[string]string, error) {
	raw, err := wire.UnB64(presentation)
	if err != nil {
		return nil, err
	}
	read, err := wire.ReadCBOR(raw)
	if err != nil {
		return nil, err
	}
	response, _ := read.(wire.Pairs)
	documents, _ := response.Get("documents").([]any)
	if response.Get("version") != "1.0" || response.Get("status") != 0 || len(documents) != 1 {
		return nil, fmt.Errorf("device response %v", response)
	}
	document, _ := documents[0].(wire.Pairs)
	issuerSigned, _ := document.Get("issuerSigned").(wire.Pairs)
	deviceSigned, _ := document.Get("deviceSigned").(wire.Pairs)
	spaces, err := wire.Embedded(deviceSigned.Get("nameSpaces"))
	if err != nil {
		return nil, err
	}
	auth, _ := deviceSigned.Get("deviceAuth").(wire.Pairs)
	sign1, _ := auth.Get("deviceSignature").([]any)
	issuerAuth, _ := issuerSigned.Get("issuerAuth").([]any)
	if document.Get("docType") != doctype || len(spaces.(wire.Pairs)) != 0 || len(sign1) != 4 || sign1[2] != nil || len(issuerAuth) != 4 {
		return nil, fmt.Errorf("document %v", document)
	}
	key, digests, err := deviceKey(issuerAuth[2])
	if err != nil {
		return nil, err
	}
	protected, _ := sign1[0].([]byte)
	signature, _ := sign1[3].([]byte)
	authentication := wire.Embed([]any{"DeviceAuthentication", v.transcript(), doctype, wire.Embed(wire.Pairs{})})
	if err := wire.VerifyRaw(key, wire.Signed(protected, authentication), signature); err != nil {
		return nil, err
	}
	return elements(issuerSigned.Get("nameSpaces"), digests)
}

// deviceKey reads the mobile security object in a payload.
func deviceKey(payload any) (*ecdsa.PublicKey, wire.Pairs, error) {
	raw, _ := payload.([]byte)
	outer, err := wire.ReadCBOR(raw)
	if err != nil {
		return nil, nil, err
	}
	inner, err := wire.Embedded(outer)
	if err != nil {
		return nil, nil, err
	}
	mso, _ := inner.(wire.Pairs)
	info, _ := mso.Get("deviceKeyInfo").(wire.Pairs)
	cose, _ := info.Get("deviceKey").(wire.Pairs)
	x, _ := cose.Get(-2).([]byte)
	y, _ := cose.Get(-3).([]byte)
	key, err := wire.Key(object{"kty": "EC", "crv": "P-256", "x": wire.B64(x), "y": wire.B64(y)})
	all, _ := mso.Get("valueDigests").(wire.Pairs)
	digests, _ := all.Get(namespace).(wire.Pairs)
	return key, digests, err
}

// elements returns what is shown, if it is what was signed.
func elements(spaces any, digests wire.Pairs) (map[string]string, error) {
	out := map[string]string{}
	table, _ := spaces.(wire.Pairs)
	items, _ := table.Get(namespace).([]any)
	for _, item := range items {
		read, err := wire.Embedded(item)
		if err != nil {
			return nil, err
		}
		element, _ := read.(wire.Pairs)
		tag, _ := item.(wire.Tagged)
		sum, _ := digests.Get(element.Get("digestID")).([]byte)
		if string(wire.Digest(wire.CBOR(tag))) != string(sum) {
			return nil, errors.New("an element is not what was signed")
		}
		name, _ := element.Get("elementIdentifier").(string)
		out[name], _ = element.Get("elementValue").(string)
	}
	return out, nil
}
