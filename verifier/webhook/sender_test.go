package webhook_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
	"github.com/tegata-id/tegata/internal/database"
	"github.com/tegata-id/tegata/internal/database/databasetest"
	"github.com/tegata-id/tegata/internal/fetch"
	"github.com/tegata-id/tegata/verifier/client"
	"github.com/tegata-id/tegata/verifier/webhook"
)

const issuer = "https://verifier.example/city"

// receiver is the program of relying parties, over HTTPS.
type receiver struct {
	*httptest.Server
	arrived chan *client.Notice
}

// receive runs a receiver that verifies what arrives, unless first answers in
// its place.
func receive(t *testing.T, ring *keys.Ring, now func() time.Time, first func(w http.ResponseWriter, r *http.Request) bool) *receiver {
	t.Helper()
	r := &receiver{arrived: make(chan *client.Notice, 1000)}
	parties := map[string]*client.Webhook{}
	for _, party := range []string{"bank", "shop"} {
		parties[party] = &client.Webhook{HTTP: published{ring}, BaseURL: issuer, Party: party, Now: now}
	}
	r.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		if first != nil && first(w, request) {
			return
		}
		notice, err := parties[strings.TrimPrefix(request.URL.Path, "/")].Read(request)
		if err != nil {
			t.Error(err)
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		r.arrived <- notice
		w.WriteHeader(http.StatusAccepted)
	}))
	r.Config.ErrorLog = log.New(io.Discard, "", 0)
	r.StartTLS()
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) next(t *testing.T) *client.Notice {
	t.Helper()
	select {
	case notice := <-r.arrived:
		return notice
	case <-time.After(30 * time.Second):
		t.Fatal("nothing arrived")
		return nil
	}
}

// published is a verifier that publishes its keys, and nothing else.
type published struct{ ring *keys.Ring }

func (p published) Do(r *http.Request) (*http.Response, error) {
	if r.URL.String() != issuer+"/webhooks/jwks" {
		return nil, errors.New("another address: " + r.URL.String())
	}
	set, err := webhook.KeySet(p.ring)
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(set)
	w := httptest.NewRecorder()
	_, _ = w.Write(body)
	return w.Result(), err
}

func newKey(t *testing.T, o trusttest.LeafOptions) *keys.Key {
	t.Helper()
	ca, err := trusttest.NewCA(trusttest.CAOptions{NotBefore: time.Now().AddDate(0, -1, 0)})
	ok(t, err)
	key, err := ca.IssueVerifierAccess(o)
	ok(t, err)
	return key
}

func newRing(t *testing.T, entries ...keys.Entry) *keys.Ring {
	t.Helper()
	if len(entries) == 0 {
		entries = []keys.Entry{{Key: newKey(t, trusttest.LeafOptions{NotBefore: time.Now().AddDate(0, 0, -1)})}}
	}
	ring, err := keys.NewRing(entries...)
	ok(t, err)
	return ring
}

// scene is a sender and what it has to do with.
type scene struct {
	*testing.T
	clock    *clock
	outbox   *webhook.Outbox
	ring     *keys.Ring
	metrics  *prometheus.Registry
	measured *webhook.Metrics
	log      strings.Builder
	logMu    sync.Mutex
}

func newScene(t *testing.T, db *database.DB) *scene {
	t.Helper()
	s := &scene{T: t, clock: newClock(), ring: newRing(t), metrics: prometheus.NewRegistry()}
	s.outbox, s.measured = webhook.NewOutbox(db, tenant, s.clock.Now), webhook.NewMetrics(s.metrics)
	return s
}

// Write implements io.Writer.
func (s *scene) Write(line []byte) (int, error) {
	s.logMu.Lock()
	defer s.logMu.Unlock()
	return s.log.Write(line)
}

func (s *scene) logged() string {
	s.logMu.Lock()
	defer s.logMu.Unlock()
	return s.log.String()
}

// trusting returns options for a client that may send to a server of the test.
func trusting(servers ...*httptest.Server) fetch.Options {
	var o fetch.Options
	for _, server := range servers {
		o.ExtraRoots = append(o.ExtraRoots, server.Certificate())
		o.AllowLoopback = append(o.AllowLoopback, server.Listener.Addr().String())
	}
	return o
}

