package sessiontest

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tegata-id/tegata/internal/loopback"
)

// binaryVariable may name the redis-server to use.
const binaryVariable = "TEGATA_REDIS_SERVER"

const snapshotFile = "dump.rdb"

// StartRedis starts a real redis-server for one test and returns its address.
// See NewRedisServer.
func StartRedis(t testing.TB, args ...string) (addr string) {
	t.Helper()
	return NewRedisServer(t, args...).Addr
}

// RedisServer is a redis-server process on loopback that can be made to fail.
// Its methods are for the test's own goroutine.
type RedisServer struct {
	// Addr is its host:port, the same after Restart.
	Addr string

	t      testing.TB
	binary string
	dir    string
	args   []string
	cmd    *exec.Cmd
	output *bytes.Buffer
}

// NewRedisServer starts redis-server without persistence and with noeviction in
// a directory of its own, on a free port of 127.0.0.1; args come after these
// and override them, except that the first may name a configuration file. It
// ends with the test. Without a redis-server the test
// fails: what holds on it is never skipped silently.
func NewRedisServer(t testing.TB, args ...string) *RedisServer {
	t.Helper()
	binary := os.Getenv(binaryVariable)
	if binary == "" {
		binary = "redis-server"
	}
	path, err := exec.LookPath(binary)
	if err != nil {
		t.Fatalf("this test needs a redis-server: run \"make deps\" or set %s (%v)", binaryVariable, err)
	}
	s := &RedisServer{t: t, binary: path, dir: t.TempDir(), args: args}
	t.Cleanup(s.Kill)
	// Somebody else may take the free port before Redis does.
	for range 5 {
		s.Addr = freeAddr(t)
		if err = s.start(); err == nil {
			return s
		}
	}
	t.Fatalf("redis-server does not start: %v\n%s", err, s.output)
	return nil
}

// Kill ends the server at once, as kill -9 does.
func (s *RedisServer) Kill() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait() // "signal: killed" is what we asked for
	s.cmd = nil
}

// Restart starts a killed server again in the same place. Without persistence
// among its arguments it comes up empty.
func (s *RedisServer) Restart() {
	s.t.Helper()
	s.Kill()
	if err := s.start(); err != nil {
		s.t.Fatalf("redis-server does not restart: %v\n%s", err, s.output)
	}
}

// FlushAll makes the server forget everything.
func (s *RedisServer) FlushAll() {
	s.t.Helper()
	s.command("FLUSHALL")
}

// Snapshot returns what the server would keep: a copy of its file.
func (s *RedisServer) Snapshot() []byte {
	s.t.Helper()
	s.command("SAVE")
	data, err := os.ReadFile(filepath.Join(s.dir, snapshotFile))
	if err != nil {
		s.t.Fatal(err)
	}
	return data
}

// RollBack kills the server and starts it again from a snapshot, or without
// anything if that is nil. It is for a server that appends to no file.
func (s *RedisServer) RollBack(snapshot []byte) {
	s.t.Helper()
	s.Kill()
	file := filepath.Join(s.dir, snapshotFile)
	err := os.Remove(file)
	if snapshot != nil {
		err = os.WriteFile(file, snapshot, 0o600)
	}
	if err != nil && !os.IsNotExist(err) {
		s.t.Fatal(err)
	}
	s.Restart()
}

// command sends a command in Redis' inline protocol and demands an OK.
func (s *RedisServer) command(line string) {
	s.t.Helper()
	conn, err := new(net.Dialer).DialContext(s.t.Context(), "tcp", s.Addr)
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		s.t.Fatal(err)
	}
	if _, err := fmt.Fprintf(conn, "%s\r\n", line); err != nil {
		s.t.Fatal(err)
	}
	reply := make([]byte, 256)
	n, err := conn.Read(reply)
	if string(reply[:n]) != "+OK\r\n" {
		s.t.Fatalf("redis-server: %s: %q, %v", line, reply[:n], err)
	}
}

// Freeze stops the process without ending it: connections stay and nobody
// answers.
func (s *RedisServer) Freeze() { s.signal(syscall.SIGSTOP) }

// Thaw lets a frozen server go on.
func (s *RedisServer) Thaw() { s.signal(syscall.SIGCONT) }

func (s *RedisServer) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatalf("redis-server: %v", err)
	}
}

// start starts the process and waits until it answers.
func (s *RedisServer) start() error {
	_, port, err := net.SplitHostPort(s.Addr)
	if err != nil {
		return err
	}
	args := []string{
		"--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
		"--maxmemory-policy", "noeviction", "--dir", s.dir, "--dbfilename", snapshotFile,
	}
	if len(s.args) > 0 && !strings.HasPrefix(s.args[0], "-") {
		args = append([]string{s.args[0]}, append(args, s.args[1:]...)...)
	} else {
		args = append(args, s.args...)
	}
	s.output = new(bytes.Buffer)
	s.cmd = exec.Command(s.binary, args...)
	s.cmd.Dir = s.dir
	s.cmd.Stdout, s.cmd.Stderr = s.output, s.output
	if err := s.cmd.Start(); err != nil {
		s.cmd = nil
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	pid := strconv.Itoa(s.cmd.Process.Pid)
	for !answers(ctx, s.Addr, pid) {
		if exited(s.cmd.Process) || ctx.Err() != nil {
			s.Kill()
			return fmt.Errorf("no answer on %s", s.Addr)
		}
		select {
		case <-ctx.Done():
		case <-time.After(10 * time.Millisecond):
		}
	}
	return nil
}

// answers asks whether the server at addr is up and is the process we started,
// in Redis' inline protocol. A server that wants a password counts as up.
func answers(ctx context.Context, addr, pid string) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return false
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	if conn.SetDeadline(deadline) != nil {
		return false
	}
	if _, err := conn.Write([]byte("INFO server\r\n")); err != nil {
		return false
	}
	var got []byte
	buf := make([]byte, 4096)
	for {
		n, err := conn.Read(buf)
		got = append(got, buf[:n]...)
		switch {
		case bytes.Contains(got, []byte("process_id:"+pid+"\r\n")), bytes.HasPrefix(got, []byte("-NOAUTH")):
			return true
		case err != nil, bytes.HasPrefix(got, []byte("-")):
			return false
		}
	}
}

// exited tells whether the process has ended, waited for or not.
func exited(p *os.Process) bool {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.Pid), "stat"))
	if err != nil {
		return p.Signal(syscall.Signal(0)) != nil
	}
	_, state, _ := bytes.Cut(stat, []byte(") "))
	return bytes.HasPrefix(state, []byte("Z"))
}

func freeAddr(t testing.TB) string {
	t.Helper()
	address, err := loopback.Address()
	if err != nil {
		t.Fatal(err)
	}
	return address
}
