package verifier_test

import (
	"bufio"
	"context"
	"crypto/x509"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/internal/database"
	"github.com/tegata-id/tegata/internal/database/databasetest"
	"github.com/tegata-id/tegata/internal/fetch"
	"github.com/tegata-id/tegata/internal/session"
	"github.com/tegata-id/tegata/internal/session/sessiontest"
	"github.com/tegata-id/tegata/verifier"
	"github.com/tegata-id/tegata/verifier/webhook"
)

const (
	// killChild is set in the processes that are killed.
	killChild = "TEGATA_WEBHOOK_CHILD"
	// killsVariable is how often a process is killed on each database.
	killsVariable = "TEGATA_WEBHOOK_KILLS"
	defaultKills  = 12
)

// killSettings are what a process is told.
type killSettings struct {
	Database     database.Config
	Redis        string
	SessionKeys  []byte
	Receiver     string
	ReceiverRoot []byte
	// Ahead is how far its clock is, and Last has it begin nothing.
	Ahead time.Duration
	Last  bool
}

// world makes a verifier on the stores that the processes share.
func (s killSettings) world(t *testing.T) *webhooks {
	t.Helper()
	w := newWorld(t)
	w.advance(s.Ahead)
	w.backend = must(session.NewRedis(session.Options{Addrs: []string{s.Redis}, Timeout: 10 * time.Second}, w.clock))(t)
	t.Cleanup(func() { _ = w.backend.Close() })
	w.sessionKeys = must(session.ParseKeys(s.SessionKeys))(t)
	db := must(database.Open(t.Context(), s.Database))(t)
	t.Cleanup(func() { _ = db.Close() })
	w.outbox = webhook.NewOutbox(db, "city", w.clock)
	w.webhookKeys = must(keys.NewRing(keys.Entry{Key: w.requestKey}))(t)
	list := parties()
	list[1].Webhook = s.Receiver
	return &webhooks{w.siteFor(list), db}
}

// killRun begins transactions, answers two of three, and delivers what is to be
// told of them. It prints a line for each step that is done.
func killRun(t *testing.T, s killSettings) {
	w := s.world(t)
	root := must(x509.ParseCertificate(s.ReceiverRoot))(t)
	poster := must(fetch.New(fetch.Options{
		Purpose: "webhooks", ExtraRoots: []*x509.Certificate{root}, AllowLoopback: []string{strings.TrimPrefix(s.Receiver, "https://")}, Now: w.clock,
	}))(t)
	sender := webhook.NewSender(webhook.SenderConfig{
		Outbox: w.outbox, Issuer: origin, Keys: w.webhookKeys, Addresses: map[string]string{"shop": s.Receiver},
		Client: poster, Settle: w.v.Settle, Log: slog.New(slog.DiscardHandler), Now: w.clock,
	})
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() { sender.Run(ctx) })
	defer group.Wait()
	defer cancel()
	if s.Last {
		for deadline := time.Now().Add(time.Minute); len(w.told()) > 0 && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		}
		fmt.Printf("\nleft %d\n", len(w.told()))
		return
	}
	for n := 0; ; n++ {
		tx, r := w.begin(verifier.CrossDevice, true)
		fmt.Printf("\nbegun %s\n", tx.ID)
		switch n % 3 {
		case 0:
			w.accept(r)
			fmt.Printf("\nanswered %s verified\n", tx.ID)
		case 1:
			w.decline(r)
			fmt.Printf("\nanswered %s refused\n", tx.ID)
		}
	}
}

// killReceiver puts down what arrives, by transaction and message.
type killReceiver struct {
	*httptest.Server
	mu      sync.Mutex
	arrived map[string]map[string]string // state by jti by transaction
	count   int
}

func newKillReceiver(t *testing.T) *killReceiver {
	t.Helper()
	r := &killReceiver{arrived: map[string]map[string]string{}}
	r.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		body, err := io.ReadAll(request.Body)
		if err != nil {
			return // the sender was killed
		}
		token, err := jose.Parse(string(body))
		if err != nil {
			t.Error(err)
			return
		}
		var claims struct {
			ID     string                                         `json:"jti"`
			Events map[string]struct{ Transaction, State string } `json:"events"`
		}
		if err := json.Unmarshal(token.UnverifiedPayload(), &claims); err != nil {
			t.Error(err)
			return
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.count++
		e := claims.Events[webhook.EventTransaction]
		if r.arrived[e.Transaction] == nil {
			r.arrived[e.Transaction] = map[string]string{}
		}
		if before, repeat := r.arrived[e.Transaction][claims.ID]; repeat && before != e.State {
			t.Errorf("a message said %s, and then %s", before, e.State)
		}
		r.arrived[e.Transaction][claims.ID] = e.State
	}))
	r.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that were cut off
	r.StartTLS()
	t.Cleanup(r.Close)
	return r
}