// sender makes a sender, which runs if it is told to.
func (s *scene) sender(o fetch.Options, addresses map[string]string) *webhook.Sender {
	s.Helper()
	o.Now, o.Purpose, o.MaxBytes = s.clock.Now, "webhooks", webhook.MaxAnswer
	poster, err := fetch.New(o)
	ok(s, err)
	s.Cleanup(poster.CloseIdleConnections)
	sender := webhook.NewSender(webhook.SenderConfig{
		Outbox: s.outbox, Issuer: issuer, Keys: s.ring, Addresses: addresses, Client: poster, Metrics: s.measured,
		Settle: func(context.Context, string) (string, time.Time, error) { return "expired", time.Time{}, nil },
		Log:    slog.New(slog.NewTextHandler(s, nil)), Now: s.clock.Now,
	})
	sender.SetPoll(10 * time.Millisecond)
	return sender
}

// run lets a sender work until the test or stop ends it.
func (s *scene) run(sender *webhook.Sender) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { sender.Run(ctx); close(ended) }()
	stop = func() { cancel(); <-ended }
	s.Cleanup(stop)
	return stop
}

// until waits for something that a sender does.
func (s *scene) until(what string, happened func() bool) {
	s.Helper()
	for deadline := time.Now().Add(30 * time.Second); !happened(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.Fatalf("%s did not happen; %s", what, s.logged())
		}
	}
}

func (s *scene) tell(party, id string) { tell(s, s.outbox, party, id, "verified", s.clock.Now()) }

// attempts returns how many ended with an outcome.
func (s *scene) attempts(outcome string) int {
	s.Helper()
	families, err := s.metrics.Gather()
	ok(s, err)
	for _, family := range families {
		for _, m := range family.Metric {
			for _, label := range m.Label {
				if label.GetName() == "outcome" && label.GetValue() == outcome {
					return int(m.Counter.GetValue())
				}
			}
		}
	}
	return 0
}

// backlog returns how many messages are left.
func (s *scene) backlog(sender *webhook.Sender) int {
	s.Helper()
	sender.Sweep(s.Context())
	families, err := s.metrics.Gather()
	ok(s, err)
	for _, family := range families {
		if family.GetName() == "tegata_verifier_webhook_backlog_messages" {
			return int(family.Metric[0].Gauge.GetValue())
		}
	}
	return -1
}

// TestDelivery delivers what was told, and what nobody told in time.
func TestDelivery(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		s := newScene(t, db)
		var types, accepts atomic.Value
		r := receive(t, s.ring, s.clock.Now, func(_ http.ResponseWriter, r *http.Request) bool {
			types.Store(r.Header.Get("Content-Type"))
			accepts.Store(r.Header.Get("Accept"))
			return false
		})
		sender := s.sender(trusting(r.Server), map[string]string{"bank": r.URL + "/bank"})
		s.run(sender)
		s.tell("bank", "a")
		if n := r.next(t); n.ID != "a" || n.Transaction != "transaction-a" || n.State != client.Verified {
			t.Errorf("%+v", n)
		}
		if types.Load() != "application/secevent+jwt" || accepts.Load() != "application/json" {
			t.Errorf("Content-Type %v, Accept %v", types.Load(), accepts.Load())
		}
		ok(t, s.outbox.Watch(t.Context(), webhook.Message{ID: "b", Party: "bank", Transaction: "transaction-b"}, s.clock.Now().Add(time.Minute)))
		s.clock.advance(time.Minute)
		if n := r.next(t); n.ID != "b" || n.State != client.Expired {
			t.Errorf("%+v", n)
		}
		s.until("the end of the backlog", func() bool { return s.backlog(sender) == 0 })
		if problems, err := testutil.GatherAndLint(s.metrics); err != nil || len(problems) > 0 {
			t.Errorf("%v %v", problems, err)
		}
	})
}

