package e2e_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"path"
	"strings"
	"testing"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/wallet/provider"
)

// providerMatrix has an entry for every route of a wallet provider.
func providerMatrix() map[string]entry {
	attestations := func(path string, purpose provider.Purpose) entry {
		return entry{attempts: append(instanceProofAttempts(path, purpose), attempt{"instance", tryInstance(path, purpose)})}
	}
	return map[string]entry{
		"POST /challenges":                        {public: "it takes nothing; whose challenges are accepted is tried where proofs are"},
		"GET /openapi.yaml":                       {public: "a document for everybody"},
		"GET /status-lists/:id":                   {attempts: []attempt{{"list", tryAttestationList}}},
		"POST /instances":                         {attempts: instanceProofAttempts("", provider.PurposeRegister)},
		"POST /instances/:id/client-attestations": attestations(provider.PathClientAttestations, provider.PurposeClientAttestation),
		"POST /instances/:id/key-attestations":    attestations(provider.PathKeyAttestations, provider.PurposeKeyAttestation),
		"POST /instances/:id/revoke":              attestations(provider.PathRevoke, provider.PurposeRevoke),
		"POST /admin/revocations":                 {attempts: []attempt{{"operator's token", tryRevokeMany}}},
		"POST /admin/instances/:id/revoke": {attempts: []attempt{
			{"operator's token", tryProviderOperator}, {"instance", tryRevoke},
		}},
	}
}

// challenge gets a challenge.
func (s *side) challenge(t *testing.T) string {
	t.Helper()
	var c provider.ChallengeResponse
	s.send(t, http.MethodPost, s.box.Provider+provider.PathChallenges, nil, nil).read(t, &c)
	return c.Challenge
}

// prove signs a proof for a provider, with a key to attest where there must be
// one.
func (s *side) prove(t *testing.T, key *ecdsa.PrivateKey, purpose provider.Purpose, audience, challenge string) string {
	t.Helper()
	p := provider.Proof{Audience: audience, Purpose: purpose, Challenge: challenge, IssuedAt: s.clock.Now()}
	if purpose == provider.PurposeKeyAttestation {
		p.Keys = []crypto.PublicKey{newKey(t).Public()}
	}
	proof, err := provider.SignProof(p, key)
	if err != nil {
		t.Fatal(err)
	}
	return proof
}

// sendProof asks for an attestation, or for a registration if path is empty.
func (s *side) sendProof(t *testing.T, key *ecdsa.PrivateKey, id, path, proof string) *answer {
	t.Helper()
	var request any = provider.ClientAttestationRequest{Proof: proof}
	target := provider.PathInstances
	if path == "" {
		jwk, err := jose.NewJWK(key.Public())
		if err != nil {
			t.Fatal(err)
		}
		request = provider.RegisterRequest{InstanceKey: jwk, Platform: provider.SoftwarePlatform, Proof: proof}
	} else {
		target += "/" + id + path
	}
	body, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	return s.send(t, http.MethodPost, s.box.Provider+target, http.Header{"Content-Type": {typeJSON}}, body)
}

// register makes the key an instance.
func (s *side) register(t *testing.T, key *ecdsa.PrivateKey) string {
	t.Helper()
	proof := s.prove(t, key, provider.PurposeRegister, s.box.Provider, s.challenge(t))
	var r provider.RegisterResponse
	s.sendProof(t, key, "", "", proof).read(t, &r)
	return r.InstanceID
}

// attestedBy registers the key and returns an attestation for it, with where its
// status is.
func (s *side) attestedBy(t *testing.T, key *ecdsa.PrivateKey) (id string, ref credentials.StatusRef) {
	t.Helper()
	id = s.register(t, key)
	proof := s.prove(t, key, provider.PurposeClientAttestation, s.box.Provider, s.challenge(t))
	var r provider.ClientAttestationResponse
	s.sendProof(t, key, id, provider.PathClientAttestations, proof).read(t, &r)
	return id, statusInJWT(t, r.ClientAttestation)
}

// statusInJWT reads where the status of an attestation is.
func statusInJWT(t *testing.T, token string) credentials.StatusRef {
	t.Helper()
	var claims struct {
		Status struct {
			List struct {
				Index uint64 `json:"idx"`
				URI   string `json:"uri"`
			} `json:"status_list"`
		} `json:"status"`
	}
	parts := strings.Split(token, ".")
	payload, err := base64.RawURLEncoding.DecodeString(parts[min(1, len(parts)-1)])
	if err == nil {
		err = json.Unmarshal(payload, &claims)
	}
	if err != nil || claims.Status.List.URI == "" {
		t.Fatalf("no status in %q: %v", payload, err)
	}
	return credentials.StatusRef{URI: claims.Status.List.URI, Index: claims.Status.List.Index}
}

// tryAttestationList gets the list of an attestation.
func tryAttestationList(t *testing.T, n *neighbours) trial {
	t.Helper()
	_, ref := n.a.attestedBy(t, newKey(t))
	get := func(s *side, id string) func() *answer {
		return func() *answer {
			return s.send(t, http.MethodGet, s.box.Provider+provider.PathStatusLists+"/"+id, nil, nil)
		}
	}
	return trial{own: get(n.a, path.Base(ref.URI)), other: get(n.b, path.Base(ref.URI)), guess: get(n.b, rand.Text())}
}

