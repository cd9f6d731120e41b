package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tegata-id/tegata/internal/app/sandbox"
	"github.com/tegata-id/tegata/internal/session/sessiontest"
	"github.com/tegata-id/tegata/verifier/client"
	"github.com/tegata-id/tegata/wallet/holder"
)

// replicated is a relying party that talks to two processes on one Redis, one
// client for each.
type replicated struct {
	d       *deployment
	clients [2]*client.Client
}

// newReplicated starts two processes, with a relying party that the edit has
// limits for.
func newReplicated(t *testing.T, id, limits string) *replicated {
	t.Helper()
	d := deploy(t, deployOptions{redis: sessiontest.StartRedis(t), direct: true, prepare: func(box *sandbox.Sandbox) {
		dir := filepath.Join(box.Dir, "parties")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		writeParty(t, dir, id)
		file := filepath.Join(dir, id+".yaml")
		data, err := os.ReadFile(file)
		if err == nil {
			err = os.WriteFile(file, append(data, limits...), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		setVerifier(t, box.ConfigFile, "relying_parties_dir", dir)
	}})
	d.addReplica(t)
	p := &replicated{d: d}
	for n, address := range d.replicas[d.box.Verifier] {
		transport := d.transport(t)
		transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, address)
		}
		p.clients[n] = &client.Client{
			HTTP: &http.Client{Transport: transport, Timeout: 30 * time.Second}, BaseURL: d.box.Verifier, APIKey: apiKeyOf(id),
		}
	}
	// Wallets meet the second process alone.
	d.replicas[d.box.Verifier] = d.replicas[d.box.Verifier][1:]
	return p
}

func (p *replicated) begin(t *testing.T, at int, key string, acknowledge bool) (*client.Transaction, error) {
	t.Helper()
	return p.clients[at].Create(t.Context(), client.Request{
		Flow: client.CrossDevice, Acknowledge: acknowledge, IdempotencyKey: key, DCQL: json.RawMessage(
			`{"credentials":[{"id":"a","format":"dc+sd-jwt","meta":{"vct_values":["urn:tegata:identity:jp:1"]},"claims":[{"path":["name"]}]}]}`),
	})
}

// begun is begin where nothing stands against it.
func (p *replicated) begun(t *testing.T, at int, acknowledge bool) *client.Transaction {
	t.Helper()
	transaction, err := p.begin(t, at, "", acknowledge)
	if err != nil {
		t.Fatal(err)
	}
	return transaction
}

// spread calls do many times at once, in turns at the first and the second
// process, and returns how often it was true.
func spread(do func(at int) bool) (successes int) {
	var mu sync.Mutex
	var group sync.WaitGroup
	for n := range 16 {
		group.Go(func() {
			if do(n % 2) {
				mu.Lock()
				defer mu.Unlock()
				successes++
			}
		})
	}
	group.Wait()
	return successes
}

// problem reports whether the verifier's answer was the error with the
// reason.
func problem(err error, status int, reason string) bool {
	var e *client.Error
	return errors.As(err, &e) && e.Status == status && e.Reason == reason
}