// plainly runs a server over TLS that knows nothing of webhooks.
func plainly(t *testing.T, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

// TestNegReceivers has a message not arrive, again and again. Its honest twin
// then delivers the same message.
func TestNegReceivers(t *testing.T) {
	t.Parallel()
	answer := func(status int, body string) func(*testing.T, *receiver) (fetch.Options, string) {
		return func(t *testing.T, r *receiver) (fetch.Options, string) {
			t.Helper()
			server := plainly(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", r.URL+"/bank")
				w.WriteHeader(status)
				_, _ = io.WriteString(w, body)
			})
			return trusting(server, r.Server), server.URL + "/secret"
		}
	}
	at := func(address string) func(*testing.T, *receiver) (fetch.Options, string) {
		return func(_ *testing.T, r *receiver) (fetch.Options, string) { return trusting(r.Server), address }
	}
	for name, tt := range map[string]struct {
		mistake func(*testing.T, *receiver) (fetch.Options, string)
		cause   string
	}{
		"status 500":       {answer(500, ""), "500"},
		"status 400":       {answer(400, `{"err":"invalid_key"}`), "400"},
		"redirect 302":     {answer(302, ""), "redirects"},
		"redirect 307":     {answer(307, ""), "redirects"},
		"redirect 308":     {answer(308, ""), "redirects"},
		"too large":        {answer(200, strings.Repeat("x", webhook.MaxAnswer+1)), "too large"},
		"X03 private":      {at("https://10.0.0.1/secret"), "not public"},
		"X03 metadata":     {at("https://169.254.169.254/secret"), "not public"},
		"X03 plain http":   {at("http://example.com/secret"), "not https"},
		"X03 another port": {at("https://example.com:8443/secret"), "not 443"},
		"X03 loopback": {func(_ *testing.T, r *receiver) (fetch.Options, string) {
			o := trusting(r.Server)
			o.AllowLoopback = nil
			return o, r.URL + "/secret"
		}, "not allowed"},
		"unknown authority": {func(_ *testing.T, r *receiver) (fetch.Options, string) {
			o := trusting(r.Server)
			o.ExtraRoots = nil
			return o, r.URL + "/secret"
		}, "certificate"},
		"certificate of another": {func(_ *testing.T, r *receiver) (fetch.Options, string) {
			o, host := trusting(r.Server), strings.Replace(r.Listener.Addr().String(), "127.0.0.1", "localhost", 1)
			o.AllowLoopback = append(o.AllowLoopback, host)
			return o, "https://" + host + "/secret"
		}, "certificate"},
		"slow": {func(t *testing.T, r *receiver) (fetch.Options, string) {
			t.Helper()
			server := plainly(t, func(_ http.ResponseWriter, request *http.Request) {
				_, _ = io.Copy(io.Discard, request.Body) // the end of the connection is seen only then
				<-request.Context().Done()
			})
			o := trusting(server)
			o.Timeout = 200 * time.Millisecond
			return o, server.URL + "/secret"
		}, "deadline"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, databasetest.Open(t, database.Config{}))
			r := receive(t, s.ring, s.clock.Now, nil)
			options, address := tt.mistake(t, r)
			stop := s.run(s.sender(options, map[string]string{"bank": address}))
			s.tell("bank", "a")
			s.until("a second attempt", func() bool {
				s.clock.advance(5 * time.Second)
				return s.attempts("failed") >= 2
			})
			stop()
			if log := s.logged(); !strings.Contains(log, tt.cause) || strings.Contains(log, "secret") || strings.Contains(log, "transaction-a") ||
				strings.Count(log, "will be sent again") != 1 {
				t.Errorf("logged %s", log)
			}
			if len(r.arrived) > 0 || s.attempts("delivered") != 0 {
				t.Errorf("it arrived: %+v", <-r.arrived)
			}
			twin := s.sender(trusting(r.Server), map[string]string{"bank": r.URL + "/bank"})
			s.run(twin)
			s.clock.advance(time.Hour)
			if n := r.next(t); n.ID != "a" || n.Transaction != "transaction-a" {
				t.Errorf("%+v", n)
			}
			s.until("the end of the backlog", func() bool { return s.backlog(twin) == 0 })
		})
	}
}

// TestTwoSenders has two processes deliver from one database: nothing is sent
// twice.
func TestTwoSenders(t *testing.T) {
	t.Parallel()
	databasetest.EachConfig(t, func(t *testing.T, config database.Config) {
		const messages = 100
		first := newScene(t, databasetest.Open(t, config))
		second := newScene(t, databasetest.Open(t, config))
		second.clock, second.ring = first.clock, first.ring
		second.outbox = webhook.NewOutbox(databasetest.Open(t, config), tenant, first.clock.Now)
		r := receive(t, first.ring, first.clock.Now, nil)
		addresses := map[string]string{"bank": r.URL + "/bank", "shop": r.URL + "/shop"}
		first.run(first.sender(trusting(r.Server), addresses))
		second.run(second.sender(trusting(r.Server), addresses))
		for n := range messages {
			[]*scene{first, second}[n%2].tell([]string{"bank", "shop"}[n/2%2], fmt.Sprint(n))
		}
		seen := map[string]bool{}
		for range messages {
			n := r.next(t)
			if seen[n.ID] {
				t.Errorf("%s was sent twice", n.ID)
			}
			seen[n.ID] = true
		}
	})
}