// instanceProofAttempts try the parts of a proof of an instance that both
// providers know, by the same key.
func instanceProofAttempts(path string, purpose provider.Purpose) []attempt {
	try := func(t *testing.T, n *neighbours, proof func(s *side, key *ecdsa.PrivateKey, of *side) string) trial {
		t.Helper()
		key := newKey(t)
		ids := map[*side]string{}
		for _, s := range []*side{n.a, n.b} {
			if path != "" {
				ids[s] = s.register(t, key)
			}
		}
		ask := func(s, of *side) func() *answer {
			return func() *answer { return s.sendProof(t, key, ids[s], path, proof(s, key, of)) }
		}
		return trial{own: ask(n.a, n.a), other: ask(n.b, n.a), guess: ask(n.b, nil), alive: ask(n.b, n.b)}
	}
	return []attempt{
		{"challenge", func(t *testing.T, n *neighbours) trial {
			t.Helper()
			return try(t, n, func(s *side, key *ecdsa.PrivateKey, of *side) string {
				challenge := make([]byte, base64.RawURLEncoding.DecodedLen(len(s.challenge(t))))
				_, _ = rand.Read(challenge)
				text := base64.RawURLEncoding.EncodeToString(challenge)
				if of != nil {
					text = of.challenge(t)
				}
				return s.prove(t, key, purpose, s.box.Provider, text)
			})
		}},
		{"proof", func(t *testing.T, n *neighbours) trial {
			t.Helper()
			return try(t, n, func(s *side, key *ecdsa.PrivateKey, of *side) string {
				audience := elsewhere
				if of != nil {
					audience = of.box.Provider
				}
				return s.prove(t, key, purpose, audience, s.challenge(t))
			})
		}},
	}
}

// tryInstance asks for attestations for the instance of a by the key it has.
func tryInstance(path string, purpose provider.Purpose) func(t *testing.T, n *neighbours) trial {
	return func(t *testing.T, n *neighbours) trial {
		t.Helper()
		key := newKey(t)
		id := n.a.register(t, key)
		ask := func(s *side, id string) func() *answer {
			return func() *answer {
				return s.sendProof(t, key, id, path, s.prove(t, key, purpose, s.box.Provider, s.challenge(t)))
			}
		}
		return trial{own: ask(n.a, id), other: ask(n.b, id), guess: ask(n.b, rand.Text())}
	}
}

// revoke ends an instance.
func (s *side) revoke(t *testing.T, id, token string) func() *answer {
	t.Helper()
	return func() *answer {
		return s.send(t, http.MethodPost, s.box.Provider+provider.PathAdminInstances+"/"+id+provider.PathRevoke, bearer(token, nil), nil)
	}
}

// operatorOf returns the token of the provider's operator.
func (s *side) operatorOf(t *testing.T) string {
	t.Helper()
	return secret(t, s.section(config.RoleProvider).Provider.AdminToken)
}

func tryProviderOperator(t *testing.T, n *neighbours) trial {
	t.Helper()
	key := newKey(t)
	here, there := n.a.register(t, key), n.b.register(t, key)
	token := n.a.operatorOf(t)
	return trial{
		own: n.a.revoke(t, here, token), other: n.b.revoke(t, there, token), guess: n.b.revoke(t, there, unknown()),
		alive: func() *answer {
			// What the operator of a has revoked is another instance than that of b.
			proof := n.b.prove(t, key, provider.PurposeClientAttestation, n.b.box.Provider, n.b.challenge(t))
			return n.b.sendProof(t, key, there, provider.PathClientAttestations, proof)
		},
	}
}

// tryRevokeMany has the operator of a end a version of the wallet. That of b has
// instances of a version with the same name, which stand.
func tryRevokeMany(t *testing.T, n *neighbours) trial {
	t.Helper()
	key := newKey(t)
	here, there := n.a.register(t, key), n.b.register(t, key)
	n.a.attest(t, key, here)
	n.b.attest(t, key, there)
	end := func(s *side, token string) func() *answer {
		return func() *answer {
			body := []byte(`{"wallet_version":"1.0"}`)
			return s.send(t, http.MethodPost, s.box.Provider+provider.PathAdminRevocations, bearer(token, body), body)
		}
	}
	token := n.a.operatorOf(t)
	return trial{
		own: end(n.a, token), other: end(n.b, token), guess: end(n.b, unknown()),
		alive: func() *answer { return n.b.attest(t, key, there) },
	}
}

// attest asks for a client attestation for version 1.0.
func (s *side) attest(t *testing.T, key *ecdsa.PrivateKey, id string) *answer {
	t.Helper()
	proof, err := provider.SignProof(provider.Proof{
		Audience: s.box.Provider, Purpose: provider.PurposeClientAttestation, Challenge: s.challenge(t),
		IssuedAt: s.clock.Now(), WalletVersion: "1.0",
	}, key)
	if err != nil {
		t.Fatal(err)
	}
	return s.sendProof(t, key, id, provider.PathClientAttestations, proof)
}

// tryRevoke has the operator of b revoke an instance of a.
func tryRevoke(t *testing.T, n *neighbours) trial {
	t.Helper()
	id, token := n.a.register(t, newKey(t)), n.b.operatorOf(t)
	return trial{own: n.a.revoke(t, id, n.a.operatorOf(t)), other: n.b.revoke(t, id, token), guess: n.b.revoke(t, rand.Text(), token)}
}
