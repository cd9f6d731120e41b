package sandbox_test

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/trust/jpki"
	"github.com/tegata-id/tegata/credentials/trust/jpki/jpkitest"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
	"github.com/tegata-id/tegata/internal/app/check"
	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/internal/app/report"
	"github.com/tegata-id/tegata/internal/app/sandbox"
)

// deployment is a sandbox of which single things are spoiled.
type deployment struct {
	*testing.T
	box *sandbox.Sandbox
	// cfg is written back by save.
	cfg *config.Config
	now time.Time
}

func newDeployment(t *testing.T, o sandbox.Options) *deployment {
	t.Helper()
	o.Now = time.Now()
	box, err := sandbox.New(t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(box.ConfigFile)
	if err != nil {
		t.Fatal(err)
	}
	return &deployment{T: t, box: box, cfg: cfg, now: o.Now}
}

func (d *deployment) save() {
	d.Helper()
	data, err := yaml.Marshal(d.cfg)
	if err != nil {
		d.Fatal(err)
	}
	d.write(d.box.ConfigFile, data)
}

func (d *deployment) write(path string, data []byte) {
	d.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		d.Fatal(err)
	}
}

func (d *deployment) append(path, text string) {
	d.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		d.Fatal(err)
	}
	d.write(path, append(data, text...))
}

func (d *deployment) edit(from, to string) {
	d.Helper()
	data, err := os.ReadFile(d.box.ConfigFile)
	if err != nil || !strings.Contains(string(data), from) {
		d.Fatalf("no %q in the configuration (%v)", from, err)
	}
	d.write(d.box.ConfigFile, []byte(strings.Replace(string(data), from, to, 1)))
}

func (d *deployment) chmod(path string, mode os.FileMode) {
	d.Helper()
	if err := os.Chmod(path, mode); err != nil {
		d.Fatal(err)
	}
}

func (d *deployment) path(name string) string { return filepath.Join(d.box.Dir, name) }

// android accepts an app on devices of a maker.
func (d *deployment) android() {
	d.Helper()
	d.cfg.Provider.Android = &config.Android{
		Roots: d.anchorFile(d.ca(trusttest.CAOptions{})), StatusList: d.path("android-status.json"),
		Package: "jp.example.wallet", Signers: []string{strings.Repeat("0a", 32)},
	}
	d.write(d.cfg.Provider.Android.StatusList, []byte(`{"entries":{}}`))
	d.save()
}

// webhook gives the verifier a relying party that is told of its transactions.
func (d *deployment) webhook(w config.Webhook) {
	d.Helper()
	d.cfg.Verifier.Keys.Webhook = d.cfg.Verifier.Keys.Request
	d.cfg.Verifier.RelyingParties = []config.RelyingParty{{
		ID: "shop", NameJA: "店", NameEN: "Shop", APIKeys: []string{strings.Repeat("0a", 32)}, Flows: []string{"cross_device"},
		Allowed: []config.AllowedClaims{{Format: "dc+sd-jwt", Type: "urn:tegata:identity:jp:1", Claims: [][]any{{"name"}}}}, Webhook: &w,
	}}
	d.save()
}

func (d *deployment) ca(o trusttest.CAOptions) *trusttest.CA {
	d.Helper()
	if o.NotBefore.IsZero() {
		o.NotBefore = d.now.Add(-48 * time.Hour)
	}
	ca, err := trusttest.NewCA(o)
	if err != nil {
		d.Fatal(err)
	}
	return ca
}

// replace puts another key and chain in place of the files of a key, followed
// by further certificates.
func (d *deployment) replace(c config.Key, issue func(trusttest.LeafOptions) (*keys.Key, error), o trusttest.LeafOptions, further ...*x509.Certificate) {
	d.Helper()
	key, err := issue(o)
	if err != nil {
		d.Fatal(err)
	}
	pem, err := keys.EncodeKeyPEM(key.Signer)
	if err != nil {
		d.Fatal(err)
	}
	d.write(c.Key, pem)
	d.write(c.Chain, keys.EncodeChainPEM(append(key.Chain, further...)))
}

func (d *deployment) anchorFile(ca *trusttest.CA) string {
	d.Helper()
	path := d.path("another-ca.pem")
	d.write(path, keys.EncodeChainPEM([]*x509.Certificate{ca.Certificate}))
	return path
}

