package e2e_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tegata-id/tegata/internal/app/sandbox"
)

// process is a running tegata serve.
type process struct {
	cmd  *exec.Cmd
	log  logBuffer
	done chan struct{}
	// err is how it ended; read after done is closed.
	err error
}

// serve builds the program, starts it on a sandbox and waits until it answers.
func serve(t *testing.T, box *sandbox.Sandbox) *process {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "tegata")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "github.com/tegata-id/tegata/cmd/tegata")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return start(t, box.TLSRoot, exec.Command(binary, "serve", "-config", box.ConfigFile), box.Issuer, box.Verifier, box.Provider)
}

// start starts tegata serve and waits until it answers at all origins. Its log
// is shown if the test fails.
func start(t *testing.T, root *x509.Certificate, command *exec.Cmd, origins ...string) *process {
	t.Helper()
	p := &process{cmd: command, done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.done
		if t.Failed() {
			t.Logf("log of tegata serve:\n%s", p.log.String())
		}
	})
	p.wait(t, root, origins)
	return p
}

// wait waits until all origins answer over TLS.
func (p *process) wait(t *testing.T, root *x509.Certificate, origins []string) {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AddCert(root)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 5 * time.Second}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for _, origin := range origins {
		for {
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, origin+"/", nil)
			if err != nil {
				t.Fatal(err)
			}
			response, err := client.Do(request)
			if err == nil {
				response.Body.Close()
				break
			}
			select {
			case <-p.done:
				t.Fatalf("tegata serve ended with %v", p.err)
			case <-ctx.Done():
				t.Fatalf("tegata serve does not answer: %v", err)
			case <-time.After(50 * time.Millisecond):
			}
		}
	}
}

// stop asks the process to end, as an operator does, and expects it to do so
// with 0.
func (p *process) stop(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.done:
		if p.err != nil {
			t.Errorf("tegata serve ended with %v after SIGTERM", p.err)
		}
	case <-time.After(30 * time.Second):
		t.Error("tegata serve did not end after SIGTERM")
	}
}

// logBuffer collects what a process prints. It is safe for concurrent use.
type logBuffer struct {
	mu  sync.Mutex
	log strings.Builder
}

func (b *logBuffer) Write(data []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.log.Write(data)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.log.String()
}

// keysIn returns how many keys the Redis at the address holds.
func keysIn(t *testing.T, address string) int {
	t.Helper()
	connection, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	if err := connection.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprint(connection, "DBSIZE\r\n"); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(connection).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(line, ":")))
	if err != nil {
		t.Fatalf("DBSIZE answered %q", line)
	}
	return n
}
