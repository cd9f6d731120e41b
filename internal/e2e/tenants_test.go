package e2e_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/internal/app/sandbox"
)

// of returns the deployment as seen by those who deal with one tenant of the
// issuer role.
func (d *deployment) of(tenant *sandbox.Tenant) *deployment {
	box := *d.box
	box.Issuer, box.AdminToken = tenant.BaseURL, tenant.Token
	return &deployment{box: &box, cfg: d.cfg, app: d.app, log: d.log, clock: d.clock, persons: d.persons, http: d.http, replicas: d.replicas}
}

// withIssuers adds tenants to a sandbox.
func withIssuers(t *testing.T, into *[]*sandbox.Tenant, ids ...string) func(*sandbox.Sandbox) {
	t.Helper()
	return func(box *sandbox.Sandbox) {
		for _, id := range ids {
			tenant, err := box.AddTenant(config.RoleIssuer, id)
			if err != nil {
				t.Fatal(err)
			}
			*into = append(*into, tenant)
		}
	}
}

func (d *deployment) reload(t *testing.T) error {
	t.Helper()
	cfg, err := config.Load(d.box.ConfigFile)
	if err != nil {
		return err
	}
	return d.app.Reload(t.Context(), cfg)
}

// issue has a tenant vouch for somebody, and takes the credential.
func (d *deployment) issue(t *testing.T, c *oauthClient) []string {
	t.Helper()
	token := c.take(t, d.vouch(t, nil))
	return c.credential(t, token, c.credentialRequest(t, 1), nil).credentials(t)
}

// clientOf returns the wallet as it talks to a tenant.
func (c *oauthClient) clientOf(d *deployment) *oauthClient {
	of := *c
	of.d = d
	return &of
}

// stream asks for something again and again until it is told to stop.
func stream(t *testing.T, ask func() string) (stop func() int64) {
	t.Helper()
	var (
		count  atomic.Int64
		ending = make(chan struct{})
		done   sync.WaitGroup
	)
	for range 4 {
		done.Go(func() {
			for {
				select {
				case <-ending:
					return
				default:
				}
				if fault := ask(); fault != "" {
					t.Error(fault)
					return
				}
				count.Add(1)
			}
		})
	}
	return func() int64 {
		close(ending)
		done.Wait()
		return count.Load()
	}
}

// TestReload adds, changes, breaks and removes tenants while others are asked
// all the time. Nobody notices.
func TestReload(t *testing.T) {
	t.Parallel()
	var tenants []*sandbox.Tenant
	d := deploy(t, deployOptions{prepare: withIssuers(t, &tenants, "13101", "13103")})
	d.direct(t)
	chiyoda, minato := d.of(tenants[0]), d.of(tenants[1])
	wallet := d.newClient(t)
	before := chiyoda.issue(t, wallet.clientOf(chiyoda))
	// A code that is redeemed after all the changes.
	kept := chiyoda.vouch(t, nil)

	stop := stream(t, func() string {
		for _, tenant := range []*deployment{chiyoda, d} {
			a, err := d.try(t, http.MethodPost, tenant.endpoint("/nonce"), nil, nil)
			if err != nil {
				return err.Error()
			}
			if a.status != http.StatusOK {
				return string(a.body)
			}
		}
		return ""
	})
	answers := func(tenant *deployment, want int) {
		t.Helper()
		metadata, err := openid4vci.MetadataURL(tenant.box.Issuer)
		if err != nil {
			t.Fatal(err)
		}
		if a := d.send(t, http.MethodGet, metadata, nil, nil); a.status != want {
			t.Errorf("%s: %d %s", metadata, a.status, a.body)
		}
	}
	reload := func(good bool) {
		t.Helper()
		if err := d.reload(t); (err == nil) != good {
			t.Fatalf("reload: %v", err)
		}
	}

	added, err := d.box.AddTenant(config.RoleIssuer, "27100")
	if err != nil {
		t.Fatal(err)
	}
	osaka := d.of(added)
	answers(osaka, http.StatusNotFound)
	reload(true)
	answers(osaka, http.StatusOK)
	osaka.issue(t, wallet.clientOf(osaka))

	// A file that is wrong changes nothing, not even what is right elsewhere.
	text, err := os.ReadFile(added.File)
	if err != nil {
		t.Fatal(err)
	}
	replaceFile(t, added.File, bytes.Replace(text, []byte("path: /27100"), []byte("path: /13101"), 1))
	removed := tenants[1].File + ".gone"
	rename(t, tenants[1].File, removed)
	reload(false)
	answers(osaka, http.StatusOK)
	answers(minato, http.StatusOK)

	// A changed path moves a tenant, a removed file removes one.
	replaceFile(t, added.File, bytes.Replace(text, []byte("path: /27100"), []byte("path: /osaka/27100"), 1))
	reload(true)
	answers(osaka, http.StatusNotFound)
	moved := *added
	moved.BaseURL = strings.TrimSuffix(added.BaseURL, "/27100") + "/osaka/27100"
	answers(d.of(&moved), http.StatusOK)
	answers(minato, http.StatusNotFound)

	// It comes back as it was: nothing of it was lost.
	rename(t, removed, tenants[1].File)
	reload(true)
	minato.issue(t, wallet.clientOf(minato))

	if n := stop(); n < 4 {
		t.Errorf("only %d rounds of requests", n)
	} else {
		t.Logf("%d rounds of requests during the changes", n)
	}
	chiyodaWallet := wallet.clientOf(chiyoda)
	after := chiyodaWallet.credential(t, chiyodaWallet.take(t, kept), chiyodaWallet.credentialRequest(t, 1), nil).credentials(t)
	if len(before) != 1 || len(after) != 1 {
		t.Errorf("%d credentials before and %d after", len(before), len(after))
	}

	// What belongs to the process takes a restart, and says so.
	cfg := *d.cfg
	cfg.Admin = "127.0.0.1:1"
	if err := d.app.Reload(t.Context(), &cfg); err == nil || !strings.Contains(err.Error(), "admin_listen") {
		t.Errorf("admin_listen: %v", err)
	}
}