// selfSigned replaces a certificate by one that the key signed itself.
func (d *deployment) selfSigned(c config.Key) {
	d.Helper()
	key, err := keys.LoadFile(c.Key, c.Chain)
	if err != nil {
		d.Fatal(err)
	}
	leaf := *key.Leaf()
	leaf.Issuer, leaf.RawIssuer, leaf.AuthorityKeyId = leaf.Subject, nil, nil
	raw, err := x509.CreateCertificate(nil, &leaf, &leaf, key.Signer.Public().(*ecdsa.PublicKey), key.Signer)
	if err != nil {
		d.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(raw)
	if err != nil {
		d.Fatal(err)
	}
	d.write(c.Chain, keys.EncodeChainPEM([]*x509.Certificate{certificate}))
}

func named(r *report.Report, level report.Level, where, what string) bool {
	return slices.ContainsFunc(r.Findings, func(f report.Finding) bool {
		return f.Level == level && strings.HasPrefix(f.Where, where) && strings.Contains(f.What, what) && f.Fix != ""
	})
}

// TestCheck plants one fault at a time and finds it named.
func TestCheck(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		plant func(d *deployment)
		level report.Level
		where string
		what  string
	}{
		"unknown key":         {func(d *deployment) { d.append(d.box.ConfigFile, "colour: red\n") }, report.Fault, "", "colour"},
		"value of wrong kind": {func(d *deployment) { d.edit("drain: 0s", "drain: soon") }, report.Fault, "", "soon"},
		"second document":     {func(d *deployment) { d.append(d.box.ConfigFile, "---\nmode: test\n") }, report.Fault, "config", "more than one"},
		"no file":             {func(d *deployment) { _ = os.Remove(d.box.ConfigFile) }, report.Fault, "config", "no such file"},
		"contradiction":       {func(d *deployment) { d.cfg.Issuer.BatchSize = 1; d.save() }, report.Fault, "issuer.batch_size", "2 to 100"},
		"code for two minutes": {func(d *deployment) {
			d.cfg.Issuer.Lifetimes.Code = config.Duration(2 * time.Minute)
			d.save()
		}, report.Fault, "issuer.lifetimes.code", "10s to 1m0s"},
		"token for a moment": {func(d *deployment) {
			d.cfg.Issuer.Lifetimes.AccessToken = config.Duration(time.Second)
			d.save()
		}, report.Fault, "issuer.lifetimes.access_token", "1m0s to 1h0m0s"},
		"a refresh token for years": {func(d *deployment) {
			d.cfg.Issuer.Lifetimes.RefreshToken = config.Duration(1000 * 24 * time.Hour)
			d.save()
		}, report.Fault, "issuer.lifetimes.refresh_token", "1h0m0s to 8784h0m0s"},
		"a period without refresh tokens": {func(d *deployment) {
			d.cfg.Issuer.Lifetimes = config.Lifetimes{RefreshPeriod: config.Duration(6 * time.Hour)}
			d.save()
		}, report.Fault, "issuer.lifetimes.refresh_period", "without refresh_token"},
		"log level": {func(d *deployment) { d.cfg.Log.Level = "loud"; d.save() }, report.Fault, "log.level", "loud"},
		"one address with and without TLS": {func(d *deployment) {
			d.cfg.Verifier.Listen, d.cfg.Verifier.TLS = d.cfg.Issuer.Listen, nil
			d.save()
		}, report.Fault, "verifier.tls", "issuer has it the other way"},
		"admin on a role":      {func(d *deployment) { d.cfg.Admin = d.cfg.Issuer.Listen; d.save() }, report.Fault, "issuer.listen", "admin_listen"},
		"admin for everybody":  {func(d *deployment) { d.cfg.Admin = "0.0.0.0:9090"; d.save() }, report.Warning, "admin_listen", "without authentication"},
		"same origin":          {func(d *deployment) { d.cfg.Verifier.Origin = d.cfg.Issuer.Origin; d.save() }, report.Fault, "verifier.origin", "also that of issuer"},
		"key missing":          {func(d *deployment) { _ = os.Remove(d.cfg.Issuer.Keys.SDJWT[0].Key) }, report.Fault, "issuer.keys.sd_jwt", "no such file"},
		"key open to others":   {func(d *deployment) { d.chmod(d.cfg.Issuer.Keys.Status[0].Key, 0o644) }, report.Fault, "issuer.keys.status", "group or others"},
		"metadata key missing": {func(d *deployment) { _ = os.Remove(d.cfg.Issuer.Keys.Metadata[0].Key) }, report.Fault, "issuer.keys.metadata", "no such file"},
		"metadata by a document signer": {func(d *deployment) {
			d.replace(d.cfg.Issuer.Keys.Metadata[0], d.ca(trusttest.CAOptions{Profile: trusttest.IACA}).IssueMdocSigner, trusttest.LeafOptions{})
		}, report.Fault, "issuer.keys.metadata", "verifier-access"},
		"key is none":          {func(d *deployment) { d.write(d.cfg.Issuer.Keys.Mdoc[0].Key, []byte("no key")) }, report.Fault, "issuer.keys.mdoc", ""},
		"key of another":       {func(d *deployment) { d.cfg.Issuer.Keys.Mdoc[0].Key = d.cfg.Issuer.Keys.SDJWT[0].Key; d.save() }, report.Fault, "issuer.keys.mdoc", "another key"},
		"chain missing":        {func(d *deployment) { _ = os.Remove(d.cfg.Verifier.Keys.Request[0].Chain) }, report.Fault, "verifier.keys.request", "no such file"},
		"one key for two uses": {func(d *deployment) { d.cfg.Issuer.Keys.Status = d.cfg.Issuer.Keys.SDJWT; d.save() }, report.Warning, "issuer.keys.status", "same as issuer.keys.sd_jwt"},
		"certificate expired": {func(d *deployment) {
			ca := d.ca(trusttest.CAOptions{NotBefore: d.now.Add(-1000 * time.Hour)})
			d.replace(d.cfg.Issuer.Keys.SDJWT[0], ca.IssueSDJWTSigner, trusttest.LeafOptions{Lifetime: 24 * time.Hour})
		}, report.Fault, "issuer.keys.sd_jwt", "expired"},
		"certificate not valid yet": {func(d *deployment) {
			ca := d.ca(trusttest.CAOptions{})
			d.replace(d.cfg.Issuer.Keys.SDJWT[0], ca.IssueSDJWTSigner, trusttest.LeafOptions{NotBefore: d.now.Add(time.Hour)})
		}, report.Fault, "issuer.keys.sd_jwt", "not valid before"},
		"certificate expires soon": {func(d *deployment) {
			d.replace((*d.cfg.Issuer.TLS)[0], d.box.TLS.IssueTLS, trusttest.LeafOptions{Lifetime: 20 * 24 * time.Hour})
		}, report.Warning, "issuer.tls", "expires soon"},
		"TLS for another host": {func(d *deployment) {
			d.replace((*d.cfg.Issuer.TLS)[0], d.box.TLS.IssueTLS, trusttest.LeafOptions{DNSNames: []string{"other.example"}})
		}, report.Fault, "issuer.tls", "host"},
		"self-signed leaf": {func(d *deployment) { d.selfSigned(d.cfg.Verifier.Keys.Request[0]) }, report.Fault, "verifier.keys.request", "self-signed"},
		"anchor in the chain": {func(d *deployment) {
			ca := d.ca(trusttest.CAOptions{})
			d.replace(d.cfg.Verifier.Keys.Request[0], ca.IssueVerifierAccess, trusttest.LeafOptions{}, ca.Certificate)
		}, report.Fault, "verifier.keys.request", "anchor"},
		"client identifier of another host": {func(d *deployment) {
			d.cfg.Verifier.Request.Prefix = "x509_san_dns"
			d.save()
		}, report.Fault, "verifier.keys.request", "x509_san_dns"},
		"requests that nobody signs, in production": {func(d *deployment) {
			d.cfg.Mode, d.cfg.Verifier.Request.Prefix = config.ModeProduction, "redirect_uri"
			d.save()
		}, report.Fault, "verifier.request.client_id_prefix", "redirect_uri"},
		"unknown response mode": {func(d *deployment) {
			d.cfg.Verifier.Request.Mode = "fragment"
			d.save()
		}, report.Fault, "verifier.request.response_mode", "direct_post"},
		"TLS for another host, where relying parties show certificates": {func(d *deployment) {
			d.cfg.Verifier.MutualTLS = &config.MutualTLS{Listen: "127.0.0.1:8446", Origin: "https://api.bank.example"}
			d.save()
		}, report.Fault, "verifier.tls", "api.bank.example"},
		"authority of relying parties missing": {func(d *deployment) {
			d.cfg.Verifier.MutualTLS = &config.MutualTLS{Listen: "127.0.0.1:8446", Origin: "https://localhost:8446", CA: d.path("nowhere.pem")}
			d.save()
		}, report.Fault, "verifier.mutual_tls.ca_file[0]", "no such file"},
		"address for certificates": {func(d *deployment) {
			d.cfg.Verifier.MutualTLS = &config.MutualTLS{Listen: "8446", Origin: "https://localhost:8446"}
			d.save()
		}, report.Fault, "verifier.mutual_tls.listen", "missing port"},
		"webhook without a key": {func(d *deployment) {
			d.webhook(config.Webhook{URL: "https://shop.example/tegata"})
			d.cfg.Verifier.Keys.Webhook = nil
			d.save()
		}, report.Fault, "verifier.relying_parties[0].webhook", "keys.webhook"},
		"webhook by http":              {func(d *deployment) { d.webhook(config.Webhook{URL: "http://shop.example/tegata"}) }, report.Fault, "verifier.relying_parties[0].webhook.url", "https"},
		"webhook at a private address": {func(d *deployment) { d.webhook(config.Webhook{URL: "https://10.1.2.3/tegata"}) }, report.Fault, "verifier.relying_parties.shop.webhook.url", "not public"},
		"webhook at another port":      {func(d *deployment) { d.webhook(config.Webhook{URL: "https://shop.example:8443/tegata"}) }, report.Fault, "verifier.relying_parties.shop.webhook.url", "443"},
		"webhook at home": {func(d *deployment) {
			d.webhook(config.Webhook{URL: "https://localhost:8443/tegata", PrivateNetwork: true})
		}, report.Fault, "verifier.relying_parties[0].webhook.private_network", "loopback"},
		"one key for webhooks and requests": {func(d *deployment) {
			d.webhook(config.Webhook{URL: "https://10.1.2.3:8443/tegata", PrivateNetwork: true})
		}, report.Warning, "verifier.keys.webhook", "the same"},
		"unknown policy for a status": {func(d *deployment) {
			d.cfg.Verifier.UndeterminedStatus = map[string]string{"mso_mdoc": "ignore"}
			d.save()
		}, report.Fault, "verifier.undetermined_status", "report"},
		"statement missing": {func(d *deployment) {
			d.cfg.Verifier.Request.VerifierInfo = []config.VerifierInfo{{Format: "registration_cert", File: d.path("nowhere.jwt")}}
			d.save()
		}, report.Fault, "verifier.request.verifier_info[0]", "no such file"},
		"certificate of another use": {func(d *deployment) {
			d.replace(d.cfg.Issuer.Keys.SDJWT[0], d.box.TLS.IssueTLS, trusttest.LeafOptions{})
		}, report.Fault, "issuer.keys.sd_jwt", "extended key usage"},
		"mdoc signer under no IACA": {func(d *deployment) {
			ca := d.ca(trusttest.CAOptions{Profile: trusttest.IACA, Edit: func(c *x509.Certificate) { c.MaxPathLen, c.MaxPathLenZero = 3, false }})
			d.replace(d.cfg.Issuer.Keys.Mdoc[0], ca.IssueMdocSigner, trusttest.LeafOptions{})
			d.cfg.Verifier.Issuers[1].File = d.anchorFile(ca)
			d.save()
		}, report.Fault, "issuer.keys.mdoc", ""},
		"secret too short":     {func(d *deployment) { d.write(d.cfg.Issuer.Secret, []byte("abcdefabcdefabcdef")) }, report.Fault, "issuer.secret_file", "32 bytes"},
		"token too short":      {func(d *deployment) { d.write(d.cfg.Verifier.APIToken, []byte("abc")) }, report.Fault, "verifier.api_token_file", "16"},
		"token open to others": {func(d *deployment) { d.chmod(d.cfg.Issuer.AdminToken, 0o640) }, report.Fault, "issuer.admin_token_file", "others"},
		"one token for two":    {func(d *deployment) { d.cfg.Provider.AdminToken = d.cfg.Issuer.AdminToken; d.save() }, report.Warning, "wallet_provider.admin_token_file", "same"},
		"no platform":          {func(d *deployment) { d.cfg.Provider.SoftwarePlatform = false; d.save() }, report.Warning, "wallet_provider.android", "no platform"},
		"roots of devices missing": {func(d *deployment) {
			d.android()
			d.cfg.Provider.Android.Roots = d.path("nowhere.pem")
			d.save()
		}, report.Fault, "wallet_provider.android", "no such file"},
		"status of devices malformed": {func(d *deployment) {
			d.android()
			d.write(d.cfg.Provider.Android.StatusList, []byte("{}"))
		}, report.Fault, "wallet_provider.android.status_list_file", "entries"},
		"signer of the app malformed": {func(d *deployment) {
			d.android()
			d.cfg.Provider.Android.Signers = []string{"abc"}
			d.save()
		}, report.Fault, "wallet_provider.android", "hexadecimal"},
		"session keys malformed": {func(d *deployment) {
			d.cfg.SessionKeys = d.path("session.keys")
			d.write(d.cfg.SessionKeys, []byte("a text of more than sixteen characters"))
			d.save()
		}, report.Fault, "session_keys_file", ""},
		"redis without keys":      {func(d *deployment) { d.cfg.Redis = &config.Redis{Addresses: []string{"127.0.0.1:6379"}}; d.save() }, report.Fault, "session_keys_file", "redis"},
		"redis without port":      {func(d *deployment) { d.cfg.Redis = &config.Redis{Addresses: []string{"redis"}}; d.save() }, report.Fault, "redis.addresses", "host:port"},
		"folder of the database":  {func(d *deployment) { d.cfg.Database.Path = d.path("nowhere/tegata.db"); d.save() }, report.Fault, "database.path", "folder"},
		"database open to others": {func(d *deployment) { d.write(d.cfg.Database.Path, nil); d.chmod(d.cfg.Database.Path, 0o644) }, report.Fault, "database.path", "others"},
		"anchor file missing":     {func(d *deployment) { _ = os.Remove(d.cfg.Verifier.Issuers[0].File) }, report.Fault, "verifier.issuers[0]", "no such file"},
		"no anchors":              {func(d *deployment) { d.cfg.Verifier.Issuers = nil; d.save() }, report.Fault, "verifier.issuers", "no trust anchors"},
		"unknown format":          {func(d *deployment) { d.cfg.Verifier.Issuers[0].Formats = []string{"jwt_vc_json"}; d.save() }, report.Fault, "verifier.issuers[0]", "jwt_vc_json"},
		"anchor twice": {func(d *deployment) {
			d.cfg.Verifier.Issuers = append(d.cfg.Verifier.Issuers, d.cfg.Verifier.Issuers[0])
			d.save()
		}, report.Fault, "verifier.issuers", "same certificate"},
		"anchor is no CA": {func(d *deployment) {
			d.cfg.Issuer.WalletProviders[0].File = d.cfg.Provider.Keys.Attestation[0].Chain
			d.save()
		}, report.Fault, "issuer.wallet_providers[0]", "CA"},
		"anchor that may not sign certificates": {func(d *deployment) {
			d.cfg.Issuer.WalletProviders[0].File = d.anchorFile(d.ca(trusttest.CAOptions{Edit: func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCRLSign }}))
			d.save()
		}, report.Fault, "issuer.wallet_providers[0]", "keyCertSign"},
		"anchor expired": {func(d *deployment) {
			d.cfg.Issuer.WalletProviders[0].File = d.anchorFile(d.ca(trusttest.CAOptions{NotBefore: d.now.Add(-1000 * time.Hour), Lifetime: 24 * time.Hour}))
			d.save()
		}, report.Fault, "issuer.wallet_providers[0]", "expired"},
		"roots missing":          {func(d *deployment) { _ = os.Remove(d.cfg.Outbound.Roots) }, report.Fault, "outbound.roots_file", "no such file"},
		"loopback not allowed":   {func(d *deployment) { d.cfg.Outbound.AllowLoopback = nil; d.save() }, report.Fault, "outbound.allow_loopback", "issuer"},
		"allow-list malformed":   {func(d *deployment) { d.cfg.Outbound.AllowLoopback = []string{"localhost"}; d.save() }, report.Fault, "outbound.allow_loopback", "host:port"},
		"no anchors of JPKI":     {func(d *deployment) { d.cfg.Issuer.JPKI.Throwaway = false; d.save() }, report.Fault, "issuer.jpki.signature_anchors", "needed"},
		"token of the operator":  {func(d *deployment) { d.cfg.Issuer.JPKI.OperatorToken = d.path("nobody.token"); d.save() }, report.Fault, "issuer.jpki.operator_token_file", "no such file"},
		"seldom rechecks":        {func(d *deployment) { d.cfg.Issuer.JPKI.RecheckInterval = config.Duration(25 * time.Hour); d.save() }, report.Warning, "issuer.jpki.recheck_interval", "longer than a day"},
		"no folder of lists":     {func(d *deployment) { d.cfg.Issuer.JPKI.CRLFolder = d.path("nowhere"); d.save() }, report.Fault, "issuer.jpki.crl_folder", "no such file"},
		"no lists in the folder": {func(d *deployment) { d.cfg.Issuer.JPKI.CRLFolder = t.TempDir(); d.save() }, report.Fault, "issuer.jpki.crl_folder", "no revocation list"},
		"JPKI anchor of no JPKI": {func(d *deployment) {
			d.cfg.Issuer.JPKI = config.JPKI{CRLURL: "https://crl.example", SignatureAnchors: []config.Anchor{{File: d.anchorFile(d.ca(trusttest.CAOptions{}))}}}
			d.save()
		}, report.Fault, "issuer.jpki.signature_anchors", "not of the CA"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDeployment(t, sandbox.Options{})
			tc.plant(d)
			r := check.Run(t.Context(), d.box.ConfigFile, check.Options{Now: time.Now})
			if !named(r, tc.level, tc.where, tc.what) {
				t.Errorf("no %s about %q at %s in\n%s", tc.level, tc.what, tc.where, text(r))
			}
			if (r.ExitCode() == 1) != (tc.level == report.Fault) {
				t.Errorf("exit code %d\n%s", r.ExitCode(), text(r))
			}
		})
	}
}

