package e2e_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/internal/app/walletapp"
	"github.com/tegata-id/tegata/verifier"
	"github.com/tegata-id/tegata/wallet/holder"
	"github.com/tegata-id/tegata/wallet/vault"
)

// terminal plays a person who reads what a console prints and types answers.
type terminal struct {
	t      *testing.T
	shown  bytes.Buffer
	answer func(shown string) string
}

func (p *terminal) Write(b []byte) (int, error) { return p.shown.Write(b) }

func (p *terminal) Read(b []byte) (int, error) { return copy(b, p.answer(p.shown.String())+"\n"), nil }

// withConsole opens the sandbox's wallet as a new process would, and returns
// what it printed.
func (d *deployment) withConsole(t *testing.T, answer func(shown string) string, use func(c *walletapp.Console) error) (string, error) {
	t.Helper()
	cfg, err := walletapp.Load(d.box.WalletFile)
	if err != nil {
		t.Fatal(err)
	}
	app, err := walletapp.Open(cfg, d.clock.Now)
	if err != nil {
		t.Fatal(err)
	}
	p := &terminal{t: t, answer: answer}
	err = use(&walletapp.Console{App: app, Out: p, In: bufio.NewReader(p)})
	if err := app.Close(); err != nil {
		t.Fatal(err)
	}
	return p.shown.String(), err
}

var addressLine = regexp.MustCompile(`(?m)^https://\S+$`)

// TestWalletConsole does with the wallet what a person does at a terminal, each
// time in a process of its own.
func TestWalletConsole(t *testing.T) {
	t.Parallel()
	d := deploy(t, deployOptions{})
	card := newCard(t, "hanako")
	yes := func(string) string { return "y" }
	login := func(shown string) string {
		if strings.HasSuffix(shown, "Paste it here: ") {
			callback, err := citizen{t, d, card}.Authorize(t.Context(), addressLine.FindString(shown), "")
			if err != nil {
				t.Error(err)
			}
			return callback
		}
		return "y"
	}
	link := d.offer(t, "identity_sd_jwt", "identity_mdoc")
	if _, err := d.withConsole(t, func(string) string { return "" }, func(c *walletapp.Console) error { return c.Receive(t.Context(), link) }); err == nil {
		t.Fatal("took an offer that the person did not want")
	}
	shown, err := d.withConsole(t, login, func(c *walletapp.Console) error { return c.Receive(t.Context(), link) })
	if err != nil || !strings.Contains(shown, "手形市") || strings.Count(shown, "received ") != 2 {
		t.Fatalf("receive: %v\n%s", err, shown)
	}
	list := func() string {
		shown, err := d.withConsole(t, yes, func(c *walletapp.Console) error { return c.List(t.Context()) })
		if err != nil {
			t.Fatal(err)
		}
		return shown
	}
	if got := list(); strings.Count(got, "3 copies, 3 never shown") != 2 {
		t.Fatalf("list:\n%s", got)
	}

	for _, allow := range []bool{false, true} {
		transaction, header := d.askName(t)
		answer := map[bool]string{true: "y", false: "n"}[allow]
		shown, err := d.withConsole(t, func(string) string { return answer }, func(c *walletapp.Console) error { return c.Present(t.Context(), transaction.Link) })
		if !strings.Contains(shown, "手形銀行 (NTRJP-") || !strings.Contains(shown, `name`) {
			t.Errorf("the person is not told who asks for what:\n%s", shown)
		}
		if allow != (err == nil) || !allow && !errors.Is(err, holder.ErrDeclined) {
			t.Fatalf("allow %v: %v\n%s", allow, err, shown)
		}
		var result verifier.Result
		d.send(t, http.MethodGet, d.box.Verifier+"/api/transactions/"+transaction.ID, header, nil).read(t, &result)
		if allow && !strings.Contains(shown, "https://bank.example/done") {
			t.Errorf("no way back to the bank:\n%s", shown)
		}
	}
	if got := list(); strings.Count(got, "3 copies, 2 never shown") != 1 {
		t.Errorf("list after showing one:\n%s", got)
	}
	id := strings.Fields(list())[0]
	shown, err = d.withConsole(t, yes, func(c *walletapp.Console) error { return c.Show(t.Context(), id) })
	if err != nil || !strings.Contains(shown, "山田　花子") {
		t.Errorf("show: %v\n%s", err, shown)
	}
	shown, err = d.withConsole(t, yes, func(c *walletapp.Console) error {
		return errors.Join(c.App.Forget(t.Context(), id), c.List(t.Context()), c.Log(t.Context()))
	})
	if err != nil || strings.Count(shown, "copies") != 1 {
		t.Errorf("forget: %v\n%s", err, shown)
	}
	for _, action := range []string{vault.ActionReceived, vault.ActionDeclined, vault.ActionPresented, vault.ActionForgotten} {
		if !strings.Contains(shown, action) {
			t.Errorf("the log says nothing of %s:\n%s", action, shown)
		}
	}
	if strings.Contains(shown, "山田") {
		t.Errorf("the log holds a claim:\n%s", shown)
	}
}

