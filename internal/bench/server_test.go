//go:build linux

package bench_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
	"golang.org/x/sys/unix"

	"github.com/tegata-id/tegata/internal/app"
	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/internal/app/sandbox"
	"github.com/tegata-id/tegata/internal/database/databasetest"
	"github.com/tegata-id/tegata/internal/loopback"
	"github.com/tegata-id/tegata/internal/session/sessiontest"
)

// setup says what the server runs on.
type setup struct {
	name string
	// tls has the server end TLS; without it the bench is the proxy.
	tls             bool
	redis, postgres bool
}

// server is the product's binary as a child process.
type server struct {
	box   *sandbox.Sandbox
	cfg   *config.Config
	admin string
	http  *http.Client
	pid   int
	done  chan struct{}
}

// build compiles the binary as make does.
func build(t testing.TB) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "tegata")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", binary, "github.com/tegata-id/tegata/cmd/tegata")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return binary
}

// start runs the binary until the test ends.
func start(t testing.TB, binary string, s setup) *server {
	t.Helper()
	o := sandbox.Options{Now: time.Now(), BatchSize: batchSize}
	if s.redis {
		o.Redis = sessiontest.StartRedis(t, "--appendonly", "yes")
	}
	box, err := sandbox.New(t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	v := &server{box: box}
	if v.admin, err = loopback.Address(); err != nil {
		t.Fatal(err)
	}
	v.configure(t, s)
	if v.cfg, err = config.Load(box.ConfigFile); err != nil {
		t.Fatal(err)
	}
	v.run(t, binary)
	v.http = v.client(s.tls)
	v.wait(t)
	return v
}

// configure changes what the sandbox has written.
func (v *server) configure(t testing.TB, s setup) {
	t.Helper()
	data, err := os.ReadFile(v.box.ConfigFile)
	if err != nil {
		t.Fatal(err)
	}
	var c map[string]any
	if err := yaml.Unmarshal(data, &c); err != nil {
		t.Fatal(err)
	}
	c["admin_listen"] = v.admin
	if !s.tls {
		for _, role := range []string{"issuer", "verifier", "wallet_provider"} {
			delete(c[role].(map[string]any), "tls")
		}
	}
	if s.postgres {
		db := databasetest.Shared(t).NewDatabase(t)
		password := filepath.Join(v.box.Dir, "database.password")
		if err := os.WriteFile(password, []byte(db.Password), 0o600); err != nil {
			t.Fatal(err)
		}
		c["database"] = map[string]any{"driver": db.Driver, "url": db.URL, "password_file": password}
	}
	if data, err = yaml.Marshal(c); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(v.box.ConfigFile, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if s.postgres {
		if _, err := app.Migrate(t.Context(), v.box.ConfigFile); err != nil {
			t.Fatal(err)
		}
	}
}

func (v *server) run(t testing.TB, binary string) {
	t.Helper()
	var log bytes.Buffer
	cmd := exec.Command(binary, "serve", "--config", v.box.ConfigFile)
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	v.pid, v.done = cmd.Process.Pid, done
	go func() {
		_ = cmd.Wait()
		close(done)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-done:
		case <-time.After(20 * time.Second):
			_ = cmd.Process.Kill()
			<-done
		}
		if t.Failed() {
			lines := strings.Split(log.String(), "\n")
			t.Logf("log of the server:\n%s", strings.Join(lines[max(0, len(lines)-20):], "\n"))
		}
	})
}

// client returns a client that keeps its connections. Without TLS it is in the
// place of a proxy: it asks for the https origins, and connects in clear.
func (v *server) client(withTLS bool) *http.Client {
	roots := x509.NewCertPool()
	roots.AddCert(v.box.TLSRoot)
	transport := &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13},
		MaxIdleConnsPerHost: wallets, DisableCompression: true,
	}
	if !withTLS {
		dialer := &net.Dialer{}
		transport.DialTLSContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, address)
		}
	}
	return &http.Client{
		Transport: transport, Timeout: time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// wait waits until the server is ready.
func (v *server) wait(t testing.TB) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		response, err := http.Get("http://" + v.admin + "/readyz")
		if err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-v.done:
			t.Fatal("the server has ended")
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("the server is not ready: %v", err)
		}
	}
}

// cpu returns the processor time that the server has used, user and system.
func (v *server) cpu(t testing.TB) time.Duration {
	t.Helper()
	// clock_getcpuclockid(3): the clock of a whole process, by its ID.
	return clock(t, int32(^v.pid<<3|2))
}

func clock(t testing.TB, id int32) time.Duration {
	t.Helper()
	var now unix.Timespec
	if err := unix.ClockGettime(id, &now); err != nil {
		t.Fatal(err)
	}
	return time.Duration(now.Nano())
}

// profile writes a CPU profile of the server while do runs, if a file is named.
func (v *server) profile(t testing.TB, file string, seconds string, do func()) {
	t.Helper()
	finished := make(chan error, 1)
	go func() {
		response, err := http.Get("http://" + v.admin + "/debug/pprof/profile?" + url.Values{"seconds": {seconds}}.Encode())
		if err != nil {
			finished <- err
			return
		}
		defer response.Body.Close()
		data, err := io.ReadAll(response.Body)
		if err == nil {
			err = os.WriteFile(file, data, 0o600)
		}
		finished <- err
	}()
	for {
		do()
		select {
		case err := <-finished:
			if err != nil {
				t.Fatal(err)
			}
			return
		default:
		}
	}
}