// TestCheckClientKeys has a key authenticate to a server of others, who know its
// certificate: nothing need have issued it, and no host is named in it.
func TestCheckClientKeys(t *testing.T) {
	t.Parallel()
	d := newDeployment(t, sandbox.Options{})
	key, err := d.ca(trusttest.CAOptions{}).IssueStatusSigner(trusttest.LeafOptions{})
	if err != nil {
		t.Fatal(err)
	}
	pem, err := keys.EncodeKeyPEM(key.Signer)
	if err != nil {
		t.Fatal(err)
	}
	client := config.Key{Key: d.path("client.key.pem"), Chain: d.path("client.chain.pem")}
	d.write(client.Key, pem)
	d.write(client.Chain, keys.EncodeChainPEM(key.Chain))
	d.selfSigned(client)
	d.cfg.Issuer.Keys.OpenID = config.KeyList{client}
	d.cfg.Issuer.OpenID = &config.OpenID{Issuer: "https://op.example/api/realms/main", ClientID: "RP00000001", ACRValues: []string{"aal3"}}
	d.save()
	r := check.Run(t.Context(), d.box.ConfigFile, check.Options{Now: time.Now})
	if r.ExitCode() != 0 || !slices.ContainsFunc(r.Findings, func(f report.Finding) bool {
		return f.Level == report.OK && f.Where == "issuer.keys.openid"
	}) {
		t.Errorf("the client's key is not found good\n%s", text(r))
	}
	d.write(client.Key, []byte("no key"))
	if r := check.Run(t.Context(), d.box.ConfigFile, check.Options{Now: time.Now}); !named(r, report.Fault, "issuer.keys.openid", "") {
		t.Errorf("a spoilt key is good\n%s", text(r))
	}
}