// TestWebhookKill kills a process again and again, at any point, while it begins
// transactions, takes answers and tells of them. In the end every transaction
// that the relying party knows of was told, with the state that it has.
// TEGATA_WEBHOOK_KILLS says how often.
func TestWebhookKill(t *testing.T) {
	if settings := os.Getenv(killChild); settings != "" {
		var s killSettings
		if err := json.Unmarshal([]byte(settings), &s); err != nil {
			t.Fatal(err)
		}
		killRun(t, s)
		return
	}
	kills := defaultKills
	if number := os.Getenv(killsVariable); number != "" {
		kills = must(strconv.Atoi(number))(t)
	}
	t.Parallel()
	databasetest.EachConfig(t, func(t *testing.T, c database.Config) {
		r := newKillReceiver(t)
		if err := databasetest.Open(t, c).Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
		settings := killSettings{
			Database: c, Redis: sessiontest.StartRedis(t), SessionKeys: session.NewRandomKeys().Encode(),
			Receiver: r.URL, ReceiverRoot: r.Certificate().Raw,
		}
		begun, answered := map[string]bool{}, map[string]string{}
		read := func(lines []string) {
			for _, line := range lines {
				switch words := strings.Fields(line); words[0] {
				case "begun":
					begun[words[1]] = true
				case "answered":
					answered[words[1]] = words[2]
				}
			}
		}
		for range kills {
			read(runAndKill(t, settings, 1+rand.IntN(60), time.Duration(rand.IntN(6000))*time.Microsecond))
		}
		// The last process is left alone. For it, all times are over.
		settings.Ahead, settings.Last = verifier.DefaultLifetimes.Request+time.Minute, true
		if lines := runAndKill(t, settings, 1<<30, 0); len(lines) != 1 || lines[0] != "left 0" {
			t.Errorf("the last process said %q", lines)
		}
		everythingTold(t, settings.world(t), r, begun, answered)
	})
}

// everythingTold compares what arrived with what processes said and with what is
// there.
func everythingTold(t *testing.T, w *webhooks, r *killReceiver, begun map[string]bool, answered map[string]string) {
	t.Helper()
	late := 0
	for id := range begun {
		messages := r.arrived[id]
		if len(messages) != 1 {
			t.Errorf("%d messages of a transaction", len(messages))
		}
		for _, state := range messages {
			if want, ok := answered[id]; ok && state != want {
				t.Errorf("told %s, want %s", state, want)
			} else if !ok && state != string(verifier.StateExpired) {
				late++ // the process was killed while it answered
			}
			is := decode[verifier.Result](t, wantCode(t, w.as(shopKey, http.MethodGet, "/api/transactions/"+id, ""), http.StatusOK)).State
			if string(is) != state {
				t.Errorf("told %s, is %s", state, is)
			}
		}
	}
	var left int
	if err := w.db.Read(t.Context(), func(tx *sql.Tx) error {
		return tx.QueryRow(`SELECT COUNT(*) FROM webhook_messages`).Scan(&left)
	}); err != nil || left > 0 {
		t.Errorf("%d rows are left, %v", left, err)
	}
	if len(begun) < 20 || len(answered) < 10 {
		t.Errorf("only %d transactions were begun and %d answered", len(begun), len(answered))
	}
	t.Logf("%d transactions begun, %d answered, %d of them when a process was killed; %d messages arrived, %d of them again",
		len(begun), len(answered)+late, late, r.count, r.count-len(r.arrived))
}

// runAndKill returns the lines of a process that is killed a moment after it
// printed as many.
func runAndKill(t *testing.T, settings killSettings, after int, moment time.Duration) (lines []string) {
	t.Helper()
	settled, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestWebhookKill$", "-test.v")
	child.Env = append(os.Environ(), killChild+"="+string(settled))
	out := must(child.StdoutPipe())(t)
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	scanner := bufio.NewScanner(out)
	for scanner.Scan() {
		line := scanner.Text()
		switch word, _, _ := strings.Cut(line, " "); {
		case word == "begun" || word == "answered" || word == "left":
			lines = append(lines, line)
		case strings.Contains(line, "_test.go"):
			t.Error(line) // the process failed
		}
		if len(lines) == after {
			time.AfterFunc(moment, func() { _ = child.Process.Kill() })
		}
	}
	if err := child.Wait(); err == nil && !settings.Last {
		t.Error("the process ended by itself")
	}
	return lines
}
