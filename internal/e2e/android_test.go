package e2e_test

import (
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/attestation"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/internal/app/sandbox"
	"github.com/tegata-id/tegata/wallet/holder"
	"github.com/tegata-id/tegata/wallet/provider/android"
	"github.com/tegata-id/tegata/wallet/provider/android/androidtest"
)

// TestAndroidWallet has a wallet on an Android device get a credential from an
// issuer that demands keys in a trusted environment: the provider learns from
// the device where they are. A device that is revoked gets none.
func TestAndroidWallet(t *testing.T) {
	t.Parallel()
	device, err := androidtest.NewDevice(time.Now().Add(-48 * time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct{ list, want string }{
		"genuine": {`{"entries":{}}`, ""},
		"revoked": {`{"entries":{"` + device.CA.Certificate.SerialNumber.Text(16) + `":{"status":"REVOKED"}}}`, "instance registration: fetch the wallet: unexpected status 403"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := deploy(t, deployOptions{prepare: func(box *sandbox.Sandbox) { acceptDevice(t, box, device, tc.list) }})
			w := d.newWallet(t)
			w.Attester = &holder.Provider{
				HTTP: w.Attester.(*holder.Provider).HTTP, URL: d.box.Provider, Platform: "android", Now: d.clock.Now,
				Evidence: func(_ context.Context, key crypto.PublicKey, challenge string) (string, error) {
					description, err := androidtest.Honest(challenge)
					if err != nil {
						return "", err
					}
					chain, err := device.Attest(key, description, nil)
					if err != nil {
						return "", err
					}
					return android.EncodeEvidence(chain)
				},
			}
			err := d.ask(t, w)
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%v, want %q", err, tc.want)
			}
		})
	}
}

// acceptDevice configures one device and an issuer that demands what it has.
func acceptDevice(t *testing.T, box *sandbox.Sandbox, device *androidtest.Device, list string) {
	t.Helper()
	roots, statuses := filepath.Join(box.Dir, "android-roots.pem"), filepath.Join(box.Dir, "android-status.json")
	for path, data := range map[string][]byte{
		roots: keys.EncodeChainPEM([]*x509.Certificate{device.Root.Certificate}), statuses: []byte(list),
	} {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := read(t, box)
	c.set("wallet_provider.android", map[string]any{
		"roots_file": roots, "status_list_file": statuses, "package": androidtest.Package,
		"signers": []any{hex.EncodeToString(androidtest.Signer[:sha256.Size])}, "min_patch_level": 202609,
		"key_storage": map[string]any{"trusted_environment": []any{attestation.ResistanceModerate}},
	})
	c.set("issuer.key_attestations", map[string]any{"urn:tegata:identity:jp:1": map[string]any{"key_storage": []any{attestation.ResistanceModerate}}})
	c.write(t, box)
}