// TestWalletConsoleAsks has the person begin at a terminal, without an offer.
func TestWalletConsoleAsks(t *testing.T) {
	t.Parallel()
	d := deploy(t, deployOptions{})
	card := newCard(t, "hanako")
	ask := func(which string, configurations ...string) (string, error) {
		return d.withConsole(t, func(shown string) string {
			switch {
			case strings.HasSuffix(shown, "Paste it here: "):
				callback, err := citizen{t, d, card}.Authorize(t.Context(), addressLine.FindString(shown), "")
				if err != nil {
					t.Error(err)
				}
				return callback
			case strings.HasSuffix(shown, "Which? (IDs with spaces in between) "):
				return which
			}
			return "y"
		}, func(c *walletapp.Console) error { return c.Ask(t.Context(), d.box.Issuer, configurations...) })
	}
	for _, tc := range []struct {
		which          string
		configurations []string
	}{{which: ""}, {which: "identity_mdoc nothing"}, {configurations: []string{"nothing"}}} {
		if shown, err := ask(tc.which, tc.configurations...); err == nil {
			t.Errorf("%+v: took it\n%s", tc, shown)
		}
	}
	shown, err := ask("identity_mdoc")
	if err != nil || !strings.Contains(shown, "手形市") || strings.Count(shown, "received ") != 1 {
		t.Fatalf("picked: %v\n%s", err, shown)
	}
	shown, err = ask("", "identity_sd_jwt")
	if err != nil || strings.Count(shown, "received ") != 1 {
		t.Fatalf("named: %v\n%s", err, shown)
	}
}

type question struct{ ID, Link string }

// askName has the relying party ask for the name.
func (d *deployment) askName(t *testing.T) (question, http.Header) {
	t.Helper()
	header := http.Header{"Authorization": {"Bearer " + d.box.APIToken}, "Content-Type": {"application/json"}}
	body, err := json.Marshal(map[string]any{
		"dcql_query": json.RawMessage(queries["dc+sd-jwt"]), "flow": verifier.SameDevice, "redirect_uri": "https://bank.example/done",
	})
	if err != nil {
		t.Fatal(err)
	}
	var transaction question
	d.send(t, http.MethodPost, d.box.Verifier+"/api/transactions", header, body).read(t, &transaction)
	header.Del("Content-Type")
	return transaction, header
}

// TestWalletProduction refuses to be a wallet for real people.
func TestWalletProduction(t *testing.T) {
	t.Parallel()
	d := deploy(t, deployOptions{})
	good, err := os.ReadFile(d.box.WalletFile)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := walletapp.Load(d.box.WalletFile); err != nil {
		t.Fatalf("honest twin: %v", err)
	}
	for name, replace := range map[string][2]string{
		"mode production":  {"mode: test", "mode: production"},
		"no mode":          {"mode: test\n", ""},
		"unknown key":      {"mode: test", "mode: test\nkeys: {}"},
		"provider by http": {"wallet_provider: https:", "wallet_provider: http:"},
		"batch too large":  {"batch_size: 4", "batch_size: 400"},
	} {
		file := filepath.Join(t.TempDir(), "wallet.yaml")
		bad := bytes.Replace(good, []byte(replace[0]), []byte(replace[1]), 1)
		if bytes.Equal(good, bad) {
			t.Fatalf("%s: nothing was replaced", name)
		}
		if err := os.WriteFile(file, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := walletapp.Load(file); err == nil {
			t.Errorf("%s: loaded", name)
		}
	}
}

// TestWalletConsoleRevoked has the issuer withdraw what a wallet holds: the wallet
// finds out when it looks, lists it, says so before anything is shown, and logs it.
func TestWalletConsoleRevoked(t *testing.T) {
	t.Parallel()
	d := deploy(t, deployOptions{lists: time.Second, recheck: time.Second, window: time.Second})
	card := newCard(t, "hanako")
	answer := func(shown string) string {
		if strings.HasSuffix(shown, "Paste it here: ") {
			callback, err := citizen{t, d, card}.Authorize(t.Context(), addressLine.FindString(shown), "")
			if err != nil {
				t.Error(err)
			}
			return callback
		}
		return "y"
	}
	do := func(use func(c *walletapp.Console) error) string {
		t.Helper()
		shown, err := d.withConsole(t, answer, use)
		if err != nil {
			t.Fatalf("%v\n%s", err, shown)
		}
		return shown
	}
	link := d.offer(t, "identity_sd_jwt")
	do(func(c *walletapp.Console) error { return c.Receive(t.Context(), link) })
	look := func(c *walletapp.Console) error { return errors.Join(c.Check(t.Context()), c.List(t.Context())) }
	if shown := do(func(c *walletapp.Console) error { return c.List(t.Context()) }); !strings.Contains(shown, "not looked up yet") {
		t.Errorf("before:\n%s", shown)
	}
	if shown := do(look); !strings.Contains(shown, "not revoked, as of") {
		t.Errorf("honest twin:\n%s", shown)
	}
	if err := nation(t).Revoke(card.SignatureCertificate(), 3); err != nil {
		t.Fatal(err)
	}
	shown, deadline := "", time.Now().Add(20*time.Second)
	for !strings.Contains(shown, "revoked by its issuer") {
		if time.Now().After(deadline) {
			t.Fatalf("the wallet does not find out:\n%s", shown)
		}
		shown = do(look)
	}
	if !strings.Contains(shown, "REVOKED") {
		t.Errorf("after:\n%s", shown)
	}
	transaction, _ := d.askName(t)
	shown, err := d.withConsole(t, func(string) string { return "n" }, func(c *walletapp.Console) error { return c.Present(t.Context(), transaction.Link) })
	if !errors.Is(err, holder.ErrDeclined) || !strings.Contains(shown, "its issuer has revoked it") {
		t.Errorf("%v\n%s", err, shown)
	}
	if shown := do(func(c *walletapp.Console) error { return c.Log(t.Context()) }); strings.Count(shown, vault.ActionRevoked) != 1 {
		t.Errorf("the log:\n%s", shown)
	}
}
