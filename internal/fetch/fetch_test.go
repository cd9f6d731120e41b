package fetch_test

import (
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tegata-id/tegata/internal/fetch"
)

func newClient(t *testing.T, options fetch.Options) *fetch.Client {
	t.Helper()
	options.Now, options.Purpose = time.Now, "tests"
	client, err := fetch.New(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdleConnections)
	return client
}

// serve starts an HTTPS server and returns its URL and the options of a client
// that may talk to it.
func serve(t *testing.T, handler http.HandlerFunc) (string, fetch.Options) {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL, fetch.Options{
		ExtraRoots:    []*x509.Certificate{server.Certificate()},
		AllowLoopback: []string{strings.TrimPrefix(server.URL, "https://")},
	}
}

func TestGet(t *testing.T) {
	t.Parallel()
	var seen http.Header
	url, options := serve(t, func(w http.ResponseWriter, r *http.Request) {
		seen = r.Header.Clone()
		w.Header().Set("Content-Type", "Application/StatusList+jwt; x=y")
		_, _ = io.WriteString(w, r.Method+" "+r.URL.String())
	})
	response, err := newClient(t, options).Get(t.Context(), url+"/a?b=c#fragment", "application/statuslist+jwt")
	if err != nil {
		t.Fatal(err)
	}
	if string(response.Body) != "GET /a?b=c" || response.Status != 200 || response.ContentType != "application/statuslist+jwt" {
		t.Errorf("%+v", response)
	}
	if seen.Get("Accept") != "application/statuslist+jwt" || seen.Get("Accept-Encoding") != "" || seen.Get("Cookie") != "" {
		t.Errorf("request header %v", seen)
	}

	strict := options
	strict.AllowLoopback = nil
	if _, err := newClient(t, strict).Get(t.Context(), url); !errors.Is(err, fetch.ErrBlocked) {
		t.Errorf("X03 without the allow-list: %v", err)
	}
	untrusted := options
	untrusted.ExtraRoots = nil
	var unknown x509.UnknownAuthorityError
	if _, err := newClient(t, untrusted).Get(t.Context(), url+"/secret"); !errors.As(err, &unknown) || strings.Contains(err.Error(), "secret") {
		t.Errorf("X02 without the root: %v", err)
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	url, options := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch r.URL.Path {
		case "/exact":
			_, _ = io.WriteString(w, strings.Repeat("x", 1000))
		case "/over":
			_, _ = io.WriteString(w, strings.Repeat("x", 1001))
		case "/stream":
			for range 50 {
				_, _ = io.WriteString(w, strings.Repeat("x", 100))
				w.(http.Flusher).Flush()
			}
		case "/gzip":
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, _ = z.Write(make([]byte, 1<<20))
			_ = z.Close()
		case "/html":
			w.Header().Set("Content-Type", "text/html")
		case "/untyped":
			w.Header()["Content-Type"] = nil
		case "/missing":
			w.WriteHeader(404)
			_, _ = io.WriteString(w, `{"error":"private"}`)
		case "/cookie":
			w.Header().Set("Set-Cookie", "a=b; Path=/")
			_, _ = io.WriteString(w, r.Header.Get("Cookie"))
		case "/headers":
			w.Header().Set("X-Long", strings.Repeat("x", 64<<10))
		case "/slow":
			select {
			case <-r.Context().Done():
			case <-time.After(10 * time.Second):
			}
		}
	})
	options.MaxBytes, options.Timeout = 1000, 500*time.Millisecond
	client := newClient(t, options)
	var anyError = errors.New("any")
	tests := map[string]error{
		"/exact": nil, "/over": fetch.ErrTooLarge, "/stream": fetch.ErrTooLarge, "/gzip": fetch.ErrContentType, "/html": fetch.ErrContentType,
		"/untyped": fetch.ErrContentType, "/missing": fetch.ErrStatus, "/cookie": nil, "/headers": anyError, "/slow": context.DeadlineExceeded,
	}
	for path, want := range tests {
		for range 2 { // the second request would send a cookie
			response, err := client.Get(t.Context(), url+path, "application/json")
			if !errors.Is(err, want) && (!errors.Is(want, anyError) || err == nil) {
				t.Errorf("X02 %s: %v, want %v", path, err, want)
			}
			if err != nil && (strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "private")) {
				t.Errorf("%s: the error tells: %v", path, err)
			}
			if path == "/cookie" && string(response.Body) != "" {
				t.Errorf("X02 cookie sent: %s", response.Body)
			}
		}
	}
	_, err := client.Get(t.Context(), url+"/missing")
	var status *fetch.StatusError
	if !errors.As(err, &status) || status.Response.Status != 404 || string(status.Response.Body) != `{"error":"private"}` {
		t.Errorf("status error %v", err)
	}
}

