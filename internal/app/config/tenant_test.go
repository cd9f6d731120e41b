package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tegata-id/tegata/internal/app/config"
)

const exampleTenant = "../../../deploy/tenants.example/13103.yaml"

// folder is a configuration with files of tenants.
type folder struct {
	t    *testing.T
	dir  string
	path string
}

func newFolder(t *testing.T) *folder {
	t.Helper()
	data, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	f := &folder{t: t, dir: t.TempDir()}
	f.path = filepath.Join(f.dir, "tegata.yaml")
	f.write("tegata.yaml", strings.Replace(string(data), "# tenants_dir", "tenants_dir", 1))
	if err := os.Mkdir(filepath.Join(f.dir, "tenants"), 0o700); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *folder) write(name, text string) {
	f.t.Helper()
	if err := os.WriteFile(filepath.Join(f.dir, name), []byte(text), 0o600); err != nil {
		f.t.Fatal(err)
	}
}

// tenant writes the example as another tenant, after it was changed.
func (f *folder) tenant(id string, changes ...string) {
	f.t.Helper()
	data, err := os.ReadFile(exampleTenant)
	if err != nil {
		f.t.Fatal(err)
	}
	text := strings.NewReplacer(append(changes, "13103", id)...).Replace(string(data))
	f.write("tenants/"+id+".yaml", text)
}

func TestTenantsInAFolder(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	f.tenant("13103")
	f.tenant("13101")
	f.write("tenants/notes.txt", "not a tenant")
	f.write("tenants/.13999.yaml.swp", "an editor's")
	c, err := config.Load(f.path)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, tenant := range c.Tenants() {
		names = append(names, tenant.Name())
	}
	want := []string{"issuer", "verifier", "wallet_provider", "13101/issuer", "13103/issuer"}
	if !slices.Equal(names, want) {
		t.Errorf("tenants %v, want %v", names, want)
	}
	minato := c.Tenants()[4]
	if minato.BaseURL() != "https://issuers.example/13103" {
		t.Errorf("identifier %s", minato.BaseURL())
	}
	keys := minato.Issuer.Keys.SDJWT
	if len(keys) != 2 || keys[0].From.IsZero() || !keys[1].From.IsZero() || keys[1].Key != filepath.Join(f.dir, "keys", "13103", "sd-jwt-2026.key.pem") {
		t.Errorf("keys %+v", keys)
	}
	if files := minato.Files(); len(files) != 14 || !slices.Contains(files, filepath.Join(f.dir, "secrets", "13103", "issuer.secret")) {
		t.Errorf("%d files %v", len(files), files)
	}
}

// TestTenantFaults plants one fault each in the files of two tenants.
func TestTenantFaults(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		plant     func(*folder)
		file, key string
		text      string
	}{
		"other name":           {func(f *folder) { f.tenant("13101", `tenant: "13103"`, `tenant: "13105"`) }, "13101.yaml", "", "named after its tenant"},
		"two sections":         {func(f *folder) { f.tenant("13101", "issuer:\n", "verifier: {}\nissuer:\n") }, "13101.yaml", "", "exactly one"},
		"no section":           {func(f *folder) { f.write("tenants/13101.yaml", "{}") }, "13101.yaml", "", "exactly one"},
		"section of a process": {func(f *folder) { f.tenant("13101", "issuer:\n", "mode: test\nissuer:\n") }, "13101.yaml", "", "mode"},
		"unknown key":          {func(f *folder) { f.tenant("13101", "batch", "bunch", "name_en", "name_fr") }, "13101.yaml", "", "name_fr"},
		"unknown key of a key": {func(f *folder) { f.tenant("13101", "from:", "since:") }, "13101.yaml", "", "since"},
		"not YAML":             {func(f *folder) { f.write("tenants/13101.yaml", "issuer: [") }, "13101.yaml", "", ""},
		"same path":            {func(f *folder) { f.tenant("13101", "path: /13103", "path: /13109") }, "13109.yaml", "13109/issuer.path", "13101/issuer"},
		"path of another begun": {func(f *folder) { f.tenant("13101", "path: /13103", "path: /13109/a") }, "13109.yaml",
			"13109/issuer.path", "13101/issuer"},
		"no path beside paths": {func(f *folder) { f.tenant("13101", "path: /13103", "") }, "13109.yaml", "13109/issuer.path", "13101/issuer"},
		"bad path":             {func(f *folder) { f.tenant("13101", "path: /13103", "path: /13101/") }, "13101.yaml", "13101/issuer.path", "slash at the end"},
		"well-known path":      {func(f *folder) { f.tenant("13101", "path: /13103", "path: /.well-known/x") }, "13101.yaml", "13101/issuer.path", ""},
		"path with an escape":  {func(f *folder) { f.tenant("13101", "path: /13103", "path: /a%2fb") }, "13101.yaml", "13101/issuer.path", ""},
		"origin of a verifier": {func(f *folder) {
			f.tenant("13101", "https://issuers.example", "https://verifier.bank.example", "0.0.0.0:8446", "0.0.0.0:8444")
		}, "13101.yaml", "13101/issuer.origin", "also that of verifier"},
		"another address for the origin": {func(f *folder) { f.tenant("13101", "0.0.0.0:8446", "0.0.0.0:8447") }, "13109.yaml", "13109/issuer.listen", "13101/issuer"},
		"another certificate for the origin": {func(f *folder) { f.tenant("13101", "issuers-tls.chain", "other-tls.chain") }, "13109.yaml",
			"13109/issuer.tls", "13101/issuer"},
		"address of the admin listener": {func(f *folder) { f.tenant("13101", "0.0.0.0:8446", "127.0.0.1:9090") }, "13101.yaml", "13101/issuer.listen", "admin_listen"},
		"tenant of the main file": {func(f *folder) { f.tenant("city-tegata", "https://issuers.example", "https://other.example") }, "city-tegata.yaml",
			"city-tegata/issuer.tenant", "also that of issuer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFolder(t)
			f.tenant("13101")
			f.tenant("13109")
			if _, err := config.Load(f.path); err != nil {
				t.Fatalf("honest twin: %v", err)
			}
			tc.plant(f)
			_, err := config.Load(f.path)
			if err == nil || !strings.Contains(err.Error(), tc.text) {
				t.Fatalf("error %v, want one about %q", err, tc.text)
			}
			var fault *config.Fault
			var file *config.FileError
			switch {
			case tc.key != "":
				if !errors.As(err, &fault) || fault.Key != tc.key || filepath.Base(fault.File) != tc.file {
					t.Errorf("fault %+v in %v", fault, err)
				}
			case !errors.As(err, &file) || filepath.Base(file.File) != tc.file:
				t.Errorf("file %v in %v", file, err)
			}
		})
	}
}
