package oidfwallet_test

import (
	"crypto/ecdsa"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tegata-id/tegata/internal/e2e/wire"
)

// client holds the wallet to attestation-based client authentication.
func (s *issuer) client(r *http.Request) error {
	attested, pop := r.Header.Values("OAuth-Client-Attestation"), r.Header.Values("OAuth-Client-Attestation-PoP")
	if len(attested) != 1 || len(pop) != 1 {
		return fmt.Errorf("%d attestations and %d proofs", len(attested), len(pop))
	}
	header, a, err := readJWS("oauth-client-attestation+jwt", attested[0])
	if err != nil {
		return err
	}
	key, err := leafOf(header, s.ca.Certificate)
	if err != nil {
		return fmt.Errorf("client attestation: %w", err)
	}
	cnf, _ := a["cnf"].(object)
	instance, err := wire.Key(cnf["jwk"])
	if err != nil {
		return err
	}
	_, p, err := readJWS("oauth-client-attestation-pop+jwt", pop[0])
	if err != nil {
		return err
	}
	exp, _ := a["exp"].(float64)
	id, now := wire.Text(a, "sub"), float64(time.Now().Unix())
	fresh := !s.seen[wire.Text(p, "jti")]
	s.seen[wire.Text(p, "jti")] = true
	return first(
		wire.VerifyJWS(key, attested[0]), wire.VerifyJWS(instance, pop[0]),
		want(wire.Text(a, "iss") == providerURL, "iss of the attestation is %v", a["iss"]),
		want(id == clientID && r.PostForm.Get("client_id") == id, "client_id %q, sub %q", r.PostForm.Get("client_id"), id),
		want(exp > now && exp < now+24*3600, "the attestation expires at %v", a["exp"]),
		want(p["iss"] == nil || wire.Text(p, "iss") == id, "iss of the proof is %v", p["iss"]),
		want(wire.Text(p, "aud") == s.id, "aud of the proof is %v", p["aud"]),
		want(wire.Text(p, "jti") != "" && fresh, "jti of the proof is missing or old"),
		recent(p),
		want(!s.challenges || s.challenge != "" && wire.Text(p, "challenge") == s.challenge, "challenge of the proof is %v, want %q", p["challenge"], s.challenge),
	)
}

// recent holds iat to the last five minutes.
func recent(claims object) error {
	iat, ok := claims["iat"].(float64)
	age := float64(time.Now().Unix()) - iat
	return want(ok && age < 300 && age > -300, "iat is %v", claims["iat"])
}

// dpop holds the wallet to RFC 9449. It asks for a nonce first.
func (s *issuer) dpop(rw http.ResponseWriter, r *http.Request, token string) (again bool, err error) {
	proof := r.Header.Values("DPoP")
	if len(proof) != 1 {
		return false, fmt.Errorf("%d DPoP proofs", len(proof))
	}
	header, p, err := readJWS("dpop+jwt", proof[0])
	if err != nil {
		return false, err
	}
	key, err := wire.Key(header["jwk"])
	if err != nil {
		return false, err
	}
	print := wire.B64(wire.Thumbprint(key))
	if s.dpopKey == "" {
		s.dpopKey = print
	}
	ath := ""
	if token != "" {
		ath = wire.Hash(token)
	}
	fresh := !s.seen[wire.Text(p, "jti")]
	s.seen[wire.Text(p, "jti")] = true
	if err := first(
		wire.VerifyJWS(key, proof[0]), recent(p),
		want(wire.Text(p, "htm") == r.Method && wire.Text(p, "htu") == s.base+r.URL.Path, "DPoP proof for %v %v", p["htm"], p["htu"]),
		want(wire.Text(p, "ath") == ath, "ath is %v", p["ath"]), want(fresh, "a DPoP proof came twice"),
		want(print == s.dpopKey, "another DPoP key"),
	); err != nil || s.noNonces {
		return false, err
	}
	place := "resource"
	if token == "" {
		place = "server"
	}
	if s.nonces[place] == "" || wire.Text(p, "nonce") != s.nonces[place] {
		err = want(s.nonces[place] == "", "DPoP nonce %v, want %q", p["nonce"], s.nonces[place])
		s.nonces[place] = rand.Text()
		rw.Header().Set("DPoP-Nonce", s.nonces[place])
		return true, err
	}
	return false, nil
}

// proofKeys holds the proofs to appendix F and returns the keys they name.
func (s *issuer) proofKeys(request object) ([]*ecdsa.PublicKey, error) {
	kind, _, keyattest := strings.Cut(s.proof, ".")
	proofs, _ := request["proofs"].(object)
	list, _ := proofs[kind].([]any)
	if len(proofs) != 1 || len(list) == 0 {
		return nil, fmt.Errorf("proofs %v, want %s", proofs, kind)
	}
	if kind == "attestation" {
		if len(list) != 1 {
			return nil, errors.New("not exactly one attestation")
		}
		return s.attested(list[0], false)
	}
	var out []*ecdsa.PublicKey
	for _, item := range list {
		proof, _ := item.(string)
		header, p, err := readJWS("openid4vci-proof+jwt", proof)
		if err != nil {
			return nil, err
		}
		key, err := wire.Key(header["jwk"])
		if err != nil {
			return nil, err
		}
		if err := first(
			wire.VerifyJWS(key, proof), recent(p), want(header["kid"] == nil && header["x5c"] == nil, "header %v", header),
			want(wire.Text(p, "aud") == s.id, "aud of the proof is %v", p["aud"]), want(wire.Text(p, "nonce") == s.cNonce, "nonce of the proof is %v", p["nonce"]),
		); err != nil {
			return nil, err
		}
		if !keyattest {
			out = append(out, key)
			continue
		}
		attested, err := s.attested(header["key_attestation"], true)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(attested, func(k *ecdsa.PublicKey) bool { return k.Equal(key) }) {
			return nil, errors.New("the proof is by a key that is not attested")
		}
		out = append(out, attested...)
	}
	return out, nil
}

// attested reads a key attestation (appendix D).
func (s *issuer) attested(item any, expires bool) ([]*ecdsa.PublicKey, error) {
	jws, _ := item.(string)
	header, a, err := readJWS("key-attestation+jwt", jws)
	if err != nil {
		return nil, err
	}
	signer, err := leafOf(header, s.ca.Certificate)
	if err != nil {
		return nil, err
	}
	iat, _ := a["iat"].(float64)
	exp, hasExp := a["exp"].(float64)
	list, _ := a["attested_keys"].([]any)
	var out []*ecdsa.PublicKey
	for _, jwk := range list {
		key, err := wire.Key(jwk)
		if err != nil {
			return nil, err
		}
		out = append(out, key)
	}
	now := float64(time.Now().Unix())
	return out, first(
		wire.VerifyJWS(signer, jws), want(len(out) > 0, "no attested keys"), want(iat > 0 && iat < now+60, "iat %v", a["iat"]),
		want(hasExp && exp > now || !expires && !hasExp, "exp %v", a["exp"]), want(wire.Text(a, "nonce") == s.cNonce, "nonce %v", a["nonce"]),
	)
}
