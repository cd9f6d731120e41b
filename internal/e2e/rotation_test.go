package e2e_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/sdjwt"
	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/verifier"
	"github.com/tegata-id/tegata/wallet/holder"
)

// TestRotation rotates every key of a running deployment: the next ones are
// published by a reload, and take over by the clock. A transaction that is under
// way keeps its client, credentials of before stay good, and nobody is told no.
func TestRotation(t *testing.T) {
	t.Parallel()
	d := deploy(t, deployOptions{window: time.Minute})
	before := d.receive(t, cardOf(t, "hanako"))
	old := d.signers(t, before)
	if published := d.published(t); len(published) != 1 || published[0] != old[credentials.FormatSDJWTVC] {
		t.Errorf("published %v, signs %v", published, old)
	}

	if err := d.box.Succeed(d.clock.Now().Add(2 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(d.box.ConfigFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.app.Reload(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	published := d.published(t)
	if len(published) != 2 || published[0] != old[credentials.FormatSDJWTVC] {
		t.Fatalf("published %v, signs %v", published, old)
	}
	if still := d.signers(t, d.receive(t, cardOf(t, "hanako"))); still[credentials.FormatSDJWTVC] != old[credentials.FormatSDJWTVC] ||
		still[credentials.FormatMdoc] != old[credentials.FormatMdoc] {
		t.Error("signs with a key that is only published")
	}
	underway := d.beginTransaction(t)

	d.clock.advance(2 * time.Minute)
	if result := d.answer(t, before, underway); result.State != verifier.StateVerified {
		t.Errorf("transaction from before: %s %+v", result.State, result.Refusal)
	}
	if link := d.beginTransaction(t); clientOf(t, link) == clientOf(t, underway) {
		t.Error("new transactions have the client of the old certificate")
	}
	after := d.signers(t, d.receive(t, cardOf(t, "hanako")))
	for format := range queries {
		if after[format] == old[format] {
			t.Errorf("%s: the old key still signs", format)
		}
	}
	if after[credentials.FormatSDJWTVC] != published[1] {
		t.Error("signs with a key that was not published")
	}
	if again := d.signers(t, before); again[credentials.FormatMdoc] != old[credentials.FormatMdoc] {
		t.Error("credentials of before have changed") // they were verified as well
	}
}

// signers presents a credential of each format and returns the hashes of the
// certificates that signed them.
func (d *deployment) signers(t *testing.T, w *holder.Wallet) map[credentials.Format]string {
	t.Helper()
	hashes := map[credentials.Format]string{}
	for format, query := range queries {
		result := d.present(t, w, query)
		if result.State != verifier.StateVerified {
			t.Fatalf("%s: %s %+v", format, result.State, result.Refusal)
		}
		hashes[format] = result.Credentials[0].Issuer.Chain[0].SHA256
	}
	return hashes
}

// published returns the hashes of the certificates of the published keys.
func (d *deployment) published(t *testing.T) []string {
	t.Helper()
	var m sdjwt.IssuerMetadata
	d.send(t, http.MethodGet, d.endpoint(sdjwt.IssuerMetadataPath), nil, nil).read(t, &m)
	var hashes []string
	for _, key := range m.JWKS.Keys {
		der, err := base64.StdEncoding.DecodeString(key.X5C[0])
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(der)
		hashes = append(hashes, hex.EncodeToString(sum[:]))
	}
	return hashes
}

// begun is a transaction that waits for a wallet.
type begun struct{ ID, Link string }

func (d *deployment) beginTransaction(t *testing.T) begun {
	t.Helper()
	body, err := json.Marshal(map[string]any{
		"dcql_query": json.RawMessage(queries[credentials.FormatMdoc]), "flow": verifier.SameDevice, "redirect_uri": "https://bank.example/done",
	})
	if err != nil {
		t.Fatal(err)
	}
	var b begun
	d.send(t, http.MethodPost, d.box.Verifier+"/api/transactions", http.Header{
		"Authorization": {"Bearer " + d.box.APIToken}, "Content-Type": {"application/json"},
	}, body).read(t, &b)
	return b
}

func (d *deployment) answer(t *testing.T, w *holder.Wallet, b begun) *verifier.Result {
	t.Helper()
	outcome, err := w.Present(t.Context(), b.Link, func(context.Context, holder.Ask) holder.Decision { return holder.Decision{Allow: true} })
	if err != nil {
		t.Fatal(err)
	}
	back, err := url.Parse(outcome.RedirectURI)
	if err != nil {
		t.Fatal(err)
	}
	var result verifier.Result
	d.send(t, http.MethodGet, d.box.Verifier+"/api/transactions/"+b.ID+"?"+back.RawQuery,
		http.Header{"Authorization": {"Bearer " + d.box.APIToken}}, nil).read(t, &result)
	return &result
}

// clientOf returns the client that the link of a transaction names.
func clientOf(t *testing.T, b begun) string {
	t.Helper()
	u, err := url.Parse(b.Link)
	if err != nil || u.Query().Get("client_id") == "" {
		t.Fatalf("%s: %v", b.Link, err)
	}
	return u.Query().Get("client_id")
}
