package e2e_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/internal/app"
	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/internal/app/sandbox"
)

// TestVerifierOpensADatabaseForWebhooks starts a process with a verifier alone: it
// opens a database if a relying party has a webhook, and none otherwise, though
// one is configured. A reload that brings the first webhook takes a restart.
func TestVerifierOpensADatabaseForWebhooks(t *testing.T) {
	t.Parallel()
	box, err := sandbox.New(t.TempDir(), sandbox.Options{Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "verifier.db")
	write := func() *config.Config {
		t.Helper()
		c := read(t, box)
		delete(c, "issuer")
		delete(c, "wallet_provider")
		c.set("database.path", file)
		c.write(t, box)
		cfg, err := config.Load(box.ConfigFile)
		if err != nil {
			t.Fatal(err)
		}
		return cfg
	}
	open := func(cfg *config.Config) *app.App {
		t.Helper()
		a, err := app.New(t.Context(), cfg, app.Options{Log: slog.New(slog.DiscardHandler), Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	exists := func() bool { _, err := os.Stat(file); return err == nil }

	first := write()
	a := open(first)
	if exists() {
		t.Error("a verifier without webhooks has opened a database")
	}
	if err := box.Push(config.RelyingParty{
		ID: "shop", NameJA: "店", NameEN: "Shop", APIKeys: []string{strings.Repeat("0a", 32)}, Flows: []string{"cross_device"},
		Allowed: []config.AllowedClaims{{Format: "dc+sd-jwt", Type: "urn:tegata:identity:jp:1", Claims: [][]any{{"name"}}}},
		Webhook: &config.Webhook{URL: "https://127.0.0.1:8443/tegata"},
	}); err != nil {
		t.Fatal(err)
	}
	cfg := write()
	cfg.Outbound = first.Outbound
	if err := a.Reload(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "database") {
		t.Errorf("reloaded with the first webhook: %v", err)
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	b := open(write())
	if !exists() {
		t.Error("a verifier with a webhook has opened no database")
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}
