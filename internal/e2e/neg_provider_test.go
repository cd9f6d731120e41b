package e2e_test

import (
	"crypto/x509"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/attestation"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
	"github.com/tegata-id/tegata/internal/app/sandbox"
)

// TestNegOtherProvider has a provider that is trusted attest an instance of a
// wallet that is another's.
func TestNegOtherProvider(t *testing.T) {
	t.Parallel()
	other, err := trusttest.NewCA(trusttest.CAOptions{Name: "Another provider's CA", NotBefore: time.Now().Add(-time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	signer, err := other.IssueWalletProvider(trusttest.LeafOptions{})
	if err != nil {
		t.Fatal(err)
	}
	registered := func(bound bool) *deployment {
		return deploy(t, deployOptions{prepare: func(box *sandbox.Sandbox) {
			file := filepath.Join(box.Dir, "other-provider.pem")
			if err := os.WriteFile(file, keys.EncodeChainPEM([]*x509.Certificate{other.Certificate}), 0o600); err != nil {
				t.Fatal(err)
			}
			own := filepath.Join(box.Dir, "wallet-provider-ca.pem")
			wallet := map[string]any{"client_id": "tegata-sandbox-wallet", "redirect_uris": []any{"https://wallet.example/callback"}}
			if bound {
				wallet["provider_file"] = own
			}
			c := read(t, box)
			c.set("issuer.wallet_providers", []any{map[string]any{"file": own}, map[string]any{"file": file}})
			c.set("issuer.wallets", []any{wallet})
			c.write(t, box)
		}})
	}
	for name, tc := range map[string]struct {
		bound, stranger bool
		status          int
	}{
		"registered with its provider":                       {true, false, http.StatusCreated},
		"I19 attested by another":                            {true, true, http.StatusUnauthorized},
		"attested by another where every provider may speak": {false, true, http.StatusCreated},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := registered(tc.bound)
			c := d.newClient(t)
			if tc.stranger {
				now := time.Now().Truncate(time.Second)
				var err error
				if c.attestation, err = attestation.SignClientAttestation(attestation.ClientAttestation{
					Issuer: "https://another-provider.example", ClientID: c.id, InstanceKey: c.instance.Public(),
					IssuedAt: now, ExpiresAt: now.Add(time.Hour), WalletName: "手形ウォレット",
				}, signer); err != nil {
					t.Fatal(err)
				}
			}
			a := c.push(t, c.parForm(), nil)
			if a.status != tc.status || tc.status == http.StatusUnauthorized && a.code() != "invalid_client" {
				t.Errorf("%d %s", a.status, a.body)
			}
		})
	}
}
