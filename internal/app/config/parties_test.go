package config_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tegata-id/tegata/internal/app/config"
)

const exampleParty = "../../../deploy/relying-parties.example/carrier.yaml"

// partyFolder is the example configuration with a folder of relying parties.
func partyFolder(t *testing.T) *folder {
	t.Helper()
	f := newFolder(t)
	data, err := os.ReadFile(f.path)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("tenants_dir", "# tenants_dir", "# relying_parties_dir: relying-parties", "relying_parties_dir: parties").Replace(string(data))
	f.write("tegata.yaml", text)
	if err := os.Mkdir(filepath.Join(f.dir, "parties"), 0o700); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *folder) party(name string, changes ...string) {
	f.t.Helper()
	data, err := os.ReadFile(exampleParty)
	if err != nil {
		f.t.Fatal(err)
	}
	f.write("parties/"+name+".yaml", strings.NewReplacer(changes...).Replace(string(data)))
}

func TestRelyingParties(t *testing.T) {
	t.Parallel()
	f := partyFolder(t)
	f.party("carrier")
	f.write("parties/notes.txt", "not a relying party")
	cfg, err := config.Load(f.path)
	if err != nil {
		t.Fatal(err)
	}
	parties, err := cfg.Verifier.Parties()
	if err != nil || len(parties) != 2 || parties[0].ID != "bank-tegata" || parties[1].ID != "carrier" {
		t.Fatalf("%v: %+v", err, parties)
	}
	if p := parties[1]; p.PerMinute != 600 || len(p.Keys) != 1 || len(p.Allowed) != 1 || p.Allowed[0].Claims[2].String() != "address" {
		t.Errorf("%+v", p)
	}
	verifiers := slices.DeleteFunc(cfg.Tenants(), func(tenant config.Tenant) bool { return tenant.Verifier == nil })
	if files := verifiers[0].Files(); !slices.Contains(files, filepath.Join(f.dir, "parties", "carrier.yaml")) || slices.Contains(files, filepath.Join(f.dir, "parties")) {
		t.Errorf("a change of a file goes unseen: %q", files)
	}
}

// TestNegRelyingParties reports faults with the file and the key.
func TestNegRelyingParties(t *testing.T) {
	t.Parallel()
	nothing := sha256.Sum256(nil)
	const hash = "0b4f8d7c2e915a63c1d0e7f94a8b36255df017c98e6ab3f2047d91ce5b8a6f13"
	for name, tc := range map[string]struct {
		file, old, new string
		key, want      string
	}{
		"honest twin":              {"carrier", "", "", "", ""},
		"two of an id":             {"bank-tegata", "id: carrier", "id: bank-tegata", "id", "the same identifier"},
		"key of another":           {"carrier", hash, "dd4e1a96b7d1fe2b8c0a60d58a3f11bbbd9b2db0c70b7b1a2b6a0c9b3d1f4e55", "api_key_sha256", "bank-tegata has the same"},
		"no hash":                  {"carrier", hash, "secret", "api_key_sha256", "64 hexadecimal"},
		"hash of nothing":          {"carrier", hash, hex.EncodeToString(nothing[:]), "api_key_sha256", "hash of nothing"},
		"no keys":                  {"carrier", "[" + hash + "]", "[]", "api_key_sha256", "at least one"},
		"no name":                  {"carrier", "手形モバイル", "", "name_ja", "needed"},
		"unknown flow":             {"carrier", "[same_device]", "[any]", "flows", "one of"},
		"no flow":                  {"carrier", "[same_device]", "[]", "flows", "needed"},
		"no redirect":              {"carrier", `["https://carrier.example/contract/return"]`, "[]", "redirect_uris", "needed"},
		"plain redirect":           {"carrier", "https://", "http://", "redirect_uris", "https"},
		"unknown format":           {"carrier", "dc+sd-jwt", "jwt_vc", "allowed[0].format", "one of"},
		"no type":                  {"carrier", `"urn:tegata:identity:jp:1"`, `""`, "allowed[0].type", "needed"},
		"no claims":                {"carrier", "[[name], [birthdate], [address]]", "[]", "allowed[0].claims", "at least one"},
		"path of nothing":          {"carrier", "[name]", "[]", "allowed[0].claims", "a path is a list"},
		"negative element":         {"carrier", "[name]", "[name, -1]", "allowed[0].claims", "a path is a list"},
		"negative limit":           {"carrier", "600", "-1", "requests_per_minute", "1 or more"},
		"encryption key":           {"carrier", "flows:", "encryption_jwk: {kty: EC, crv: P-256, x: AAAA, y: AAAA}\nflows:", "encryption_jwk", "no public key"},
		"hash of a certificate":    {"carrier", "flows:", "certificate_sha256: [abc]\nflows:", "certificate_sha256", "64 hexadecimal"},
		"certificate unseen":       {"carrier", "flows:", "certificate_sha256: [" + hash + "]\nflows:", "certificate_sha256", "needs mutual_tls"},
		"certificate name of many": {"carrier", "flows:", "certificate_dns_name: '*.carrier.example'\nflows:", "certificate_dns_name", "without a wildcard"},
		"webhook by http":          {"carrier", "flows:", "webhook: {url: http://carrier.example/tegata}\nflows:", "webhook.url", "https"},
		"webhook with a password":  {"carrier", "flows:", "webhook: {url: 'https://a:b@carrier.example/'}\nflows:", "webhook.url", "userinfo"},
		"webhook of nothing":       {"carrier", "flows:", "webhook: {}\nflows:", "webhook.url", "https"},
		"webhook on loopback":      {"carrier", "flows:", "webhook: {url: https://127.0.0.1/tegata, private_network: true}\nflows:", "webhook.private_network", "loopback"},
		"too many open":            {"carrier", "requests_per_minute: 600", "max_open: 1001", "max_open", "1 to 1000"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := partyFolder(t)
			var changes []string
			if tc.old != "" {
				changes = []string{tc.old, tc.new}
			}
			f.party(tc.file, changes...)
			_, err := config.Load(f.path)
			if tc.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var fault *config.Fault
			if !errors.As(err, &fault) || fault.File != filepath.Join(f.dir, "parties", tc.file+".yaml") || fault.Key != tc.key || !strings.Contains(fault.Text, tc.want) {
				t.Errorf("%v (%+v)", err, fault)
			}
		})
	}
}