// TestSlowReceiverStarvesNobody has one receiver hold all that it gets, while
// another gets everything.
func TestSlowReceiverStarvesNobody(t *testing.T) {
	t.Parallel()
	s := newScene(t, databasetest.Open(t, database.Config{}))
	var held, most atomic.Int32
	released := make(chan struct{})
	release := sync.OnceFunc(func() { close(released) })
	r := receive(t, s.ring, s.clock.Now, func(_ http.ResponseWriter, request *http.Request) bool {
		if request.URL.Path == "/bank" {
			now := held.Add(1)
			for before := most.Load(); now > before && !most.CompareAndSwap(before, now); before = most.Load() {
			}
			<-released
			held.Add(-1)
		}
		return false
	})
	t.Cleanup(release)
	o := trusting(r.Server)
	o.Timeout = time.Minute
	sender := s.sender(o, map[string]string{"bank": r.URL + "/bank", "shop": r.URL + "/shop"})
	var want []string
	for n := range 20 {
		s.tell("bank", fmt.Sprint("bank-", n))
	}
	s.run(sender)
	s.until("the slow receiver", func() bool { return held.Load() == webhook.PerParty })
	for n := range 20 {
		s.tell("shop", fmt.Sprint("shop-", n))
		want = append(want, fmt.Sprint("shop-", n))
	}
	var got []string
	for range want {
		got = append(got, r.next(t).ID)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) || most.Load() != webhook.PerParty {
		t.Errorf("arrived %q, %d at once at the slow receiver", got, most.Load())
	}
	release()
	for range 20 {
		r.next(t)
	}
}

// TestGivesUp drops what can't be delivered for a day, and what has nowhere to
// go, and says so.
func TestGivesUp(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		s := newScene(t, db)
		server := plainly(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
		sender := s.sender(trusting(server), map[string]string{"bank": server.URL})
		s.tell("bank", "a")
		s.tell("gone", "b")
		s.clock.advance(webhook.Patience)
		if left := s.backlog(sender); left != 2 || s.attempts("given_up") != 0 {
			t.Errorf("%d left, %d given up", left, s.attempts("given_up"))
		}
		s.clock.advance(time.Second)
		if left := s.backlog(sender); left != 0 || s.attempts("given_up") != 2 || strings.Count(s.logged(), "webhook given up") != 2 {
			t.Errorf("%d left, %d given up: %s", left, s.attempts("given_up"), s.logged())
		}
	})
}

// TestRotation has a receiver that knows the keys from before go on verifying
// when the next key begins to sign.
func TestRotation(t *testing.T) {
	t.Parallel()
	s := newScene(t, databasetest.Open(t, database.Config{}))
	next := s.clock.Now().Add(10 * time.Second)
	old := trusttest.LeafOptions{NotBefore: time.Now().AddDate(0, 0, -1)}
	s.ring = newRing(t, keys.Entry{Key: newKey(t, old)}, keys.Entry{Key: newKey(t, old), From: next})
	var kids []string
	r := receive(t, s.ring, s.clock.Now, func(_ http.ResponseWriter, request *http.Request) bool {
		body, _ := io.ReadAll(request.Body)
		kids = append(kids, strings.Split(string(body), ".")[0])
		request.Body = io.NopCloser(strings.NewReader(string(body)))
		return false
	})
	s.run(s.sender(trusting(r.Server), map[string]string{"bank": r.URL + "/bank"}))
	s.tell("bank", "a")
	r.next(t)
	s.clock.advance(10 * time.Second)
	s.tell("bank", "b")
	r.next(t)
	if len(kids) != 2 || kids[0] == kids[1] {
		t.Errorf("signed by %q", kids)
	}
	// Nothing is sent that can't be signed.
	ending := newScene(t, databasetest.Open(t, database.Config{}))
	sender := ending.sender(trusting(r.Server), map[string]string{"bank": r.URL + "/bank"})
	ending.clock.advance(10 * 365 * 24 * time.Hour)
	ending.tell("bank", "c")
	ending.run(sender)
	ending.until("the complaint", func() bool { return strings.Contains(ending.logged(), "not signed") })
	if ending.attempts("failed")+ending.attempts("delivered") != 0 {
		t.Error("sent")
	}
}
