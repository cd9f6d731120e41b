package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/internal/app/config"
)

// block is a type of an issuer's own.
const block = `
id: resident
name: {ja: 住民票, en: Resident record}
sd_jwt: {vct: "urn:city:resident:1"}
claims:
  - {name: {ja: 氏名, en: Name}, from: person.name, type: text, mandatory: true, sd_jwt: [name]}
`

// typed loads the example with further keys of the issuer and files beside it.
func typed(t *testing.T, keys string, files map[string]string) (*config.Config, error) {
	t.Helper()
	data, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	files["c.yaml"] = strings.Replace(string(data), "  batch_size: 10\n", keys, 1)
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return config.Load(filepath.Join(dir, "c.yaml"))
}

// TestTypes offers shipped types and types of an issuer's own.
func TestTypes(t *testing.T) {
	t.Parallel()
	for about, tc := range map[string]struct {
		keys string
		want []string
	}{
		"nothing said":   {"", []string{"identity_sd_jwt", "identity_mdoc"}},
		"own":            {"  types: [own.yaml]\n", []string{"identity_sd_jwt", "identity_mdoc", "resident_sd_jwt"}},
		"named":          {"  types: [own.yaml]\n  credentials: [resident_sd_jwt]\n", []string{"resident_sd_jwt"}},
		"of others":      {"  credentials: [eu_pid_mdoc, mdl_mdoc]\n  sources: {residents: {file: r.yaml}, licences: {file: l.yaml}}\n", []string{"eu_pid_mdoc", "mdl_mdoc"}},
		"in their place": {"  types: [identity.yaml]\n", []string{"identity_sd_jwt"}},
	} {
		cfg, err := typed(t, tc.keys, map[string]string{
			"own.yaml": block, "identity.yaml": strings.Replace(block, "id: resident", "id: identity", 1),
		})
		if err != nil {
			t.Errorf("%s: %v", about, err)
			continue
		}
		configurations, err := cfg.Issuer.Configurations()
		if err != nil {
			t.Errorf("%s: %v", about, err)
		}
		var got []string
		for _, c := range configurations {
			got = append(got, c.ID)
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s: %s", about, diff)
		}
		tenant := cfg.Tenants()[0]
		for _, name := range append(slices.Clone(cfg.Issuer.Types), filepath.Dir(tenant.File)) {
			if name != filepath.Dir(tenant.File) && !slices.Contains(tenant.Files(), name) {
				t.Errorf("%s: a change of %s goes unseen", about, name)
			}
		}
	}
}

// TestNegTypes reports what is wrong with types, each with its file and key, and
// all at once.
func TestNegTypes(t *testing.T) {
	t.Parallel()
	other := strings.NewReplacer("id: resident", "id: other", "urn:city:resident:1", "urn:city:other:1").Replace(block)
	for about, tc := range map[string]struct {
		keys, own, other string
		want             map[string]string // by file and key
	}{
		"no such file":     {"  types: [missing.yaml]\n", block, other, map[string]string{"missing.yaml issuer.types[0]": "no such file"}},
		"faults of blocks": {"  types: [own.yaml, other.yaml]\n", strings.Replace(block, "person.name", "person.nothing", 1), strings.Replace(other, "id: other", "id: Other", 1), map[string]string{"own.yaml claims[0].from": "person.nothing", "other.yaml id": "lower-case"}},
		"id twice":         {"  types: [own.yaml, other.yaml]\n", block, strings.Replace(other, "id: other", "id: resident", 1), map[string]string{"other.yaml id": "another file"}},
		"scope twice":      {"  types: [own.yaml, other.yaml]\n", block, strings.Replace(other, "sd_jwt: {", "sd_jwt: {scope: resident_sd_jwt, ", 1), map[string]string{"c.yaml issuer.credentials": "scope of resident_sd_jwt"}},
		"type twice":       {"  types: [own.yaml, other.yaml]\n", block, strings.Replace(other, "urn:city:other:1", "urn:city:resident:1", 1), map[string]string{"c.yaml issuer.credentials": "of the type of resident_sd_jwt"}},
		"no register":      {"  credentials: [mdl_mdoc]\n", block, other, map[string]string{"c.yaml issuer.sources.licences": "needed by mdl_mdoc"}},
		"register without a file": {
			"  sources: {residents: {}}\n", block, other, map[string]string{"c.yaml issuer.sources.residents": "file or http is needed"},
		},
		"register of the person": {"  sources: {person: {file: p.yaml}}\n", block, other, map[string]string{"c.yaml issuer.sources.person": "no name"}},
		"smaller batch":          {"  batch_size: 5\n  credentials: [eu_pid_mdoc]\n  sources: {residents: {file: r.yaml}}\n", block, other, map[string]string{"c.yaml issuer.batch_size": "10 or more"}},
	} {
		t.Run(about, func(t *testing.T) {
			t.Parallel()
			if _, err := typed(t, "  types: [own.yaml, other.yaml]\n", map[string]string{"own.yaml": block, "other.yaml": other}); err != nil {
				t.Fatalf("honest twin: %v", err)
			}
			_, err := typed(t, tc.keys, map[string]string{"own.yaml": tc.own, "other.yaml": tc.other})
			for where, text := range tc.want {
				if !reported(err, where, text) {
					t.Errorf("no fault at %s in %v", where, err)
				}
			}
		})
	}
}

// reported looks for a fault by the name of its file, its key and its text.
func reported(err error, where, text string) bool {
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		return slices.ContainsFunc(joined.Unwrap(), func(err error) bool { return reported(err, where, text) })
	}
	var fault *config.Fault
	return errors.As(err, &fault) && filepath.Base(fault.File)+" "+fault.Key == where && strings.Contains(fault.Text, text)
}
