package doctor_test

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/internal/app/check"
	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/internal/app/doctor"
	"github.com/tegata-id/tegata/internal/app/report"
	"github.com/tegata-id/tegata/internal/app/sandbox"
	"github.com/tegata-id/tegata/issuer/source/register/registertest"
)

// TestSources: the doctor asks registers whether they can be asked, and what they
// know; check reads what the configuration names.
func TestSources(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{})
	people, err := registertest.People()
	if err != nil {
		t.Fatal(err)
	}
	server, err := registertest.Serve(registertest.New(people, time.Now), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	write := func(name string, data []byte) string {
		path := filepath.Join(w.box.Dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	stranger, err := registertest.NewCA(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	client, err := registertest.IssueClient(server.CA, 60*24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	key, err := keys.EncodeKeyPEM(client.Signer)
	if err != nil {
		t.Fatal(err)
	}
	const where = "issuer.sources.licences.http"
	honest := config.HTTPSource{
		URL: server.URL, Roots: write("register.pem", keys.EncodeChainPEM([]*x509.Certificate{server.CA.Certificate})),
		Key: config.KeyList{{Key: write("register.key.pem", key), Chain: write("register.chain.pem", keys.EncodeChainPEM(client.Chain))}},
	}
	other := write("stranger.pem", keys.EncodeChainPEM([]*x509.Certificate{stranger.Certificate}))
	for _, tt := range []struct {
		name  string
		edit  func(*config.HTTPSource)
		level report.Level
		where string
		what  string
	}{
		{"honest twin", func(*config.HTTPSource) {}, report.OK, where, "TLS works on both sides"},
		{"another authority", func(s *config.HTTPSource) { s.Roots = other }, report.Fault, where, "can't be asked"},
		{"nobody there", func(s *config.HTTPSource) { s.URL = "https://127.0.0.1:1" }, report.Fault, where, "can't be asked"},
		{"no authority", func(s *config.HTTPSource) { s.Roots = filepath.Join(w.box.Dir, "none.pem") }, report.Fault, where + ".roots_file", "no such file"},
		{"plain http", func(s *config.HTTPSource) { s.URL = "http://127.0.0.1:1" }, report.Fault, where + ".url", "https"},
		{"no key", func(s *config.HTTPSource) { s.Key = nil }, report.Fault, where + ".key", "needed"},
	} {
		source := honest
		tt.edit(&source)
		w.cfg.Issuer.Sources = map[string]*config.Source{"licences": {HTTP: &source}}
		w.cfg.Issuer.Credentials = []string{"identity_sd_jwt", "mdl_mdoc"}
		w.save(t)
		r := doctor.Deployment(t.Context(), w.box.ConfigFile, doctor.Target{Issuers: []string{w.box.Issuer}}, check.Options{Now: time.Now})
		if !slices.ContainsFunc(r.Findings, func(f report.Finding) bool {
			return f.Level == tt.level && f.Where == tt.where && strings.Contains(f.What, tt.what)
		}) {
			t.Errorf("%s: %+v", tt.name, r.Findings)
		}
	}
	w.cfg.Issuer.Sources = map[string]*config.Source{"residents": {HTTP: &honest}}
	w.cfg.Issuer.Credentials, w.cfg.Issuer.BatchSize = []string{"eu_pid_sd_jwt"}, 10
	w.save(t)
	r := doctor.Deployment(t.Context(), w.box.ConfigFile, doctor.Target{Issuers: []string{w.box.Issuer}}, check.Options{Now: time.Now})
	if !slices.ContainsFunc(r.Findings, func(f report.Finding) bool {
		return f.Level == report.Warning && strings.Contains(f.What, "does not know") && strings.Contains(f.What, "postal_code")
	}) {
		t.Errorf("a claim that the register does not know: %+v", r.Findings)
	}
	if len(server.Lookups()) > 0 {
		t.Error("the doctor asked for somebody")
	}
}