// TestCheckProduction turns a sandbox into mode production.
func TestCheckProduction(t *testing.T) {
	t.Parallel()
	nation, err := jpkitest.New(jpkitest.Options{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	d := newDeployment(t, sandbox.Options{SignatureAnchors: nation.Anchors(jpki.Signature), JPKI: config.JPKI{CRLURL: "https://crl.example"}})
	d.cfg.Mode = config.ModeProduction
	d.save()
	r := check.Run(t.Context(), d.box.ConfigFile, check.Options{Now: time.Now})
	for _, want := range [][2]string{
		{"issuer.origin", "loopback"}, {"verifier.origin", "loopback"}, {"wallet_provider.origin", "loopback"},
		{"wallet_provider.software_platform", "production"}, {"issuer.jpki.signature_anchors", "test CA"},
	} {
		if !named(r, report.Fault, want[0], want[1]) {
			t.Errorf("no fault about %s at %s in\n%s", want[1], want[0], text(r))
		}
	}
}

// TestCheckOCSPInClear warns of an OCSP responder that is asked by http.
func TestCheckOCSPInClear(t *testing.T) {
	t.Parallel()
	nation, err := jpkitest.New(jpkitest.Options{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	for address, warnings := range map[string]int{"http://ocsp.example": 1, "https://ocsp.example": 0} {
		d := newDeployment(t, sandbox.Options{SignatureAnchors: nation.Anchors(jpki.Signature), JPKI: config.JPKI{OCSPURL: address}})
		r := check.Run(t.Context(), d.box.ConfigFile, check.Options{Now: time.Now})
		if r.Count(report.Warning) != warnings || r.Count(report.Fault) != 0 || named(r, report.Warning, "issuer.jpki.ocsp_url", "read") != (warnings == 1) {
			t.Errorf("%s:\n%s", address, text(r))
		}
	}
}

// TestCheckAll plants many faults and finds all of them in one run, and none in
// an honest sandbox.
func TestCheckAll(t *testing.T) {
	t.Parallel()
	d := newDeployment(t, sandbox.Options{})
	r := check.Run(t.Context(), d.box.ConfigFile, check.Options{Now: time.Now})
	if r.Count(report.Fault) != 0 || r.Count(report.Warning) != 0 || r.Count(report.OK) < 15 || r.ExitCode() != 0 {
		t.Errorf("honest sandbox:\n%s", text(r))
	}
	d.cfg.Issuer.BatchSize = 1
	d.cfg.Outbound.AllowLoopback = nil
	d.save()
	d.append(d.box.ConfigFile, "colour: red\nshape: round\n")
	d.chmod(d.cfg.Issuer.Keys.SDJWT[0].Key, 0o644)
	_ = os.Remove(d.cfg.Issuer.Keys.Mdoc[0].Key)
	d.selfSigned(d.cfg.Verifier.Keys.Request[0])
	d.write(d.cfg.Provider.Secret, []byte("x"))
	r = check.Run(t.Context(), d.box.ConfigFile, check.Options{Now: time.Now})
	for _, want := range []string{"colour", "shape", "2 to 100", "group or others", "no such file", "self-signed", "16 characters", "may not read"} {
		if !named(r, report.Fault, "", want) {
			t.Errorf("no fault about %s in\n%s", want, text(r))
		}
	}
	var out strings.Builder
	if err := r.PrintJSON(&out); err != nil {
		t.Fatal(err)
	}
	var read struct {
		Faults   int
		Findings []report.Finding
	}
	if err := json.Unmarshal([]byte(out.String()), &read); err != nil || read.Faults != r.Count(report.Fault) || len(read.Findings) != len(r.Findings) {
		t.Errorf("JSON: %v\n%s", err, out.String())
	}
}

func text(r *report.Report) string {
	var b strings.Builder
	_ = r.Print(&b)
	return b.String()
}

// TestCheckNamesEveryFile checks the example without any of its files: each of
// them must be asked for, so that a new key of the configuration is not forgotten.
func TestCheckNamesEveryFile(t *testing.T) {
	t.Parallel()
	example, err := os.ReadFile("../../../deploy/tegata.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "tegata.yaml")
	if err := os.WriteFile(path, example, 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	files := configuredFiles(reflect.ValueOf(cfg))
	if len(files) < 25 {
		t.Fatalf("the example names only %d files", len(files))
	}
	r := check.Run(t.Context(), path, check.Options{Now: time.Now})
	for _, file := range files {
		if !slices.ContainsFunc(r.Findings, func(f report.Finding) bool { return f.Level == report.Fault && f.File == file }) {
			t.Errorf("%s is missing, and no fault says so", file)
		}
	}
}

// configuredFiles returns the values of all keys that end in "file" or "path".
func configuredFiles(v reflect.Value) (files []string) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			files = configuredFiles(v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			files = append(files, configuredFiles(v.Index(i))...)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
			if f := v.Field(i); f.Kind() == reflect.String && f.String() != "" && (strings.HasSuffix(name, "file") || name == "path") {
				files = append(files, f.String())
			} else {
				files = append(files, configuredFiles(f)...)
			}
		}
	}
	return files
}
