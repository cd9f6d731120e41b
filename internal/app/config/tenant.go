package config

import (
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/tegata-id/tegata/internal/statuslist"
)

// Tenant is one issuer, verifier or wallet provider, with the section that
// configures it.
type Tenant struct {
	// File is the file of the section.
	File string
	// Role is the name of the section: issuer, verifier or wallet_provider.
	Role string
	*Endpoint
	// One of these is set.
	Issuer   *Issuer
	Verifier *Verifier
	Provider *Provider

	prefix string
}

// The roles, which are the names of the sections.
const (
	RoleIssuer   = "issuer"
	RoleVerifier = "verifier"
	RoleProvider = "wallet_provider"
)

// Name is what the tenant's section is called in reports and on command lines:
// issuer in the configuration file itself, city-tegata/issuer in a file of its
// own. The name of a key in it follows after a dot.
func (t *Tenant) Name() string { return t.prefix + t.Role }

// Tenants returns the tenants of the configuration file and those of the
// folder, sorted by the names of their files.
func (c *Config) Tenants() []Tenant {
	return append(c.Roles.tenants(c.file, ""), c.tenants...)
}

// ProcessChanges returns the keys outside of the tenants' sections that differ
// from those of another configuration.
func (c *Config) ProcessChanges(other *Config) []string {
	var changed []string
	a, b := reflect.ValueOf(*c), reflect.ValueOf(*other)
	for i := range a.NumField() {
		field := a.Type().Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		if name != "" && !reflect.DeepEqual(a.Field(i).Interface(), b.Field(i).Interface()) {
			changed = append(changed, name)
		}
	}
	return changed
}

// NeedsDatabase reports whether a tenant keeps records.
func (c *Config) NeedsDatabase() bool {
	return slices.ContainsFunc(c.Tenants(), func(t Tenant) bool { return t.Verifier == nil || t.Verifier.HasWebhooks() })
}

func (r *Roles) tenants(file, prefix string) []Tenant {
	var list []Tenant
	if i := r.Issuer; i != nil {
		list = append(list, Tenant{File: file, Role: RoleIssuer, Endpoint: &i.Endpoint, Issuer: i, prefix: prefix})
	}
	if v := r.Verifier; v != nil {
		list = append(list, Tenant{File: file, Role: RoleVerifier, Endpoint: &v.Endpoint, Verifier: v, prefix: prefix})
	}
	if p := r.Provider; p != nil {
		list = append(list, Tenant{File: file, Role: RoleProvider, Endpoint: &p.Endpoint, Provider: p, prefix: prefix})
	}
	return list
}

// readTenants reads the folder. A file that can't be read is an error, and the
// others are read all the same.
func (c *Config) readTenants() error {
	c.tenants = nil
	if c.TenantsDir == "" {
		return nil
	}
	entries, err := os.ReadDir(c.TenantsDir) // sorted by name
	if err != nil {
		return &FileError{c.TenantsDir, err}
	}
	var failures []error
	for _, entry := range entries {
		name := entry.Name()
		if entry.IsDir() || strings.HasPrefix(name, ".") || filepath.Ext(name) != ".yaml" {
			continue
		}
		file := filepath.Join(c.TenantsDir, name)
		var roles Roles
		if err := DecodeFile(file, &roles); err != nil {
			failures = append(failures, err)
			if !partly(err) {
				continue
			}
		}
		roles.resolve(c.TenantsDir)
		id := strings.TrimSuffix(name, ".yaml")
		tenants := roles.tenants(file, id+"/")
		if len(tenants) != 1 {
			failures = append(failures, &FileError{file, errors.New("exactly one of issuer, verifier and wallet_provider is needed")})
			continue
		}
		if tenants[0].Tenant != id {
			failures = append(failures, &FileError{file, errors.New("the file must be named after its tenant: " + tenants[0].Tenant + ".yaml")})
			continue
		}
		c.tenants = append(c.tenants, tenants[0])
	}
	return errors.Join(failures...)
}