func TestRedirects(t *testing.T) {
	t.Parallel()
	url, options := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/end" {
			http.Redirect(w, r, "/end", http.StatusTemporaryRedirect)
		}
	})
	client := newClient(t, options)
	if _, err := client.Get(t.Context(), url+"/end"); err != nil {
		t.Errorf("honest twin: %v", err)
	}
	if _, err := client.Get(t.Context(), url+"/redirect"); !errors.Is(err, fetch.ErrRedirect) {
		t.Errorf("X02 a get was redirected: %v", err)
	}
	if _, err := client.Post(t.Context(), url+"/redirect", "text/plain", []byte("x"), nil); !errors.Is(err, fetch.ErrRedirect) {
		t.Errorf("X02 a post was redirected: %v", err)
	}
}

func TestPost(t *testing.T) {
	t.Parallel()
	url, options := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("DPoP-Nonce", "n")
		w.WriteHeader(400)
		_, _ = fmt.Fprintf(w, "%s %s %s %s", r.Method, r.Header.Get("Content-Type"), r.Header.Get("DPoP"), body)
	})
	_, err := newClient(t, options).Post(t.Context(), url, "application/x-www-form-urlencoded", []byte("a=b"), http.Header{"DPoP": {"proof"}})
	var status *fetch.StatusError
	if !errors.As(err, &status) {
		t.Fatal(err)
	}
	if got := string(status.Response.Body); got != "POST application/x-www-form-urlencoded proof a=b" || status.Response.Header.Get("DPoP-Nonce") != "n" {
		t.Errorf("%s %v", got, status.Response.Header)
	}
}

func TestOldTLS(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}
	server.StartTLS()
	t.Cleanup(server.Close)
	client := newClient(t, fetch.Options{ExtraRoots: []*x509.Certificate{server.Certificate()}, AllowLoopback: []string{strings.TrimPrefix(server.URL, "https://")}})
	if _, err := client.Get(t.Context(), server.URL); err == nil || errors.Is(err, fetch.ErrStatus) || errors.Is(err, fetch.ErrBlocked) {
		t.Errorf("TLS 1.1: %v", err)
	}
}

func TestNoProxyFromTheEnvironment(t *testing.T) {
	var proxied atomic.Bool
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { proxied.Store(true) }))
	t.Cleanup(proxy.Close)
	t.Setenv("HTTPS_PROXY", proxy.URL)
	t.Setenv("ALL_PROXY", proxy.URL)
	url, options := serve(t, func(http.ResponseWriter, *http.Request) {})
	// Loopback addresses never go through a proxy, names that lead to one do.
	named := "example.com" + url[strings.LastIndexByte(url, ':'):]
	options.AllowLoopback = []string{named}
	client := newClient(t, options)
	client.SetResolver(serveDNS(t, [4]byte{127, 0, 0, 1}))
	if _, err := client.Get(t.Context(), "https://"+named); err != nil || proxied.Load() {
		t.Errorf("X02 %v, through the proxy: %v", err, proxied.Load())
	}
}

func TestConcurrency(t *testing.T) {
	t.Parallel()
	var running, most atomic.Int32
	url, options := serve(t, func(http.ResponseWriter, *http.Request) {
		n := running.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		time.Sleep(20 * time.Millisecond)
		running.Add(-1)
	})
	options.Concurrency = 2
	client := newClient(t, options)
	results := make(chan error)
	for range 8 {
		go func() {
			_, err := client.Get(context.Background(), url)
			results <- err
		}()
	}
	for range 8 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	if most.Load() != 2 {
		t.Errorf("X02 %d requests at once, want 2", most.Load())
	}
}
