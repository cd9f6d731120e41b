package registers_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/internal/app/registers"
	"github.com/tegata-id/tegata/internal/app/report"
	"github.com/tegata-id/tegata/internal/loopback"
	"github.com/tegata-id/tegata/issuer/source/register/registertest"
)

var hanako = registers.Person{Name: "山田　花子", Address: "東京都清瀬市中里五丁目８４２番地", BirthDate: "1985-04-01", Sex: 2}

func people(t *testing.T) []registertest.Record {
	t.Helper()
	records, err := registertest.People()
	if err != nil {
		t.Fatal(err)
	}
	return records
}

// examine runs the examination and demands that it tells nothing of the person.
func examine(t *testing.T, target registers.Target) *report.Report {
	t.Helper()
	target.MaxAge, target.Now = 24*time.Hour, time.Now
	r, err := registers.Check(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := r.PrintJSON(&b); err != nil {
		t.Fatal(err)
	}
	for _, canary := range []string{"山田", "清瀬", "1985"} {
		if strings.Contains(b.String(), canary) {
			t.Errorf("F04 a finding says %q", canary)
		}
	}
	return r
}

// TestSimulate runs the command as its users do: everything from the files that
// it leaves.
func TestSimulate(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "register") // made by the simulation
	address, err := loopback.Address()
	if err != nil {
		t.Fatal(err)
	}
	s, err := registers.Simulate(dir, address, slog.New(slog.DiscardHandler), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	var described bytes.Buffer
	if err := s.Describe(&described, dir); err != nil || !strings.Contains(described.String(), s.URL) {
		t.Errorf("%v: %s", err, described.String())
	}
	target := registers.Target{URL: s.URL}
	if target.Roots, err = config.LoadCertificates("roots", filepath.Join(dir, registers.FileAuthority)); err != nil {
		t.Fatal(err)
	}
	if target.Client, err = keys.LoadFile(filepath.Join(dir, registers.FileKey), filepath.Join(dir, registers.FileCertificate)); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, registers.FilePerson))
	if err == nil {
		err = json.Unmarshal(data, &target.Person)
	}
	if err != nil {
		t.Fatal(err)
	}
	r := examine(t, target)
	if r.Count(report.Fault) > 0 || r.Count(report.OK) < 20 {
		t.Errorf("%+v", r.Findings)
	}
	for _, bad := range []string{"0.0.0.0:0", "register.example:443", "8450"} {
		if _, err := registers.Simulate(dir, bad, slog.New(slog.DiscardHandler), time.Now); err == nil {
			t.Errorf("simulates at %s", bad)
		}
	}
}

// TestNegCheck: registers with one fault each, whose honest twin is that of
// TestSimulate.
func TestNegCheck(t *testing.T) {
	t.Parallel()
	lenient := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var anything map[string]any
			if r.Method == http.MethodPost && json.NewDecoder(io.LimitReader(r.Body, 1<<20)).Decode(&anything) == nil {
				if _, ok := anything["request_id"]; ok {
					_, _ = io.WriteString(w, "{}")
					return
				}
			}
			next.ServeHTTP(w, r)
		})
	}
	cached := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			recorder := httptest.NewRecorder()
			next.ServeHTTP(recorder, r)
			w.Header().Set("Content-Type", recorder.Header().Get("Content-Type"))
			w.WriteHeader(recorder.Code)
			_, _ = w.Write(recorder.Body.Bytes())
		})
	}
	answer := func(edit func(map[string]any)) registertest.Faults { return registertest.Faults{Answer: edit} }
	first := func(a map[string]any) {
		a["result"], a["as_of"], a["claims"] = "found", time.Now().UTC().Format("2006-01-02T15:04:05Z"), map[string]any{}
		a["person"] = map[string]any{"name": hanako.Name, "address": hanako.Address, "birth_date": hanako.BirthDate, "sex": hanako.Sex}
	}
	for name, tt := range map[string]struct {
		faults registertest.Faults
		wrap   func(http.Handler) http.Handler
		what   string
	}{
		"guesses":           {answer(func(a map[string]any) { first(a) }), nil, "somebody with another birth date is taken for the person"},
		"knows nobody":      {answer(func(a map[string]any) { delete(a, "claims"); a["result"] = "none" }), nil, "is not told"},
		"tells everything":  {answer(func(a map[string]any) { a["claims"] = map[string]any{"portrait": "x", "issue_date": "x"} }), nil, "asked for one claim"},
		"old":               {answer(func(a map[string]any) { a["as_of"] = "2020-01-01T00:00:00Z" }), nil, "too old"},
		"crossed answers":   {answer(func(a map[string]any) { a["request_id"] = "AAAAAAAAAAAAAAAAAAAAAA" }), nil, "another request"},
		"away":              {registertest.Faults{Status: http.StatusServiceUnavailable}, nil, "can't be asked"},
		"takes what is not": {registertest.Faults{}, lenient, "a member twice is answered with 200"},
		"cached":            {registertest.Faults{}, cached, "no-store is false"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := registertest.Serve(registertest.New(people(t), time.Now), tt.wrap)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(s.Close)
			faults := tt.faults
			if edit := faults.Answer; edit != nil {
				faults.Answer = func(a map[string]any) {
					if _, lookup := a["request_id"]; lookup {
						edit(a)
					}
				}
			}
			s.Set(faults)
			client, err := registertest.IssueClient(s.CA, time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			r := examine(t, registers.Target{URL: s.URL, Roots: []*x509.Certificate{s.CA.Certificate}, Client: client, Person: hanako})
			wantFault(t, r, tt.what)
		})
	}
}

func wantFault(t *testing.T, r *report.Report, what string) {
	t.Helper()
	for _, f := range r.Findings {
		if f.Level == report.Fault && strings.Contains(f.What, what) {
			return
		}
	}
	t.Errorf("no fault %q in %+v", what, r.Findings)
}

// TestNegStrangers finds a register that asks nobody who they are.
func TestNegStrangers(t *testing.T) {
	t.Parallel()
	ca, err := registertest.NewCA(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	key, err := ca.IssueTLS(trusttest.LeafOptions{})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(registertest.New(people(t), time.Now))
	server.TLS = registertest.TLSConfig(ca, key, time.Now)
	server.TLS.ClientAuth = tls.NoClientCert
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	client, err := registertest.IssueClient(ca, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	r := examine(t, registers.Target{URL: server.URL, Roots: []*x509.Certificate{ca.Certificate}, Client: client, Person: hanako})
	wantFault(t, r, "clients without a certificate")
	wantFault(t, r, "clients with a certificate of others")
}