func (t *Tenant) check(mode Mode, f faults) {
	f.prefix += t.Role + "."
	t.Endpoint.check(mode, f)
	switch {
	case t.Issuer != nil:
		if size := t.Issuer.BatchSize; size < 0 || size == 1 || size > 100 {
			f.add("batch_size", "must be from 2 to 100")
		}
		t.Issuer.configurations(f)
		t.Issuer.checkOpenID(f)
		t.Issuer.Lifetimes.check(f)
		if size := t.Issuer.StatusListSize; size != 0 && (size < statuslist.MinSize || size > 1<<24) {
			f.add("status_list_size", "must be from %d to %d", statuslist.MinSize, 1<<24)
		}
		t.Issuer.checkWallets(mode, f)
		t.Issuer.JPKI.check(mode, f)
		t.Issuer.checkReturning(mode, f)
	case t.Verifier != nil:
		t.Verifier.check(mode, f)
	case t.Provider != nil:
		if t.Provider.ClientID == "" {
			f.add("client_id", "needed")
		}
		if t.Provider.SoftwarePlatform && mode == ModeProduction {
			f.add("software_platform", "not in mode production")
		}
		if t.Provider.Android != nil {
			t.Provider.Android.check(f)
		}
	}
	for _, key := range t.Keys() {
		key.List.check(key.Use, f)
	}
}

// tenantPath is what the paths of tenants look like.
var tenantPath = regexp.MustCompile(`^(/[a-z0-9][a-z0-9._-]{0,62}){1,4}$`)

func (l *Endpoint) check(mode Mode, f faults) {
	if l.Tenant == "" || strings.ContainsAny(l.Tenant, " /:|") {
		f.add("tenant", "needed, without space, slash, colon or bar")
	}
	if l.Listen == "" {
		f.add("listen", "needed")
	}
	checkOrigin("origin", l.Origin, mode, f)
	if l.Path != "" && !tenantPath.MatchString(l.Path) {
		f.add("path", "must be such as /13103, of lower-case letters, digits, dot, hyphen and underscore, without a slash at the end")
	}
}

func checkOrigin(key, origin string, mode Mode, f faults) {
	u, err := url.Parse(origin)
	switch {
	case err != nil || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil:
		f.add(key, "must be an origin such as https://issuer.example")
	case u.Scheme != "https":
		f.add(key, "must be https")
	case mode == ModeProduction && loopback(u.Hostname()):
		f.add(key, "loopback is not for mode production")
	}
}

// paths returns every path in the section.
func (t *Tenant) paths() []*string {
	var paths []*string
	for _, key := range t.Keys() {
		for n := range *key.List {
			k := &(*key.List)[n]
			paths = append(paths, &k.Key, &k.Chain)
			if k.PKCS11 != nil {
				paths = append(paths, &k.PKCS11.PIN)
			}
		}
	}
	anchors := func(list []Anchor) {
		for i := range list {
			paths = append(paths, &list[i].File)
		}
	}
	switch {
	case t.Issuer != nil:
		paths = append(paths, &t.Issuer.AdminToken, &t.Issuer.Secret, &t.Issuer.JPKI.CRLFolder, &t.Issuer.JPKI.OperatorToken)
		anchors(t.Issuer.WalletProviders)
		for n := range t.Issuer.Wallets {
			paths = append(paths, &t.Issuer.Wallets[n].Provider, &t.Issuer.Wallets[n].JWKSFile)
		}
		for n := range t.Issuer.Types {
			paths = append(paths, &t.Issuer.Types[n])
		}
		for _, s := range t.Issuer.Sources {
			if s == nil {
				continue
			}
			paths = append(paths, &s.File)
			if s.HTTP != nil {
				paths = append(paths, &s.HTTP.Roots)
			}
		}
		anchors(t.Issuer.JPKI.SignatureAnchors)
		if r := t.Issuer.JPKI.Returning; r != nil {
			anchors(r.AuthenticationAnchors)
		}
	case t.Verifier != nil:
		paths = append(paths, &t.Verifier.APIToken, &t.Verifier.PartiesDir)
		if m := t.Verifier.MutualTLS; m != nil {
			paths = append(paths, &m.CA)
		}
		for n := range t.Verifier.Request.VerifierInfo {
			paths = append(paths, &t.Verifier.Request.VerifierInfo[n].File)
		}
		anchors(t.Verifier.Issuers)
	case t.Provider != nil:
		paths = append(paths, &t.Provider.AdminToken, &t.Provider.Secret)
		if a := t.Provider.Android; a != nil {
			paths = append(paths, &a.Roots, &a.StatusList)
		}
	}
	return paths
}

// Files returns the files that the section names, each once, sorted. The folder
// of revocation lists is none, and of that of relying parties those in it.
func (t *Tenant) Files() []string {
	var files []string
	for _, path := range t.paths() {
		folder := t.Issuer != nil && path == &t.Issuer.JPKI.CRLFolder || t.Verifier != nil && path == &t.Verifier.PartiesDir
		if *path != "" && !folder {
			files = append(files, *path)
		}
	}
	if t.Verifier != nil {
		for _, party := range t.Verifier.inFolder {
			files = append(files, party.file)
		}
	}
	slices.Sort(files)
	return slices.Compact(files)
}
