package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tegata-id/tegata/internal/app/config"
)

const example = "../../../deploy/tegata.example.yaml"

// TestExampleConfig keeps the example that operators start from readable.
func TestExampleConfig(t *testing.T) {
	t.Parallel()
	c, err := config.Load(example)
	if err != nil {
		t.Fatal(err)
	}
	if c.Issuer == nil || c.Verifier == nil || c.Provider == nil || c.Redis == nil {
		t.Error("the example leaves out a section")
	}
	if !strings.HasSuffix(c.Issuer.Keys.Mdoc[0].Key, filepath.Join("deploy", "keys", "mdoc.key.pem")) {
		t.Errorf("path = %s", c.Issuer.Keys.Mdoc[0].Key)
	}
}

// TestConfigFaults changes the example in one place each.
func TestConfigFaults(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ name, old, new, want string }{
		{"unknown key", "drain: 25s", "drian: 25s", "drian"},
		{"unknown key deep down", "batch_size: 10", "batchsize: 10", "batchsize"},
		{"second document", "mode: production", "mode: test\n---\nmode: production", "more than one"},
		{"proxy that is no network", "drain: 25s", "drain: 25s\ntrusted_proxies: [proxy.internal]", "trusted_proxies"},
		{"limit of nothing", "drain: 25s", "drain: 25s\nrate_limit: {per_second: -1}", "rate_limit.per_second"},
		{"burst of less than one", "drain: 25s", "drain: 25s\nrate_limit: {burst: -1}", "rate_limit.burst"},
		{"no mode", "mode: production", "mode: staging", "mode"},
		{"test policy in production", "    crl_refresh: 1h", "    crl_refresh: 1h\n    smartphone_policies: [1.2.392.200149.8.5.1.0.40]", "issuer.jpki.smartphone_policies"},
		{"policy that is none", "    crl_refresh: 1h", "    crl_refresh: 1h\n    smartphone_policies: [mobile]", "issuer.jpki.smartphone_policies"},
		{"returning users without refresh tokens", "    crl_refresh: 1h", "    crl_refresh: 1h\n    returning_users: {authentication_anchors: [{file: trust/jpki-authca02.pem}]}", "issuer.jpki.returning_users"},
		{"returning users without a CA", "    crl_refresh: 1h", "    crl_refresh: 1h\n    returning_users: {}", "issuer.jpki.returning_users.authentication_anchors"},
		{"returning users of test cards in production", "    crl_refresh: 1h", "    crl_refresh: 1h\n    returning_users: {smartphone_policies: [1.2.392.200149.8.5.1.0.50]}", "issuer.jpki.returning_users.smartphone_policies"},
		{"providers that could speak for each other", "wallet-providers.pem, jurisdiction: JP}", "wallet-providers.pem, jurisdiction: JP}\n    - {file: trust/other.pem}", "wallets[0].provider_file"},
		{"plain http", "origin: https://issuer.city.example", "origin: http://issuer.city.example", "issuer.origin"},
		{"path in the origin", "origin: https://verifier.bank.example", "origin: https://verifier.bank.example/x", "verifier.origin"},
		{"loopback in production", "origin: https://issuer.city.example", "origin: https://127.0.0.1:8443", "issuer.origin"},
		{"loopback allowed in production", "  roots_file: trust/tls-roots.pem", "  allow_loopback: ['127.0.0.1:1']", "allow_loopback"},
		{"unknown database", "driver: sqlite", "driver: oracle", "database.driver"},
		{"database without a file", "  path: data/tegata.db", "", "database.path"},
		{"a file and a server", "driver: sqlite", "driver: postgres\n  url: postgres://t@/t?host=/run/pg", "database.path"},
		{"server without a URL", "driver: sqlite\n  path: data/tegata.db", "driver: postgres", "database.url"},
		{"password in the URL", "driver: sqlite\n  path: data/tegata.db", "driver: postgres\n  url: postgres://t:secret@/t?host=/run/pg", "password_file"},
		{"server far away without TLS", "driver: sqlite\n  path: data/tegata.db", "driver: postgres\n  url: postgres://t@db.example/t?sslmode=prefer", "sslmode"},
		{"redis without keys", "session_keys_file: secrets/session.keys", "", "session_keys_file"},
		{"redis without address", `addresses: ["redis.internal:6379"]`, "addresses: []", "redis.addresses"},
		{"batch of one", "batch_size: 10", "batch_size: 1", "batch_size"},
		{"any redirect_uri in production", `    - {client_id: tegata-wallet, redirect_uris: ["https://wallet.example/callback"]}`, "", "issuer.wallets"},
		{"wallet without redirect_uri", `redirect_uris: ["https://wallet.example/callback"]`, "redirect_uris: []", "issuer.wallets[0]"},
		{"wallet twice", `    - {client_id: tegata-wallet,`, "    - {client_id: tegata-wallet, redirect_uris: ['https://x.example/']}\n    - {client_id: tegata-wallet,", "issuer.wallets[1].client_id"},
		{"keys in two places", `{client_id: tegata-wallet,`, "{client_id: tegata-wallet, name: x, jwks: {keys: []}, jwks_file: keys.json,", "issuer.wallets[0].jwks_file"},
		{"keys and a provider", `{client_id: tegata-wallet,`, "{client_id: tegata-wallet, name: x, jwks_file: keys.json, provider_file: p.pem,", "issuer.wallets[0].provider_file"},
		{"keys without a name", `{client_id: tegata-wallet,`, "{client_id: tegata-wallet, jwks_file: keys.json,", "issuer.wallets[0].name"},
		{"a name without keys", `{client_id: tegata-wallet,`, "{client_id: tegata-wallet, name: x,", "issuer.wallets[0].name"},
		{"grant type that is none", `{client_id: tegata-wallet,`, "{client_id: tegata-wallet, grant_types: [implicit],", "issuer.wallets[0].grant_types"},
		{"wallet of what is not offered", `{client_id: tegata-wallet,`, "{client_id: tegata-wallet, credentials: [passport],", "issuer.wallets[0].credentials"},
		{"throwaway JPKI in production", "    crl_refresh: 1h", "    throwaway: true", "throwaway"},
		{"script in place of an app", "signer_url: https://signer.example/sign", "signer_url: 'javascript:alert(1)'", "jpki.signer_url"},
		{"plain http in place of an app", "signer_url: https://signer.example/sign", "signer_url: http://signer.example/sign", "jpki.signer_url"},
		{"credential that is none", "batch_size: 10", "batch_size: 10\n  credentials: [passport]", "issuer.credentials"},
		{"credential twice", "batch_size: 10", "batch_size: 10\n  credentials: [identity_mdoc, identity_mdoc]", "issuer.credentials"},
		{"cascade of a type that is none", "batch_size: 10", "batch_size: 10\n  cascade: {'urn:other': {none: true}}", "issuer.cascade"},
		{"cascade for a reason that is none", "batch_size: 10", "batch_size: 10\n  cascade: {'urn:tegata:identity:jp:1': {stand: [moved]}}", "issuer.cascade"},
		{"key attestations for a type that is none", "batch_size: 10", "batch_size: 10\n  key_attestations: {'urn:other': {}}", "issuer.key_attestations"},
		{"key attestations of nobody", "  wallet_providers:\n    - {file: trust/wallet-providers.pem, jurisdiction: JP}\n", "  key_attestations: {'urn:tegata:identity:jp:1': {}}\n", "issuer.key_attestations"},
		{"key attestations of no level", "batch_size: 10", "batch_size: 10\n  key_attestations: {'urn:tegata:identity:jp:1': {key_storage: []}}", "issuer.key_attestations"},
		{"deferral of a type that is none", "batch_size: 10", "batch_size: 10\n  deferred: {'urn:other': approval}", "issuer.deferred"},
		{"deferral without refresh tokens", "batch_size: 10", "batch_size: 10\n  deferred: {'urn:tegata:identity:jp:1': approval}", "issuer.deferred"},
		{"deferral until nobody knows", "batch_size: 10", "batch_size: 10\n  deferred: {'urn:tegata:identity:jp:1': later}", "issuer.deferred"},
		{"OpenID provider in clear", "issuer: https://auth-and-sign", "issuer: http://auth-and-sign", "openid.issuer"},
		{"OpenID provider without a client", "    client_id: RP00000001\n", "", "openid.client_id"},
		{"OpenID provider without a key", "    openid: {key_file: keys/openid.key.pem, chain_file: keys/openid.chain.pem}\n", "", "keys.openid"},
		{"no way to look up revocation", "    crl_url: https://crl.platform-operator.example/jpki\n", "", "crl_url"},
		{"lists by http", "crl_url: https://crl", "crl_url: http://crl", "crl_url"},
		{"two places for lists", "    crl_refresh: 1h", "    crl_folder: lists", "crl_folder"},
		{"OCSP by another scheme", "    crl_refresh: 1h", "    ocsp_url: ldap://ocsp.example", "ocsp_url"},
		{"nonce", "    crl_refresh: 1h", "    ocsp_nonce: maybe", "ocsp_nonce"},
		{"hash", "    crl_refresh: 1h", "    ocsp_hash: md5", "ocsp_hash"},
		{"stance on unavailability", "    crl_refresh: 1h", "    on_unavailable: soft_fail", "on_unavailable"},
		{"operator by http", "    crl_refresh: 1h", "    operator_url: http://operator.example/status\n    operator_token_file: secrets/operator.token", "operator_url"},
		{"operator without a token", "    crl_refresh: 1h", "    operator_url: https://operator.example/status", "operator_token_file"},
		{"token without an operator", "    crl_refresh: 1h", "    operator_token_file: secrets/operator.token", "operator_token_file"},
		{"software platform in production", "  client_id: tegata-wallet", "  client_id: tegata-wallet\n  software_platform: true", "software_platform"},
		{"devices without a status list", "  client_id: tegata-wallet", "  client_id: tegata-wallet\n  android: {roots_file: x}", "android.status_list_file"},
		{"status list in clear", "  client_id: tegata-wallet", "  client_id: tegata-wallet\n  android: {status_list_url: 'http://android.example'}", "android.status_list_url"},
		{"keys in software", "  client_id: tegata-wallet", "  client_id: tegata-wallet\n  android: {status_list_file: x, lowest: software}", "android.lowest"},
		{"storage of no level", "  client_id: tegata-wallet", "  client_id: tegata-wallet\n  android: {status_list_file: x, key_storage: {software: [x]}}", "android.key_storage"},
		{"no tenant", "tenant: bank-tegata", "tenant: ''", "verifier.tenant"},
		{"two places for a key", "sd_jwt: {key_file: keys/sd-jwt.key.pem,", "sd_jwt: {pkcs11: {module: /lib/hsm.so, slot: 0, pin_file: pin, key_label: k}, key_file: x,", "issuer.keys.sd_jwt: key_file and pkcs11"},
		{"library on the search path", "sd_jwt: {key_file: keys/sd-jwt.key.pem,", "sd_jwt: {pkcs11: {module: hsm.so, slot: 0, pin_file: pin, key_label: k},", "module must be an absolute path"},
		{"token without a name", "sd_jwt: {key_file: keys/sd-jwt.key.pem,", "sd_jwt: {pkcs11: {module: /lib/hsm.so, pin_file: pin, key_label: k},", "token_label or slot"},
		{"token without a PIN", "sd_jwt: {key_file: keys/sd-jwt.key.pem,", "sd_jwt: {pkcs11: {module: /lib/hsm.so, slot: 0, key_label: k},", "issuer.keys.sd_jwt.pkcs11.pin_file"},
		{"key without a name", "sd_jwt: {key_file: keys/sd-jwt.key.pem,", "sd_jwt: {pkcs11: {module: /lib/hsm.so, slot: 0, pin_file: pin},", "key_label or key_id"},
		{"key id", "sd_jwt: {key_file: keys/sd-jwt.key.pem,", "sd_jwt: {pkcs11: {module: /lib/hsm.so, slot: 0, pin_file: pin, key_id: xyz},", "key_id: must be hexadecimal"},
		{"duration", "drain: 25s", "drain: 25", "duration"},
		{"traces in clear", "otlp_endpoint: https://otel.internal:4318", "otlp_endpoint: http://otel.internal:4318", "otlp_endpoint"},
		{"traces with a password", "otlp_endpoint: https://otel", "otlp_endpoint: https://user:password@otel", "otlp_endpoint"},
		{"no share of traces", "sample_ratio: 0.1", "", "sample_ratio"},
		{"client certificates of nobody's asking", "  name_en: Tegata Bank\n", "  name_en: Tegata Bank\n  mutual_tls: {}\n", "verifier.mutual_tls: either"},
		{"client certificates asked for twice", "  name_en: Tegata Bank\n", "  name_en: Tegata Bank\n  mutual_tls: {listen: 0.0.0.0:8446, origin: 'https://api.bank.example', by_proxy: true}\n", "verifier.mutual_tls: either"},
		{"client certificates at a page", "  name_en: Tegata Bank\n", "  name_en: Tegata Bank\n  mutual_tls: {listen: 0.0.0.0:8444, origin: 'https://api.bank.example'}\n", "verifier.mutual_tls.listen"},
		{"client certificates at the administration", "  name_en: Tegata Bank\n", "  name_en: Tegata Bank\n  mutual_tls: {listen: 127.0.0.1:9090, origin: 'https://api.bank.example'}\n", "verifier.mutual_tls.listen"},
		{"client certificates at the origin of pages", "  name_en: Tegata Bank\n", "  name_en: Tegata Bank\n  mutual_tls: {listen: 0.0.0.0:8446, origin: 'https://verifier.bank.example'}\n", "verifier.mutual_tls.origin"},
		{"client certificates without an origin", "  name_en: Tegata Bank\n", "  name_en: Tegata Bank\n  mutual_tls: {listen: 0.0.0.0:8446}\n", "verifier.mutual_tls.origin"},
		{"client certificates of an unknown proxy", "  name_en: Tegata Bank\n", "  name_en: Tegata Bank\n  mutual_tls: {by_proxy: true}\n", "verifier.mutual_tls.by_proxy: needs trusted_proxies"},
		{"client certificates of a proxy with an origin", "  name_en: Tegata Bank\n", "  name_en: Tegata Bank\n  mutual_tls: {by_proxy: true, origin: 'https://api.bank.example'}\n", "verifier.mutual_tls.origin"},
		{"more traces than requests", "sample_ratio: 0.1", "sample_ratio: 10", "sample_ratio"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if !strings.Contains(string(data), tc.old) {
				t.Fatal("the example has no such text")
			}
			path := filepath.Join(t.TempDir(), "c.yaml")
			if err := os.WriteFile(path, []byte(strings.Replace(string(data), tc.old, tc.new, 1)), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := config.Load(path); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error = %v, want one that names %s", err, tc.want)
			}
		})
	}
	t.Run("all faults at once", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "c.yaml")
		if err := os.WriteFile(path, []byte("mode: x\nissuer: {batch_size: 1}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := config.Load(path)
		for _, want := range []string{"mode", "database.path", "issuer.tenant", "issuer.listen", "issuer.origin", "batch_size", "signature_anchors"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error does not name %s: %v", want, err)
			}
		}
	})
}

