package app_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/internal/app"
	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/internal/app/sandbox"
)

type lockedLog struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lockedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestCertificatesThatEnd runs a process whose clock goes ahead: far from the
// end of its certificates, shortly before it, and after it.
func TestCertificatesThatEnd(t *testing.T) {
	t.Parallel()
	start := time.Now()
	for _, tc := range []struct {
		name   string
		ahead  time.Duration // after the start of the process
		ready  int
		before time.Duration // before the start of the process
		log    string
	}{
		{"fresh", 0, http.StatusOK, 0, ""},
		{"soon", 0, http.StatusOK, -20 * 24 * time.Hour, "certificate ends soon"},
		{"ended", 50 * 365 * 24 * time.Hour, http.StatusServiceUnavailable, 0, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			box, err := sandbox.New(t.TempDir(), sandbox.Options{Now: start})
			if err != nil {
				t.Fatal(err)
			}
			cfg, err := config.Load(box.ConfigFile)
			if err != nil {
				t.Fatal(err)
			}
			ends := earliestEnd(t, filepath.Join(box.Dir, "*.chain.pem"))
			var ahead atomic.Int64
			if tc.before != 0 {
				ahead.Store(int64(ends.Add(tc.before).Sub(start)))
			}
			// A verifier keeps no records, whatever stands under database.
			cfg.Issuer, cfg.Provider, cfg.Database = nil, nil, config.Database{Driver: "sqlite"}
			cfg.Admin = "127.0.0.1:0"
			log := &lockedLog{}
			process, err := app.New(t.Context(), cfg, app.Options{
				Log: slog.New(slog.NewTextHandler(log, nil)),
				Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) },
			})
			if err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(context.Background())
			done := make(chan error, 1)
			go func() { done <- process.Run(ctx) }()
			t.Cleanup(func() { stop(); <-done })
			ahead.Add(int64(tc.ahead))

			status, body := get(t, "http://"+process.AdminAddress()+"/readyz")
			var readiness struct{ Warnings []string }
			if err := json.Unmarshal([]byte(body), &readiness); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(body, `"database"`) {
				t.Errorf("a verifier alone waits for a database: %s", body)
			}
			if status != tc.ready || (len(readiness.Warnings) > 0) != (tc.name != "fresh") {
				t.Errorf("readiness %d %s", status, body)
			}
			if _, metrics := get(t, "http://"+process.AdminAddress()+"/metrics"); !strings.Contains(metrics, `tegata_certificate_validity_seconds{role="verifier",tenant="sandbox",use="request"}`) {
				t.Errorf("metrics %s", metrics)
			}
			if !strings.Contains(log.String(), tc.log) || tc.name == "fresh" && strings.Contains(log.String(), "certificate") {
				t.Errorf("log %s", log)
			}
		})
	}
}

// earliestEnd is when the first certificate of the chains ends.
func earliestEnd(t *testing.T, pattern string) (ends time.Time) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no chains: %v", err)
	}
	for _, file := range files {
		chain, err := keys.ParseChainPEM(readFile(t, file))
		if err != nil {
			t.Fatal(err)
		}
		for _, certificate := range chain {
			if ends.IsZero() || certificate.NotAfter.Before(ends) {
				ends = certificate.NotAfter
			}
		}
	}
	return ends
}

func get(t *testing.T, address string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := (&http.Client{Timeout: 10 * time.Second}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(data)
}
