package ca_test

import (
	"crypto"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
	"github.com/tegata-id/tegata/internal/app"
	"github.com/tegata-id/tegata/internal/app/ca"
	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/internal/app/sandbox"
	"github.com/tegata-id/tegata/internal/telemetry"
)

// TestRequestToStart replaces every certificate of a sandbox by one that was
// asked for with a request of its configured key, and starts the process.
func TestRequestToStart(t *testing.T) {
	t.Parallel()
	box, err := sandbox.New(t.TempDir(), sandbox.Options{Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(box.ConfigFile)
	if err != nil {
		t.Fatal(err)
	}
	authorities := map[ca.Kind]*ca.Authority{}
	for _, kind := range []ca.Kind{ca.Generic, ca.IACA} {
		dir := filepath.Join(t.TempDir(), "ca")
		if err := ca.Init(dir, options(kind), time.Now()); err != nil {
			t.Fatal(err)
		}
		if authorities[kind], err = ca.Open(dir, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	subject := ca.Subject{Organization: "手形市", OrganizationIdentifier: trusttest.CorporateNumber()}
	for _, tt := range []struct {
		name, use string
		kind      ca.Kind
		config    config.Key
		profile   *trust.Profile
	}{
		{"issuer.keys.sd_jwt", "sd-jwt", ca.Generic, cfg.Issuer.Keys.SDJWT[0], &trust.ProfileSDJWTIssuer},
		{"issuer.keys.mdoc", "mdoc", ca.IACA, cfg.Issuer.Keys.Mdoc[0], &trust.ProfileMdocSigner},
		{"issuer.keys.status", "status", ca.Generic, cfg.Issuer.Keys.Status[0], &trust.ProfileStatusSigner},
		{"issuer.keys.metadata", "verifier-access", ca.Generic, cfg.Issuer.Keys.Metadata[0], &trust.ProfileVerifierAccess},
		{"verifier.keys.request", "verifier-access", ca.Generic, cfg.Verifier.Keys.Request[0], &trust.ProfileVerifierAccess},
		{"wallet_provider.keys.attestation", "wallet-provider", ca.Generic, cfg.Provider.Keys.Attestation[0], &trust.ProfileWalletProvider},
		{"issuer.tls", "tls", ca.Generic, (*cfg.Issuer.TLS)[0], nil},
	} {
		// Neither key nor chain exist yet.
		os.Remove(tt.config.Key)
		os.Remove(tt.config.Chain)
		if _, err := ca.Request(box.ConfigFile, tt.name, subject, false); err == nil {
			t.Errorf("%s: a request without a key", tt.name)
		}
		request, err := ca.Request(box.ConfigFile, tt.name, subject, true)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ca.Request(box.ConfigFile, tt.name, subject, true)
		if err != nil {
			t.Fatal(err)
		}
		certificate, err := authorities[tt.kind].Issue(request, tt.use, 90, time.Now())
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if other, err := authorities[tt.kind].Issue(again, tt.use, 90, time.Now()); err != nil || !certificate.PublicKey.(interface{ Equal(crypto.PublicKey) bool }).Equal(other.PublicKey) {
			t.Errorf("%s: the key was made a second time (%v)", tt.name, err)
		}
		if err := ca.WriteCertificate(tt.config.Chain, certificate); err != nil {
			t.Fatal(err)
		}
		key, err := keys.LoadFile(tt.config.Key, tt.config.Chain)
		if err != nil {
			t.Fatal(err)
		}
		if err := key.Prove(time.Now()); err != nil {
			t.Error(err)
		}
		if tt.profile == nil {
			continue
		}
		policy := &trust.Policy{
			Anchors: []trust.Anchor{{Certificate: authorities[tt.kind].Certificate}}, Profile: *tt.profile,
			Revocation: trust.NotChecked("test"), Now: time.Now,
		}
		if _, err := policy.Verify(t.Context(), key.Leaf(), nil); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	process, err := app.New(t.Context(), cfg, app.Options{Log: telemetry.DiscardLogger(), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Close(); err != nil {
		t.Error(err)
	}
}

func TestNegRequest(t *testing.T) {
	t.Parallel()
	box, err := sandbox.New(t.TempDir(), sandbox.Options{Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	number := trusttest.CorporateNumber()
	for _, tt := range []struct {
		name, key string
		subject   ca.Subject
		want      string
	}{
		{"honest twin", "issuer.keys.sd_jwt", ca.Subject{OrganizationIdentifier: number}, ""},
		{"unknown key", "issuer.keys.sdjwt", ca.Subject{OrganizationIdentifier: number}, "issuer.keys.sd_jwt"},
		{"no identifier", "issuer.keys.sd_jwt", ca.Subject{}, "legal entity"},
		{"TLS without identifier", "issuer.tls", ca.Subject{}, ""},
		{"wrong check digit", "issuer.keys.sd_jwt", ca.Subject{OrganizationIdentifier: "1234567890123"}, "legal entity"},
		{"no organization", "wallet_provider.keys.attestation", ca.Subject{OrganizationIdentifier: number}, "legal entity"},
		{"other country", "issuer.keys.sd_jwt", ca.Subject{OrganizationIdentifier: number, Country: "DE"}, "legal entity"},
		{"name too long", "issuer.keys.sd_jwt", ca.Subject{OrganizationIdentifier: number, Name: strings.Repeat("手", 65)}, "64 characters"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := ca.Request(box.ConfigFile, tt.key, tt.subject, false)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

// TestRequestOfModuleKey asks for a key that a module holds, of a binary that
// may not be able to load it, and never makes one in its place.
func TestRequestOfModuleKey(t *testing.T) {
	t.Parallel()
	box, err := sandbox.New(t.TempDir(), sandbox.Options{Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(box.ConfigFile)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Issuer.Keys.SDJWT = config.KeyList{{PKCS11: &config.PKCS11{Module: "/lib/hsm.so", TokenLabel: "x", PIN: "pin", KeyLabel: "y"}, Chain: "chain.pem"}}
	data, err := yaml.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(box.ConfigFile, data, 0o600); err != nil {
		t.Fatal(err)
	}
	subject := ca.Subject{OrganizationIdentifier: trusttest.CorporateNumber()}
	if _, err := ca.Request(box.ConfigFile, "issuer.keys.sd_jwt", subject, true); err == nil || !strings.Contains(err.Error(), "tools of the module") {
		t.Errorf("generate: %v", err)
	}
}