// TestModuleConfig reads a key that lives in a hardware module.
func TestModuleConfig(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	const inFile = "sd_jwt: {key_file: keys/sd-jwt.key.pem,"
	text := strings.Replace(string(data), inFile, "sd_jwt: {pkcs11: {module: /lib/hsm.so, token_label: tegata, pin_file: hsm.pin, key_id: 0a01},", 1)
	path := filepath.Join(t.TempDir(), "tegata.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	key := c.Issuer.Keys.SDJWT[0]
	if key.Key != "" || key.PKCS11 == nil || key.PKCS11.KeyID != "0a01" || key.PKCS11.PIN != filepath.Join(filepath.Dir(path), "hsm.pin") {
		t.Errorf("%+v", key)
	}
}

// TestPostgresConfig has what TestConfigFaults refuses in parts.
func TestPostgresConfig(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	for _, url := range []string{
		"postgres://tegata@db.example:5432/tegata?sslmode=verify-full", "postgres://tegata@/tegata?host=/run/postgresql",
		"postgresql://tegata@127.0.0.1/tegata",
	} {
		changed := strings.Replace(string(data), "driver: sqlite\n  path: data/tegata.db", "driver: postgres\n  url: "+url+"\n  password_file: p", 1)
		path := filepath.Join(t.TempDir(), "tegata.yaml")
		if err := os.WriteFile(path, []byte(changed), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := config.Load(path)
		if err != nil {
			t.Errorf("%s: %v", url, err)
		} else if c.Database.PasswordFile != filepath.Join(filepath.Dir(path), "p") {
			t.Errorf("password in %s", c.Database.PasswordFile)
		}
	}
}
