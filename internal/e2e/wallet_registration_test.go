package e2e_test

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/registration"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/internal/app/walletapp"
	"github.com/tegata-id/tegata/wallet/holder"
)

// TestWalletRegistration has a registrar vouch for what the verifier asks for, from
// the verifier's configuration to what the person reads.
func TestWalletRegistration(t *testing.T) {
	t.Parallel()
	ca, err := trusttest.NewCA(trusttest.CAOptions{NotBefore: time.Now().Add(-time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	registrar, err := ca.IssueListOperator(trusttest.LeafOptions{})
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(map[string]any{
		"name": "手形銀行の口座", "sub": "NTRJP-" + trust.CorporateNumber("100401098765"), "iat": time.Now().Unix(),
		"support_uri": "https://bank.example/data",
		"purpose":     []map[string]string{{"lang": "ja", "content": "口座開設"}},
		"credentials": []map[string]any{{"format": "dc+sd-jwt", "meta": "urn:tegata:identity:jp:1", "claim": []map[string]any{{"path": "birthdate"}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	compact, err := jose.Sign(jose.Header{Typ: registration.Type, X5C: registrar.Chain}, payload, registrar.Signer)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file, anchor := filepath.Join(dir, "registration.jwt"), filepath.Join(dir, "registrar.pem")
	if err := errors.Join(os.WriteFile(file, []byte(compact+"\n"), 0o600), os.WriteFile(anchor, keys.EncodeChainPEM([]*x509.Certificate{ca.Certificate}), 0o600)); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		info []config.VerifierInfo
		want []string
	}{
		"registered":   {[]config.VerifierInfo{{Format: registration.Format, File: file}}, []string{"registered as 手形銀行の口座, for: 口座開設", "not registered to ask for it"}},
		"unregistered": {nil, []string{"WARNING: it is not registered"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := deploy(t, deployOptions{configure: func(d *deployment) { d.cfg.Verifier.Request.VerifierInfo = tc.info }})
			wallet, err := os.ReadFile(d.box.WalletFile)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(d.box.WalletFile, append(wallet, "\nencrypted_only: true\nregistrar_anchors:\n  - file: "+anchor+"\n"...), 0o600); err != nil {
				t.Fatal(err)
			}
			card := newCard(t, "hanako")
			link := d.offer(t, "identity_sd_jwt")
			if shown, err := d.withConsole(t, func(shown string) string {
				if !strings.HasSuffix(shown, "Paste it here: ") {
					return "y"
				}
				callback, err := citizen{t, d, card}.Authorize(t.Context(), addressLine.FindString(shown), "")
				if err != nil {
					t.Error(err)
				}
				return callback
			}, func(c *walletapp.Console) error { return c.Receive(t.Context(), link) }); err != nil {
				t.Fatalf("%v\n%s", err, shown)
			}
			transaction, _ := d.askName(t)
			shown, err := d.withConsole(t, func(string) string { return "n" }, func(c *walletapp.Console) error { return c.Present(t.Context(), transaction.Link) })
			if !errors.Is(err, holder.ErrDeclined) {
				t.Fatalf("%v\n%s", err, shown)
			}
			for _, want := range tc.want {
				if !strings.Contains(shown, want) {
					t.Errorf("the person does not read %q:\n%s", want, shown)
				}
			}
			log, err := d.withConsole(t, func(string) string { return "" }, func(c *walletapp.Console) error { return c.Log(t.Context()) })
			if err != nil || strings.Contains(log, "口座開設  https://bank.example/data") != (tc.info != nil) {
				t.Errorf("%v, the log:\n%s", err, log)
			}
		})
	}
}