func TestNegRelyingPartyFiles(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ file, old, new, want string }{
		"another name": {"other", "", "", "named after"},
		"unknown key":  {"carrier", "requests_per_minute", "requests_per_hour", "requests_per_hour"},
	} {
		f := partyFolder(t)
		var changes []string
		if tc.old != "" {
			changes = []string{tc.old, tc.new}
		}
		f.party(tc.file, changes...)
		_, err := config.Load(f.path)
		var file *config.FileError
		if !errors.As(err, &file) || file.File != filepath.Join(f.dir, "parties", tc.file+".yaml") || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	f := partyFolder(t)
	if err := os.Remove(filepath.Join(f.dir, "parties")); err != nil {
		t.Fatal(err)
	}
	if _, err := config.Load(f.path); err == nil {
		t.Error("without the folder: accepted")
	}
}

// TestNegCertificateNames has relying parties known by certificate.
func TestNegCertificateNames(t *testing.T) {
	t.Parallel()
	const (
		hash  = "0b4f8d7c2e915a63c1d0e7f94a8b36255df017c98e6ab3f2047d91ce5b8a6f13"
		asked = "listen: 0.0.0.0:8446, origin: 'https://api.bank.example'"
	)
	for name, tc := range map[string]struct{ mutualTLS, bank, carrier, key string }{
		"honest twin":           {asked + ", ca_file: ca.pem", "certificate_dns_name: client.bank.example", "certificate_dns_name: client.carrier.example", ""},
		"by hash alone":         {asked, "certificate_sha256: [" + strings.Repeat("ab", 32) + "]", "certificate_sha256: [" + hash + "]", ""},
		"nobody certifies":      {asked, "flows: []", "certificate_dns_name: client.carrier.example", "certificate_dns_name"},
		"name of another":       {asked + ", ca_file: ca.pem", "certificate_dns_name: CLIENT.bank.example", "certificate_dns_name: client.bank.example", "certificate_dns_name"},
		"certificate of others": {asked, "certificate_sha256: [" + hash + "]", "certificate_sha256: [" + hash + "]", "certificate_sha256"},
	} {
		f := partyFolder(t)
		data, err := os.ReadFile(f.path)
		if err != nil {
			t.Fatal(err)
		}
		const keyOfBank = "api_key_sha256: [dd4e1a96b7d1fe2b8c0a60d58a3f11bbbd9b2db0c70b7b1a2b6a0c9b3d1f4e55]"
		f.write("tegata.yaml", strings.NewReplacer("  name_en: Tegata Bank\n  #", "  name_en: Tegata Bank\n  mutual_tls: {"+tc.mutualTLS+"}\n  #",
			keyOfBank, strings.Replace(tc.bank, "flows: []", keyOfBank, 1)).Replace(string(data)))
		f.party("carrier", "api_key_sha256: ["+hash+"]", tc.carrier)
		_, err = config.Load(f.path)
		var fault *config.Fault
		if tc.key == "" && err != nil || tc.key != "" && (!errors.As(err, &fault) || fault.Key != tc.key) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestWebhooksNeedADatabase opens none for a verifier without webhooks.
func TestWebhooksNeedADatabase(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		webhook, key string
		faults       []string
	}{
		"none":            {"", "", nil},
		"key alone":       {"", "    webhook: {key_file: keys/webhook.key.pem, chain_file: keys/webhook.chain.pem}\n", nil},
		"without a key":   {"webhook: {url: https://carrier.example/tegata}\n", "", []string{"database.path", "webhook"}},
		"without anybody": {"webhook: {url: https://carrier.example/tegata}\n", "    webhook: {key_file: keys/webhook.key.pem, chain_file: keys/webhook.chain.pem}\n", []string{"database.path"}},
	} {
		f := partyFolder(t)
		data, err := os.ReadFile(f.path)
		if err != nil {
			t.Fatal(err)
		}
		_, verifier, _ := strings.Cut(string(data), "\nverifier:\n")
		verifier, _, _ = strings.Cut(verifier, "\nwallet_provider:\n")
		lines := slices.DeleteFunc(strings.SplitAfter(verifier, "\n"), func(line string) bool {
			return strings.Contains(line, "webhook")
		})
		verifier = strings.Replace(strings.Join(lines, ""), "  keys:\n", "  keys:\n"+tc.key, 1)
		f.write("tegata.yaml", "mode: production\nverifier:\n"+verifier)
		f.party("carrier", "flows:", tc.webhook+"flows:")
		cfg, err := config.Decode(f.path)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := cfg.NeedsDatabase(); got != (tc.webhook != "") {
			t.Errorf("%s: needs a database: %t", name, got)
		}
		err = cfg.Validate()
		if (err != nil) != (tc.faults != nil) {
			t.Errorf("%s: %v", name, err)
		}
		for _, key := range tc.faults {
			if !strings.Contains(err.Error(), key+": ") {
				t.Errorf("%s: no fault of %s: %v", name, key, err)
			}
		}
	}
}