// TestPartyAcrossReplicas has a relying party spread what it does over two
// processes: it can't tell them apart, and neither can it have anything twice.
func TestPartyAcrossReplicas(t *testing.T) {
	t.Parallel()
	p := newReplicated(t, "bank", "")
	wallet := p.d.receive(t, cardOf(t, "hanako"))
	answer := func(t *testing.T, transaction *client.Transaction) {
		t.Helper()
		if _, err := wallet.Present(t.Context(), transaction.Link, func(context.Context, holder.Ask) holder.Decision { return holder.Decision{Allow: true} }); err != nil {
			t.Fatal(err)
		}
	}
	read := func(t *testing.T, at int, id string) bool {
		result, err := p.clients[at].Result(t.Context(), id, "")
		return err == nil && len(result.Credentials) == 1 && strings.Contains(string(result.Credentials[0].Claims), "花子")
	}

	t.Run("events", func(t *testing.T) {
		transaction := p.begun(t, 0, false)
		type outcome struct {
			state string
			err   error
		}
		listening, heard := make(chan struct{}, 1), make(chan outcome, 1)
		listener := *p.clients[0]
		listener.HTTP = announced{p.clients[0].HTTP, listening}
		go func() {
			state, err := listener.Wait(t.Context(), transaction.ID)
			heard <- outcome{state, err}
		}()
		<-listening // the first process, before the wallet answers at the second
		answer(t, transaction)
		if got := <-heard; got.err != nil || got.state != client.Verified {
			t.Errorf("%+v", got)
		}
	})
	t.Run("a result is taken once", func(t *testing.T) {
		transaction := p.begun(t, 0, false)
		answer(t, transaction)
		if n := spread(func(at int) bool { return read(t, at, transaction.ID) }); n != 1 {
			t.Errorf("it was handed out %d times", n)
		}
	})
	t.Run("a result is acknowledged once", func(t *testing.T) {
		transaction := p.begun(t, 1, true)
		answer(t, transaction)
		if n := spread(func(at int) bool { return read(t, at, transaction.ID) }); n != 16 {
			t.Errorf("before that it was read %d times of 16", n)
		}
		if n := spread(func(at int) bool {
			err := p.clients[at].Delete(t.Context(), transaction.ID)
			if err != nil && !problem(err, http.StatusNotFound, "not_found") {
				t.Error(err)
			}
			return err == nil
		}); n != 1 {
			t.Errorf("it was acknowledged %d times", n)
		}
		for at := range p.clients {
			if _, err := p.clients[at].Result(t.Context(), transaction.ID, ""); !problem(err, http.StatusNotFound, "not_found") {
				t.Errorf("after that: %v", err)
			}
		}
	})
	t.Run("idempotency key", func(t *testing.T) {
		var mu sync.Mutex
		ids := map[string]int{}
		if n := spread(func(at int) bool {
			transaction, err := p.begin(t, at, "order-7", false)
			if err != nil {
				t.Error(err)
				return false
			}
			mu.Lock()
			defer mu.Unlock()
			ids[transaction.ID]++
			return true
		}); n != 16 || len(ids) != 1 {
			t.Errorf("%d answers, %d transactions", n, len(ids))
		}
		for at := range p.clients {
			if _, err := p.begin(t, at, "order-7", true); !problem(err, http.StatusUnprocessableEntity, "idempotency_key_reused") {
				t.Errorf("another request under the key: %v", err)
			}
		}
		if again, err := p.begin(t, 1, "order-8", false); err != nil || ids[again.ID] != 0 {
			t.Errorf("another key: %v", err)
		}
	})
}

// announced tells when an answer has begun.
type announced struct {
	next interface {
		Do(request *http.Request) (*http.Response, error)
	}
	begun chan struct{}
}

func (a announced) Do(request *http.Request) (*http.Response, error) {
	response, err := a.next.Do(request)
	select {
	case a.begun <- struct{}{}:
	default: // it has connected again
	}
	return response, err
}

// TestNegLimitsAcrossReplicas has a relying party try to get more of two processes
// than of one.
func TestNegLimitsAcrossReplicas(t *testing.T) {
	t.Parallel()
	t.Run("open", func(t *testing.T) {
		t.Parallel()
		p := newReplicated(t, "bank", "max_open: 3\n")
		var mu sync.Mutex
		var open []string
		if n := spread(func(at int) bool {
			transaction, err := p.begin(t, at, "", false)
			if err != nil {
				if !problem(err, http.StatusTooManyRequests, "too_many_requests") {
					t.Error(err)
				}
				return false
			}
			mu.Lock()
			defer mu.Unlock()
			open = append(open, transaction.ID)
			return true
		}); n != 3 {
			t.Fatalf("%d are open, of at most 3", n)
		}
		// A place that is given back at one process is free at the other.
		if err := p.clients[0].Delete(t.Context(), open[0]); err != nil {
			t.Fatal(err)
		}
		p.begun(t, 1, false)
		if _, err := p.begin(t, 0, "", false); !problem(err, http.StatusTooManyRequests, "too_many_requests") {
			t.Errorf("one too many: %v", err)
		}
	})
	t.Run("requests per minute", func(t *testing.T) {
		t.Parallel()
		p := newReplicated(t, "bank", "requests_per_minute: 5\n")
		p.d.clock.stop()
		if n := spread(func(at int) bool {
			_, err := p.begin(t, at, "", false)
			if err != nil && !problem(err, http.StatusTooManyRequests, "too_many_requests") {
				t.Error(err)
			}
			return err == nil
		}); n != 5 {
			t.Errorf("%d requests in a minute, of at most 5", n)
		}
		p.d.clock.advance(time.Minute)
		p.begun(t, 0, false)
		p.begun(t, 1, false)
	})
}
