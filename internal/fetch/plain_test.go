package fetch_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tegata-id/tegata/internal/fetch"
)

// TestPlain: http is spoken with exactly the addresses that the operator listed
// for it.
func TestPlain(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "signed") }))
	t.Cleanup(server.Close)
	target := strings.TrimPrefix(server.URL, "http://")
	for _, tt := range []struct {
		name    string
		url     string
		options fetch.Options
		ok      bool
	}{
		{"honest twin", server.URL + "/ocsp", fetch.Options{AllowPlain: []string{target}}, true},
		{"X02 not listed", server.URL, fetch.Options{}, false},
		{"X02 listed for https", server.URL, fetch.Options{AllowedHosts: []string{target}, AllowLoopback: []string{target}}, false},
		{"X02 other port", "http://127.0.0.1:80/", fetch.Options{AllowPlain: []string{target}}, false},
		{"X02 user information", "http://user@" + target, fetch.Options{AllowPlain: []string{target}}, false},
	} {
		response, err := newClient(t, tt.options).Get(t.Context(), tt.url)
		if tt.ok && (err != nil || string(response.Body) != "signed") {
			t.Errorf("%s: %v", tt.name, err)
		}
		if !tt.ok && !errors.Is(err, fetch.ErrBlocked) {
			t.Errorf("%s: %v, want it blocked", tt.name, err)
		}
	}
	port80 := newClient(t, fetch.Options{AllowPlain: []string{"ocsp.invalid:80"}})
	if err := port80.Allows("http://OCSP.invalid/"); err != nil {
		t.Errorf("the port of http: %v", err)
	}
	if err := port80.Allows("http://ocsp.invalid:443/"); !errors.Is(err, fetch.ErrBlocked) {
		t.Errorf("X02 another port: %v", err)
	}
}
