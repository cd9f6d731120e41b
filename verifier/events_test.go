package verifier_test

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/verifier"
)

// listen opens a stream of events of the bank.
func listen(t *testing.T, server *httptest.Server, id string) *http.Response {
	t.Helper()
	r := must(http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/api/transactions/"+id+"/events", nil))(t)
	r.Header.Set("Authorization", "Bearer "+bankKey)
	response := must(server.Client().Do(r))(t)
	t.Cleanup(func() { _ = response.Body.Close() })
	return response
}

// TestEvents listens at one replica while the wallet answers at another.
func TestEvents(t *testing.T) {
	t.Parallel()
	list := parties()
	list[0].Flows = nil
	s := newPartySite(t, list)
	replica := s.siteFor(list)
	replica.v.SetPace(time.Millisecond, time.Millisecond, time.Minute)
	server := httptest.NewServer(replica.plain)
	t.Cleanup(server.Close)
	tx := decode[created](t, wantCode(t, s.as(bankKey, http.MethodPost, "/api/transactions", askBody(querySDJWT, verifier.CrossDevice, "")), http.StatusCreated))
	response := listen(t, server, tx.ID)
	if response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != "text/event-stream" || response.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %v", response.StatusCode, response.Header)
	}
	lines := bufio.NewScanner(response.Body)
	until := func(want string) (before string) {
		t.Helper()
		for lines.Scan() {
			if lines.Text() == want {
				return before
			}
			before += lines.Text() + "\n"
		}
		t.Fatalf("the stream ends without %q: %v", want, lines.Err())
		return ""
	}
	until(`data: {"state":"waiting"}`)
	until(": waiting")
	r := s.read(tx.Link, tx.RequestURI)
	wantCode(t, s.post(r.Parameters.ResponseURI, s.encrypted(r, s.presentSDJWT(r.binding()))), http.StatusOK)
	until(`data: {"state":"verified"}`)
	for lines.Scan() {
		if lines.Text() != "" {
			t.Errorf("after the end: %q", lines.Text())
		}
	}
}

// TestEventsEnd opens streams of transactions that wait, have ended, were
// cancelled, or are released for a response code alone.
func TestEventsEnd(t *testing.T) {
	t.Parallel()
	s := newPartySite(t, parties())
	events := func(id string) string {
		return text(t, wantCode(t, s.as(bankKey, http.MethodGet, "/api/transactions/"+id+"/events", ""), http.StatusOK))
	}
	waiting := s.ask(bankKey)
	if got := events(waiting.ID); !strings.Contains(got, "waiting") || !strings.Contains(got, "retry: ") {
		t.Errorf("%q", got)
	}
	r := s.read(waiting.Link, waiting.RequestURI)
	wantCode(t, s.post(r.Parameters.ResponseURI, s.encrypted(r, s.presentSDJWT(r.binding()))), http.StatusOK)
	if got := events(waiting.ID); strings.Contains(got, "verified") {
		t.Errorf("without the response code: %q", got)
	}
	s.advance(verifier.DefaultLifetimes.Request)
	if got := events(waiting.ID); !strings.Contains(got, `{"state":"expired"}`) {
		t.Errorf("%q", got)
	}
	wantCode(t, s.as(bankKey, http.MethodDelete, "/api/transactions/"+waiting.ID, ""), http.StatusNoContent)
	wantCode(t, s.as(bankKey, http.MethodGet, "/api/transactions/"+waiting.ID+"/events", ""), http.StatusNotFound)
}

// TestNegEvents opens more streams than a relying party may.
func TestNegEvents(t *testing.T) {
	t.Parallel()
	s := newPartySite(t, parties())
	s.v.SetPace(time.Millisecond, time.Hour, time.Hour)
	server := httptest.NewServer(s.plain)
	t.Cleanup(server.Close)
	id := s.ask(bankKey).ID
	open := make([]*http.Response, verifier.MaxPartyStreams)
	for n := range open {
		if open[n] = listen(t, server, id); open[n].StatusCode != http.StatusOK {
			t.Fatalf("stream %d: %d", n, open[n].StatusCode)
		}
	}
	if r := listen(t, server, id); r.StatusCode != http.StatusTooManyRequests || r.Header.Get("Retry-After") == "" {
		t.Errorf("one too many: %d", r.StatusCode)
	}
	wantCode(t, s.as(bankKey, http.MethodDelete, "/api/transactions/"+id, ""), http.StatusNoContent)
	for _, r := range open {
		text(t, r) // they end with the transaction
	}
	if r := listen(t, server, s.ask(bankKey).ID); r.StatusCode != http.StatusOK {
		t.Errorf("afterwards: %d", r.StatusCode)
	} else {
		_ = r.Body.Close()
	}
}

// TestPageEvents listens as the page does: on another device than the wallet's the
// answer shows, on the same device the response code shows it alone.
func TestPageEvents(t *testing.T) {
	t.Parallel()
	for flow, want := range map[verifier.Flow]string{verifier.CrossDevice: "verified", verifier.SameDevice: "waiting"} {
		b := &browser{site: newSite(t)}
		b.v.SetPace(time.Millisecond, 5*time.Millisecond, 50*time.Millisecond)
		page := b.begin("adult_sd_jwt", flow)
		if got := text(t, wantCode(t, b.get(page+"/events"), http.StatusOK)); !strings.Contains(got, `{"state":"waiting"}`) {
			t.Errorf("%s: before the answer: %q", flow, got)
		}
		b.answer(b.link(text(t, b.get(page))))
		r := wantCode(t, b.get(page+"/events"), http.StatusOK)
		if got := text(t, r); !strings.Contains(got, `{"state":"`+want+`"}`) || strings.Contains(got, "花子") || r.Header.Get("Content-Type") != "text/event-stream" {
			t.Errorf("%s: after the answer: %q %v", flow, got, r.Header)
		}
		stranger := &browser{site: b.site}
		wantCode(t, stranger.get(page+"/events"), http.StatusForbidden)
		stranger.begin("adult_sd_jwt", flow)
		wantCode(t, stranger.get(page+"/events"), http.StatusForbidden)
	}
}

// TestNegPageEvents opens more streams than a page needs.
func TestNegPageEvents(t *testing.T) {
	t.Parallel()
	b := &browser{site: newPartySite(t, nil)}
	b.v.SetPace(time.Millisecond, time.Hour, time.Hour)
	server := httptest.NewServer(b.plain)
	t.Cleanup(server.Close)
	page := strings.TrimPrefix(b.begin("adult_sd_jwt", verifier.CrossDevice), origin)
	open := func() *http.Response {
		r := must(http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+page+"/events", nil))(t)
		r.Header.Set("Cookie", b.cookie)
		response := must(server.Client().Do(r))(t)
		t.Cleanup(func() { _ = response.Body.Close() })
		return response
	}
	for n := range verifier.MaxPageStreams {
		if r := open(); r.StatusCode != http.StatusOK {
			t.Fatalf("stream %d: %d", n, r.StatusCode)
		}
	}
	if r := open(); r.StatusCode != http.StatusTooManyRequests || r.Header.Get("Retry-After") == "" {
		t.Errorf("one too many: %d", r.StatusCode)
	}
	// Another page has its own.
	page = strings.TrimPrefix(b.begin("adult_sd_jwt", verifier.CrossDevice), origin)
	if r := open(); r.StatusCode != http.StatusOK {
		t.Errorf("another page: %d", r.StatusCode)
	}
}
