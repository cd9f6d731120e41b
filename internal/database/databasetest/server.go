package databasetest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tegata-id/tegata/internal/database"
)

// binariesVariable may name the folder of initdb and postgres to use.
const binariesVariable = "TEGATA_POSTGRES_BIN"

// superuser is the name of the user that owns everything.
const superuser = "tegata"

// Server is a PostgreSQL server with a Unix socket of its own, a password, and
// the settings of a server that must not lose anything.
type Server struct {
	dir      string // of the socket, the data and the log
	binaries string
	password string
	owner    *syscall.Credential // who runs it, if not who runs the test
	command  *exec.Cmd
	args     []string
	count    atomic.Int64
	// lifeline is held open by this process. A watcher at its other end takes
	// the server away when it closes, however this process ends.
	lifeline io.Closer
	watcher  *exec.Cmd
}

// shared is the server of this process.
var shared = sync.OnceValues(func() (*Server, error) { return start() })

// Shared returns the server that all tests of a process share. It ends with
// the process. Without PostgreSQL the test fails: what holds on it is never
// skipped silently.
func Shared(t testing.TB) *Server {
	t.Helper()
	s, err := shared()
	if err != nil {
		t.Fatalf("this test needs a PostgreSQL server: run \"make deps\" or set %s (%v)", binariesVariable, err)
	}
	return s
}

// NewServer starts a server for one test, which may stop it. args are further
// arguments of postgres, such as "-c", "synchronous_commit=off".
func NewServer(t testing.TB, args ...string) *Server {
	t.Helper()
	s, err := start(args...)
	if err != nil {
		t.Fatalf("this test needs a PostgreSQL server: run \"make deps\" or set %s (%v)", binariesVariable, err)
	}
	t.Cleanup(func() {
		s.Kill(t)
		_ = s.lifeline.Close() // a pipe; the watcher ends either way
		_ = s.watcher.Wait()   // its exit code says nothing
	})
	return s
}

// NewDatabase creates an empty database and returns how to open it.
func (s *Server) NewDatabase(t testing.TB) database.Config {
	t.Helper()
	name := fmt.Sprintf("test%d", s.count.Add(1))
	s.Exec(t, "postgres", "CREATE DATABASE "+name)
	return database.Config{Driver: database.DriverPostgres, URL: s.url(name), Password: s.password}
}

// Exec runs a statement in a database.
func (s *Server) Exec(t testing.TB, name, statement string) {
	t.Helper()
	conn, err := s.connect(context.Background(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	if _, err := conn.Exec(context.Background(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// Freeze stops all processes of the server without ending them.
func (s *Server) Freeze(t testing.TB) { s.signal(t, syscall.SIGSTOP) }

// Thaw lets a frozen server go on.
func (s *Server) Thaw(t testing.TB) { s.signal(t, syscall.SIGCONT) }

// Kill ends all processes of the server at once.
func (s *Server) Kill(t testing.TB) {
	if s.command != nil {
		s.signal(t, syscall.SIGKILL)
		_ = s.command.Wait() // "signal: killed" is what we asked for
		s.command = nil
	}
}

// Restart starts a killed server again on the same data.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	if err := s.run(); err != nil {
		t.Fatal(err)
	}
}

// signal sends a signal to the server and its children, which lead process
// groups of their own. Those that have just ended don't count.
func (s *Server) signal(t testing.TB, signal syscall.Signal) {
	t.Helper()
	pid := s.command.Process.Pid
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.command.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	for _, child := range strings.Fields(string(children)) {
		if n, err := strconv.Atoi(child); err == nil && n > 1 {
			_ = syscall.Kill(n, signal)
		}
	}
}

func (s *Server) url(name string) string {
	u := url.URL{Scheme: "postgres", User: url.User(superuser), Path: "/" + name, RawQuery: url.Values{"host": {s.dir}}.Encode()}
	return u.String()
}

func (s *Server) connect(ctx context.Context, name string) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(s.url(name))
	if err != nil {
		return nil, err
	}
	config.Password = s.password
	return pgx.ConnectConfig(ctx, config)
}

func start(args ...string) (*Server, error) {
	s := &Server{password: rand.Text()}
	var err error
	if s.binaries, err = findBinaries(); err != nil {
		return nil, err
	}
	if s.dir, err = os.MkdirTemp("", "tegata-pg-"); err != nil {
		return nil, err
	}
	s.args = append([]string{
		"-D", s.dir + "/data", "-c", "listen_addresses=", "-c", "unix_socket_directories=" + s.dir,
		"-c", "max_connections=400", "-c", "shared_buffers=32MB",
	}, args...)
	if err := s.initialise(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(s.dir))
	}
	if err := s.watch(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(s.dir))
	}
	if err := s.run(); err != nil {
		return nil, errors.Join(err, s.lifeline.Close())
	}
	return s, nil
}

