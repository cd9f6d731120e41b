package doctor_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/internal/app"
	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/internal/app/sandbox"
	"github.com/tegata-id/tegata/internal/loopback"
)

// world is a deployment behind proxies, which can be told to spoil one thing.
type world struct {
	box *sandbox.Sandbox
	cfg *config.Config

	mu    sync.Mutex
	fault fault
}

// fault is what the proxies do to a deployment that is in order.
type fault struct {
	// tls changes the server's configuration.
	tls func(t *testing.T, w *world, c *tls.Config)
	// path limits serve and change to paths with the prefix.
	path string
	// serve answers in place of the service.
	serve http.HandlerFunc
	// change changes an answer of the service.
	change func(t *testing.T, w *world, a *reply)
}

// reply is an answer of the service on its way to the doctor.
type reply struct {
	status int
	header http.Header
	body   []byte
}

func newWorld(t *testing.T, o sandbox.Options) *world {
	t.Helper()
	o.Now = time.Now()
	box, err := sandbox.New(t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(box.ConfigFile)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{box: box, cfg: cfg}
	for _, role := range []*config.Endpoint{&cfg.Issuer.Endpoint, &cfg.Verifier.Endpoint, &cfg.Provider.Endpoint} {
		w.proxy(t, role)
	}
	w.save(t)
	w.run(t)
	return w
}

func (w *world) save(t *testing.T) {
	t.Helper()
	data, err := yaml.Marshal(w.cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(w.box.ConfigFile, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// run starts the process and waits until it answers.
func (w *world) run(t *testing.T) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- app.Serve(ctx, w.box.ConfigFile, io.Discard, nil) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	for _, l := range []string{w.cfg.Issuer.Listen, w.cfg.Verifier.Listen, w.cfg.Provider.Listen} {
		for range 200 {
			connection, err := net.Dial("tcp", l)
			if err == nil {
				connection.Close()
				break
			}
			time.Sleep(25 * time.Millisecond)
		}
	}
}

// proxy takes the address of a role's origin and moves the role to another.
func (w *world) proxy(t *testing.T, role *config.Endpoint) {
	t.Helper()
	public, err := net.Listen("tcp", role.Listen)
	if err != nil {
		t.Fatal(err)
	}
	if role.Listen, err = loopback.Address(); err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(w.box.TLSRoot)
	backend := &http.Client{
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: "localhost"}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	key, err := keys.LoadFile((*role.TLS)[0].Key, (*role.TLS)[0].Chain)
	if err != nil {
		t.Fatal(err)
	}
	config := func(*tls.ClientHelloInfo) (*tls.Config, error) {
		c := &tls.Config{Certificates: []tls.Certificate{key.TLSCertificate()}, MinVersion: tls.VersionTLS12}
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.fault.tls != nil {
			w.fault.tls(t, w, c)
		}
		return c, nil
	}
	server := &http.Server{
		ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0),
		Handler: http.HandlerFunc(func(out http.ResponseWriter, in *http.Request) { w.forward(t, backend, role.Listen, out, in) }),
	}
	go func() { _ = server.Serve(tls.NewListener(public, &tls.Config{GetConfigForClient: config})) }()
	t.Cleanup(func() { _ = server.Close() })
}

func (w *world) forward(t *testing.T, backend *http.Client, address string, out http.ResponseWriter, in *http.Request) {
	w.mu.Lock()
	f := w.fault
	w.mu.Unlock()
	concerned := strings.HasPrefix(in.URL.Path, f.path)
	if concerned && f.serve != nil {
		f.serve(out, in)
		return
	}
	request := in.Clone(context.Background())
	request.RequestURI, request.URL.Scheme, request.URL.Host = "", "https", address
	response, err := backend.Do(request)
	if err != nil {
		http.Error(out, "bad gateway", http.StatusBadGateway)
		return
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	a := &reply{response.StatusCode, response.Header, body}
	if concerned && f.change != nil {
		f.change(t, w, a)
	}
	for name, values := range a.header {
		if name != "Content-Length" {
			out.Header()[name] = values
		}
	}
	out.WriteHeader(a.status)
	_, _ = out.Write(a.body)
}

// with plants a fault until the test ends.
func (w *world) with(t *testing.T, f fault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fault = f
	t.Cleanup(func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.fault = fault{}
	})
}

// key loads a key of the sandbox.
func (w *world) key(t *testing.T, name string) *keys.Key {
	t.Helper()
	key, err := keys.LoadFile(filepath.Join(w.box.Dir, name+".key.pem"), filepath.Join(w.box.Dir, name+".chain.pem"))
	if err != nil {
		t.Error(err)
	}
	return key
}

// resigned signs a request object anew after its header and claims were changed.
func resigned(key func(t *testing.T, w *world) *keys.Key, change func(h *jose.Header, claims map[string]any)) func(*testing.T, *world, *reply) {
	return func(t *testing.T, w *world, a *reply) {
		t.Helper()
		jws, err := jose.Parse(string(a.body))
		if err != nil {
			return
		}
		var claims map[string]any
		d := json.NewDecoder(bytes.NewReader(jws.UnverifiedPayload()))
		d.UseNumber()
		if err := d.Decode(&claims); err != nil {
			t.Error(err)
		}
		k := w.key(t, "request")
		header := jws.Header
		if key != nil {
			k = key(t, w)
			header.X5C = k.Chain
		}
		if change != nil {
			change(&header, claims)
		}
		payload, err := json.Marshal(claims)
		if err != nil {
			t.Error(err)
		}
		object, err := jose.Sign(header, payload, k.Signer)
		if err != nil {
			t.Error(err)
		}
		a.body = []byte(object)
	}
}
