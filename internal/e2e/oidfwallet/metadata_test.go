package oidfwallet_test

import (
	"net/http"
	"strings"

	"github.com/tegata-id/tegata/internal/e2e/wire"
)

func (s *issuer) metadata(rw http.ResponseWriter, _ *http.Request) {
	kind, _, keyattest := strings.Cut(s.proof, ".")
	proof := object{"proof_signing_alg_values_supported": []string{"ES256"}}
	if keyattest || kind == "attestation" {
		proof["key_attestations_required"] = object{}
	}
	c := object{
		"format": "dc+sd-jwt", "vct": vct, "scope": "pid", "cryptographic_binding_methods_supported": []string{"jwk"},
		"credential_signing_alg_values_supported": []string{"ES256"}, "proof_types_supported": object{kind: proof},
	}
	if s.mdoc {
		delete(c, "vct")
		c["format"], c["doctype"], c["cryptographic_binding_methods_supported"] = "mso_mdoc", doctype, []string{"cose_key"}
		c["credential_signing_alg_values_supported"] = []int{-7}
	}
	m := object{
		"credential_issuer": s.id, "credential_endpoint": s.id + "credential", "nonce_endpoint": s.id + "nonce",
		"notification_endpoint": s.id + "notification", "deferred_credential_endpoint": s.id + "deferred",
		"batch_credential_issuance":           object{"batch_size": 10},
		"credential_configurations_supported": object{s.configuration(): c},
		"unknown_parameter":                   object{"a": 1},
	}
	if s.encrypted {
		jwk := wire.JWK(&s.encryption.PublicKey)
		jwk["kid"], jwk["use"], jwk["alg"] = "enc", "enc", "ECDH-ES"
		m["credential_request_encryption"] = object{
			"jwks": object{"keys": []any{jwk}}, "enc_values_supported": []string{"A128GCM", "A256GCM"}, "encryption_required": true,
		}
		m["credential_response_encryption"] = object{
			"alg_values_supported": []string{"ECDH-ES"}, "enc_values_supported": []string{"A128GCM", "A256GCM"}, "encryption_required": true,
		}
	}
	if s.editMetadata != nil {
		s.editMetadata(m)
	}
	write(rw, 200, m)
}

func (s *issuer) serverMetadata(rw http.ResponseWriter, _ *http.Request) {
	m := object{
		"issuer": s.id, "authorization_endpoint": s.id + "authorize", "token_endpoint": s.id + "token",
		"pushed_authorization_request_endpoint": s.id + "par", "require_pushed_authorization_requests": true,
		"authorization_response_iss_parameter_supported": true, "code_challenge_methods_supported": []string{"S256"},
		"dpop_signing_alg_values_supported": []string{"ES256"}, "response_types_supported": []string{"code"},
		"grant_types_supported":                 []string{"authorization_code", "urn:ietf:params:oauth:grant-type:pre-authorized_code"},
		"token_endpoint_auth_methods_supported": []string{"attest_jwt_client_auth"},
		"unknown_parameter":                     1,
	}
	if s.challenges {
		m["challenge_endpoint"] = s.id + "challenge"
	}
	if s.editServer != nil {
		s.editServer(m)
	}
	write(rw, 200, m)
}

func (s *issuer) offer() object {
	grants := object{"authorization_code": object{"issuer_state": "state of the issuer"}}
	if s.preAuthorized {
		grants = object{"urn:ietf:params:oauth:grant-type:pre-authorized_code": object{
			"pre-authorized_code": "pre", "tx_code": object{"input_mode": "numeric", "length": len(txCode)},
		}}
	}
	o := object{
		"credential_issuer": s.id, "credential_configuration_ids": []string{s.configuration()}, "grants": grants, "unknown": 1,
	}
	if s.editOffer != nil {
		s.editOffer(o)
	}
	return o
}