// TestTenantOffersPartOfTheCatalogue has one of two tenants offer one format.
func TestTenantOffersPartOfTheCatalogue(t *testing.T) {
	t.Parallel()
	var tenants []*sandbox.Tenant
	d := deploy(t, deployOptions{prepare: func(box *sandbox.Sandbox) {
		withIssuers(t, &tenants, "13101", "13103")(box)
		text, err := os.ReadFile(tenants[0].File)
		if err != nil {
			t.Fatal(err)
		}
		replaceFile(t, tenants[0].File, append(text, []byte("    credentials: [identity_mdoc]\n")...))
	}})
	for i, want := range [][]string{{"identity_mdoc"}, {"identity_mdoc", "identity_sd_jwt"}} {
		tenant := d.of(tenants[i])
		address, err := openid4vci.MetadataURL(tenant.box.Issuer)
		if err != nil {
			t.Fatal(err)
		}
		var metadata struct {
			Configurations map[string]any `json:"credential_configurations_supported"`
		}
		d.send(t, http.MethodGet, address, nil, nil).read(t, &metadata)
		if got := slices.Sorted(maps.Keys(metadata.Configurations)); !slices.Equal(got, want) {
			t.Errorf("%s offers %v", tenants[i].ID, got)
		}
		status := http.StatusCreated
		if i == 0 {
			status = http.StatusBadRequest
		}
		if a := tenant.admin(t, nil); a.status != status {
			t.Errorf("%s: an offer of the SD-JWT VC is answered %d %s", tenants[i].ID, a.status, a.body)
		}
	}
}

// TestReloadRenewsKeys puts a new signer and a new server certificate in the
// place of the old ones.
func TestReloadRenewsKeys(t *testing.T) {
	t.Parallel()
	var tenants []*sandbox.Tenant
	d := deploy(t, deployOptions{prepare: withIssuers(t, &tenants, "13101")})
	d.direct(t)
	chiyoda := d.of(tenants[0])
	wallet := d.newClient(t).clientOf(chiyoda)
	signer := func() string {
		credential := chiyoda.issue(t, wallet)[0]
		header, _, _ := strings.Cut(credential, ".")
		return header
	}
	first := signer()
	if again := signer(); again != first {
		t.Error("the signer changes by itself")
	}
	// The same tenant again, with new keys in the same files.
	if _, err := d.box.AddTenant(config.RoleIssuer, "13101"); err != nil {
		t.Fatal(err)
	}
	if err := d.reload(t); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(tenants[0].File)
	if err != nil || !bytes.Contains(text, []byte("13101")) {
		t.Fatal(err)
	}
	chiyoda.box.AdminToken = tokenOf(t, d, "13101")
	if next := signer(); next == first {
		t.Error("the new signer does not sign")
	}
}

// tokenOf returns the operator's token of an issuer.
func tokenOf(t *testing.T, d *deployment, id string) string {
	t.Helper()
	cfg, err := config.Load(d.box.ConfigFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, tenant := range cfg.Tenants() {
		if tenant.Tenant == id {
			token, err := config.LoadSecret("admin_token_file", tenant.Issuer.AdminToken)
			if err != nil {
				t.Fatal(err)
			}
			return string(token)
		}
	}
	t.Fatalf("no tenant %s", id)
	return ""
}

// TestReloadBySignal sends SIGHUP to the program.
func TestReloadBySignal(t *testing.T) {
	t.Parallel()
	box := plainSandbox(t)
	var tenants []*sandbox.Tenant
	withIssuers(t, &tenants, "13101")(box)
	p := serve(t, box)
	withIssuers(t, &tenants, "13103")(box)
	client := trusting(t, box)
	asked := func(tenant *sandbox.Tenant) int {
		metadata, err := openid4vci.MetadataURL(tenant.BaseURL)
		if err != nil {
			t.Fatal(err)
		}
		response, err := client.Get(metadata)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		return response.StatusCode
	}
	if got := []int{asked(tenants[0]), asked(tenants[1])}; got[0] != http.StatusOK || got[1] != http.StatusNotFound {
		t.Fatalf("before: %v", got)
	}
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); asked(tenants[1]) != http.StatusOK; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the new tenant is not there")
		}
	}
	if got := asked(tenants[0]); got != http.StatusOK {
		t.Errorf("the other tenant: %d", got)
	}
}

func replaceFile(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// trusting returns a client that trusts the sandbox.
func trusting(t *testing.T, box *sandbox.Sandbox) *http.Client {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AddCert(box.TLSRoot)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 10 * time.Second}
}
