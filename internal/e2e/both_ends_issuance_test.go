package e2e_test

import (
	"bytes"
	"context"
	"crypto"
	"encoding/json"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/wallet/holder"
)

// issuance is one combination of what an issuer and a wallet may do.
type issuance struct {
	format     credentials.Format
	grant      string
	proof      string // jwt, jwt with a key attestation, attestation
	encryption string // none, request, request and response
	deferred   bool
}

func issuances() (all []issuance) {
	for _, format := range []credentials.Format{credentials.FormatSDJWTVC, credentials.FormatMdoc} {
		for _, grant := range []string{openid4vci.GrantAuthorizationCode, openid4vci.GrantPreAuthorized} {
			for _, proof := range []string{"jwt", "jwt with a key attestation", "attestation"} {
				for _, encryption := range []string{"none", "request", "request and response"} {
					all = append(all, issuance{format, grant, proof, encryption, false}, issuance{format, grant, proof, encryption, true})
				}
			}
		}
	}
	return all
}

func (i issuance) String() string {
	timing := "immediate"
	if i.deferred {
		timing = "deferred"
	}
	return string(i.format) + "/" + i.grant + "/" + i.proof + "/" + i.encryption + "/" + timing
}

// glass leaves of the issuer's metadata, which allow everything, what the wallet
// is to use.
func (i issuance) glass(metadata map[string]any) {
	if i.encryption != "request and response" {
		delete(metadata, "credential_response_encryption")
	}
	if i.encryption == "none" {
		delete(metadata, "credential_request_encryption")
	}
	configurations, _ := metadata["credential_configurations_supported"].(map[string]any)
	for _, c := range configurations {
		proofs := c.(map[string]any)["proof_types_supported"].(map[string]any)
		byJWT := proofs[openid4vci.ProofTypeJWT].(map[string]any)
		switch i.proof {
		case "attestation":
			delete(proofs, openid4vci.ProofTypeJWT)
		case "jwt":
			delete(byJWT, "key_attestations_required")
		default:
			byJWT["key_attestations_required"] = map[string]any{}
		}
	}
}

// counted counts the key attestations that a wallet asks for.
type counted struct {
	holder.Attester
	keys atomic.Int32
}

// KeyAttestation implements holder.Attester.
func (c *counted) KeyAttestation(ctx context.Context, server string, keys []crypto.PublicKey, nonce string) (string, error) {
	c.keys.Add(1)
	return c.Attester.KeyAttestation(ctx, server, keys, nonce)
}

// teller knows the transaction code besides.
type teller struct {
	citizen
	txCode string
}

// TxCode implements holder.TxCodeReader.
func (c teller) TxCode(context.Context, openid4vci.TxCode) (string, error) { return c.txCode, nil }

func (b *bothEnds) testIssuance(t *testing.T) {
	for _, i := range issuances() {
		t.Run(i.String(), func(t *testing.T) {
			t.Parallel()
			b.issue(t, i)
			if !t.Failed() {
				b.issued.Add(1)
			}
		})
	}
}

// issue has a wallet receive two copies.
func (b *bothEnds) issue(t *testing.T, i issuance) {
	t.Helper()
	at := b.deployment
	if i.deferred {
		at = b.later
	}
	w, network := b.through(t, i.glass)
	attester := &counted{Attester: b.wallet.Attester}
	w.Attester = attester
	waits := 0
	w.Wait = func(context.Context, time.Duration) error {
		if waits++; waits > 1 {
			for _, seen := range at.pending(t) {
				at.decide(t, seen.ID, "approve")
			}
		}
		return nil
	}
	id := map[credentials.Format]string{credentials.FormatSDJWTVC: "identity_sd_jwt", credentials.FormatMdoc: "identity_mdoc"}[i.format]
	agent := teller{citizen: citizen{t, at, cardOf(t, "hanako")}}
	var link string
	if i.grant == openid4vci.GrantPreAuthorized {
		v := at.vouch(t, map[string]any{"credential_configuration_ids": []string{id}})
		link, agent.txCode = v.Link, v.TxCode
	} else {
		link = at.offer(t, id)
	}
	held, err := w.AcceptOffer(t.Context(), link, agent)
	if err != nil {
		t.Fatal(err)
	}
	if len(held) != 2 || held[0].Format != i.format || held[0].Key == nil {
		t.Fatalf("%d credentials", len(held))
	}
	// Other wallets have the operator approve what this one waits for too.
	if (waits > 0) != i.deferred || waits > 2 {
		t.Errorf("the wallet waited %d times", waits)
	}
	if want := map[bool]int32{true: 1}[i.proof != "jwt"]; attester.keys.Load() != want {
		t.Errorf("%d key attestations, want %d", attester.keys.Load(), want)
	}
	i.check(t, network, 1+waits)
}

// check looks at what went over the network: without it nothing says that the
// combination was that of the name.
func (i issuance) check(t *testing.T, network *wire, requests int) {
	t.Helper()
	sent, received := "application/json", "application/json"
	if i.encryption != "none" {
		sent = "application/jwt"
	}
	if i.encryption == "request and response" {
		received = "application/jwt"
	}
	calls := network.seen("/credential")
	if i.deferred {
		calls = append(calls, network.seen("/deferred-credential")...)
	}
	if len(calls) != requests {
		t.Errorf("%d requests, want %d", len(calls), requests)
	}
	for _, c := range calls {
		if diff := cmp.Diff([]string{sent, received}, []string{c.sent, c.received}); diff != "" {
			t.Error(c.url, diff)
		}
	}
	if i.encryption != "none" {
		return
	}
	var request struct{ Proofs map[string][]string }
	if err := json.Unmarshal(calls[0].body, &request); err != nil {
		t.Fatal(err)
	}
	count := map[string]int{"jwt": 2, "jwt with a key attestation": 1, "attestation": 1}[i.proof]
	kind, _, _ := bytes.Cut([]byte(i.proof), []byte(" "))
	if len(request.Proofs) != 1 || len(request.Proofs[string(kind)]) != count {
		t.Errorf("proofs: %v", request.Proofs)
	}
}
