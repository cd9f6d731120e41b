package oidfwallet_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/internal/e2e/wire"
	"github.com/tegata-id/tegata/wallet/holder"
)

// variants are those of the plan that the wallet has.
func variants() []variant {
	var out []variant
	for bits := range 64 {
		bit := func(n int) bool { return bits>>n&1 == 1 }
		for i, proof := range []string{"jwt", "jwt.keyattest", "attestation"} {
			// Each form of proof comes with a third of the combinations of the rest,
			// and in turns with each of its parts.
			if (bits+bits/3)%3 == i {
				out = append(out, variant{
					mdoc: bit(0), deferred: bit(1), encrypted: bit(2), details: bit(3), preAuthorized: bit(4), byReference: bit(5), proof: proof,
				})
			}
		}
	}
	for n := range 48 {
		bit := func(i int) bool { return n>>i&1 == 1 }
		out = append(out, variant{
			mdoc: bit(0), deferred: bit(1), encrypted: bit(2), details: bit(3), walletInitiated: n < 16, dcapi: n >= 16, preAuthorized: n >= 32,
			proof: []string{"jwt", "jwt.keyattest", "attestation"}[n%3],
		})
	}
	return out
}

// accepted holds that the wallet has what was issued, each with its own key.
func (s *issuer) accepted() *holder.Wallet {
	s.t.Helper()
	held, w, err := s.offered()
	if err != nil {
		s.t.Fatal(err)
	}
	if len(held) != 3 || s.requested != 3 {
		s.t.Fatalf("%d credentials in the vault, %d issued", len(held), s.requested)
	}
	for _, h := range held {
		print, err := jose.ThumbprintOf(h.Key.Public())
		if err != nil {
			s.t.Fatal(err)
		}
		raw, _ := wire.UnB64(print)
		if !s.identities[string(raw)] {
			s.t.Error("a credential is held with a key that it was not issued to")
		}
		delete(s.identities, string(raw))
		want := credentials.Object{"given_name": credentials.Text("Jean"), "family_name": credentials.Text("Dupont"), "birth_date": credentials.Text("1980-05-23")}
		if s.mdoc {
			want = credentials.Object{namespace: want}
		}
		if diff := cmp.Diff(want, h.Claims); diff != "" {
			s.t.Error(diff)
		}
	}
	return w
}

// TestIssuance has the modules of oid4vci-1_0-wallet-test-plan.
func TestIssuance(t *testing.T) {
	t.Parallel()
	t.Run("credential-issuance", func(t *testing.T) {
		t.Parallel()
		for _, v := range variants() {
			t.Run(v.String(), func(t *testing.T) {
				t.Parallel()
				newIssuer(t, v).accepted()
			})
		}
	})
	t.Run("happy-path-with-scopes-without-authorization-details-in-token-response", func(t *testing.T) {
		t.Parallel()
		s := newIssuer(t, variant{proof: "jwt"})
		s.accepted()
		if s.pushed.Get("scope") != "pid" {
			t.Errorf("pushed %v", s.pushed)
		}
	})
	t.Run("credential-issuance/wallet_initiated-authorization_details", func(t *testing.T) {
		t.Parallel()
		s := newIssuer(t, variant{proof: "jwt", walletInitiated: true, details: true})
		s.editMetadata = func(m object) {
			delete(m["credential_configurations_supported"].(object)[s.configuration()].(object), "scope")
			m["authorization_servers"] = []string{s.id}
		}
		s.accepted()
		details, err := parse([]byte(`{"list":` + s.pushed.Get("authorization_details") + `}`))
		want := object{"list": []any{object{"type": "openid_credential", "credential_configuration_id": s.configuration(), "locations": []any{s.id}}}}
		if diff := cmp.Diff(want, details); diff != "" || err != nil || s.pushed.Has("scope") {
			t.Errorf("pushed %v, %v\n%s", s.pushed, err, diff)
		}
	})
	modules(t, variant{proof: "jwt"})
	for name, v := range map[string]variant{"wallet_initiated": {proof: "jwt", walletInitiated: true}, "issuer_initiated_dc_api": {proof: "jwt", dcapi: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			modules(t, v)
		})
	}
}

// TestHAIP has those of oid4vci-1_0-wallet-haip-test-plan that are not of FAPI.
func TestHAIP(t *testing.T) {
	t.Parallel()
	for _, mdoc := range []bool{false, true} {
		for _, mode := range []variant{{}, {deferred: true}, {encrypted: true}} {
			mode.mdoc, mode.proof, mode.details = mdoc, "jwt.keyattest", true
			t.Run(mode.String(), func(t *testing.T) {
				t.Parallel()
				t.Run("credential-issuance", func(t *testing.T) {
					t.Parallel()
					newIssuer(t, mode).accepted()
				})
				modules(t, mode)
				t.Run("wallet_initiated", func(t *testing.T) {
					t.Parallel()
					started := mode
					started.walletInitiated = true
					newIssuer(t, started).accepted()
					modules(t, started)
				})
			})
		}
	}
}

// modules has what both plans have beside the first module.
func modules(t *testing.T, v variant) {
	t.Helper()
	t.Run("credential-issuance-notification", func(t *testing.T) {
		t.Parallel()
		s := newIssuer(t, v)
		s.accepted()
		if diff := cmp.Diff([]string{"credential_accepted"}, s.events); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("client-attestation-challenge", func(t *testing.T) {
		t.Parallel()
		s := newIssuer(t, v)
		s.challenges = true
		s.accepted()
		if s.called("POST challenge") == 0 {
			t.Error("the wallet never asked for a challenge")
		}
	})
	t.Run("batch-credential-issuance", func(t *testing.T) {
		t.Parallel()
		s := newIssuer(t, v)
		w := s.accepted()
		all, err := w.Vault.List(t.Context())
		if err != nil || len(holder.Batches(all)) != 1 {
			t.Errorf("%d batches, %v", len(holder.Batches(all)), err)
		}
	})
}