// findBinaries returns the folder of the newest PostgreSQL: Debian keeps it
// out of the PATH.
func findBinaries() (string, error) {
	if dir := os.Getenv(binariesVariable); dir != "" {
		return dir, nil
	}
	newest, dir := 0, ""
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		return "", err
	}
	for _, path := range found {
		if version, err := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path)))); err == nil && version > newest {
			newest, dir = version, filepath.Dir(path)
		}
	}
	if dir != "" {
		return dir, nil
	}
	path, err := exec.LookPath("initdb")
	return filepath.Dir(path), err
}

func unprivileged() (*syscall.Credential, error) {
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			return nil, err
		}
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		if err != nil {
			return nil, err
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("root may not run postgres, and there is no user postgres or nobody")
}

// binary returns a command of PostgreSQL that runs as its owner.
func (s *Server) binary(name string, args ...string) *exec.Cmd {
	command := exec.CommandContext(context.Background(), filepath.Join(s.binaries, name), args...) //nolint:gosec // a server for tests
	command.Dir = s.dir
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}
	// A group of its own, so that an interrupt at the terminal is ours alone.
	command.SysProcAttr = &syscall.SysProcAttr{Credential: s.owner, Setpgid: true}
	return command
}

// initialise makes the data, for an owner that may run postgres.
func (s *Server) initialise() error {
	secret := s.dir + "/password"
	if err := os.WriteFile(secret, []byte(s.password+"\n"), 0o600); err != nil {
		return err
	}
	if os.Getuid() == 0 { // postgres refuses to run as root
		var err error
		if s.owner, err = unprivileged(); err != nil {
			return err
		}
		uid, gid := int(s.owner.Uid), int(s.owner.Gid)
		if err := errors.Join(os.Chown(s.dir, uid, gid), os.Chown(secret, uid, gid)); err != nil {
			return err
		}
	}
	command := s.binary("initdb", "-D", s.dir+"/data", "-U", superuser, "-A", "scram-sha-256",
		"--pwfile="+secret, "-E", "UTF8", "--locale=C", "--no-sync")
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, output)
	}
	return nil
}

// watch starts the watcher.
func (s *Server) watch() error {
	const script = `read -r _; pid=$(head -n 1 "$0/data/postmaster.pid" 2>/dev/null) && kill -QUIT "$pid" && sleep 1; rm -rf "$0"`
	s.watcher = exec.CommandContext(context.Background(), "/bin/sh", "-c", script, s.dir) //nolint:gosec // a folder that we made
	s.watcher.SysProcAttr = &syscall.SysProcAttr{Credential: s.owner, Setpgid: true}
	s.watcher.Dir = "/"
	lifeline, err := s.watcher.StdinPipe()
	if err != nil {
		return err
	}
	s.lifeline = lifeline
	return s.watcher.Start()
}

// run starts the server and waits until it answers.
func (s *Server) run() error {
	log, err := os.OpenFile(s.dir+"/log", os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	var last error
	// What a killed server leaves behind can be in the way for a moment.
	for range 100 {
		if s.command == nil {
			s.command = s.binary("postgres", s.args...)
			s.command.Stdout, s.command.Stderr = log, log
			if err := s.command.Start(); err != nil {
				return err
			}
		}
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		conn, err := s.connect(ctx, "postgres")
		if err == nil {
			defer cancel()
			return conn.Close(ctx)
		}
		cancel()
		last = err
		time.Sleep(100 * time.Millisecond)
		if exited(s.command.Process.Pid) {
			_ = s.command.Wait() // the log says why
			s.command = nil
		}
	}
	text, err := os.ReadFile(s.dir + "/log")
	return errors.Join(fmt.Errorf("postgres does not answer: %w\n%s", last, bytes.TrimSpace(text)), err)
}

// exited says whether a child has ended and waits to be collected.
func exited(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, state, found := strings.Cut(string(stat), ") ")
	return err != nil || found && strings.HasPrefix(state, "Z")
}
