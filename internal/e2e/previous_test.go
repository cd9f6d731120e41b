package e2e_test

import (
	"bytes"
	"context"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/tegata-id/tegata/internal/app/sandbox"
)

// migrationsDir holds the migrations, seen from the root of the repository.
const migrationsDir = "internal/database/migrations"

// previous is the program as it was before the newest migration, with the
// configuration that a sandbox had then.
type previous struct {
	commit, binary, dir string
	// postgres says that it could keep records there.
	postgres bool
}

// buildPrevious finds the newest commit of this branch whose migrations are
// some of today's but not all, and builds it. It is looked for rather than
// named, so that it moves with every migration, and survives a history that is
// written anew. Where there is no such commit, as in an archive of the sources,
// the test is skipped.
func buildPrevious(t *testing.T) *previous {
	t.Helper()
	top, err := git(t, ".", "rev-parse", "--show-toplevel")
	if err != nil {
		t.Skipf("there is no history to build a previous program from: %v", err)
	}
	root := strings.TrimSpace(string(top))
	p := &previous{commit: findPrevious(t, root), dir: t.TempDir()}
	if p.commit == "" {
		t.Skip("no commit in the history has fewer migrations, and the same ones")
	}
	source := filepath.Join(p.dir, "source")
	if err := os.Mkdir(source, 0o700); err != nil {
		t.Fatal(err)
	}
	archive, err := git(t, root, "archive", p.commit)
	if err != nil {
		t.Fatal(err)
	}
	p.unpack(t, source, archive)
	_, err = os.Stat(filepath.Join(source, "internal/database/postgres.go"))
	p.postgres = err == nil
	p.build(t, source)
	return p
}

// findPrevious returns the commit, or "".
func findPrevious(t *testing.T, root string) string {
	t.Helper()
	today, err := filepath.Glob(filepath.Join(root, migrationsDir, "*.sql"))
	if err != nil {
		t.Fatal(err)
	}
	log, err := git(t, root, "log", "--format=%H", "--", migrationsDir)
	if err != nil {
		t.Fatal(err)
	}
	candidates := []string{"HEAD"} // if the newest migration is not committed yet
	for _, commit := range strings.Fields(string(log)) {
		candidates = append(candidates, commit+"^")
	}
	for _, commit := range candidates {
		names, err := git(t, root, "ls-tree", "--name-only", commit, migrationsDir+"/")
		files := strings.Fields(string(names))
		if err != nil || len(files) == 0 || len(files) >= len(today) {
			continue
		}
		if _, err := git(t, root, append([]string{"diff", "--quiet", commit, "--"}, files...)...); err == nil {
			return commit
		}
	}
	return ""
}

func git(t *testing.T, dir string, args ...string) ([]byte, error) {
	t.Helper()
	return exec.CommandContext(t.Context(), "git", append([]string{"-C", dir}, args...)...).Output() //nolint:gosec // in our own repository
}

func (p *previous) unpack(t *testing.T, source string, archive []byte) {
	t.Helper()
	tar := exec.CommandContext(t.Context(), "tar", "-x", "-C", source) //nolint:gosec // a folder of the test
	tar.Stdin = bytes.NewReader(archive)
	if out, err := tar.CombinedOutput(); err != nil {
		t.Fatalf("tar: %v\n%s", err, out)
	}
}

// furnish is a program of then that makes a sandbox of then.
const furnish = `package main

import (
	"log"
	"os"
	"time"

	"github.com/tegata-id/tegata/internal/app/sandbox"
)

func main() {
	if _, err := sandbox.New(os.Args[1], sandbox.Options{Now: time.Now(), Redis: os.Args[2]}); err != nil {
		log.Fatal(err)
	}
}
`

// build compiles. What the program depends on has been compiled for this one.
func (p *previous) build(t *testing.T, source string) {
	t.Helper()
	if err := os.Mkdir(filepath.Join(source, "cmd/furnish"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(source, "cmd/furnish/main.go"), []byte(furnish), 0o600); err != nil {
		t.Fatal(err)
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", p.dir, "./cmd/tegata", "./cmd/furnish")
	build.Dir = source
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build of %s: %v\n%s", p.commit, err, out)
	}
	p.binary = filepath.Join(p.dir, "tegata")
}

// configure writes a configuration in the form of then, for an issuer that is
// the same as that of a sandbox of today on the same stores, and listens on
// another address. What both sandboxes have in files is the same in both.
func (p *previous) configure(t *testing.T, box *sandbox.Sandbox, redis, address string) (file string) {
	t.Helper()
	dir := filepath.Join(p.dir, "sandbox")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := p.command("furnish", dir, redis).CombinedOutput(); err != nil {
		t.Fatalf("a sandbox of then: %v\n%s", err, out)
	}
	file = filepath.Join(dir, filepath.Base(box.ConfigFile))
	shared := 0
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(box.Dir, e.Name()))
		if err != nil || e.Name() == filepath.Base(file) {
			continue
		}
		shared++
		if err := os.WriteFile(filepath.Join(dir, e.Name()), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if shared < 10 {
		t.Fatalf("the sandboxes share %d files", shared)
	}
	then := readTree(t, file)
	now := read(t, box)
	issuer := then["issuer"].(map[string]any)
	issuer["origin"], issuer["listen"] = box.Issuer, address
	today := now["issuer"].(map[string]any)
	issuer["batch_size"], issuer["status_window"] = today["batch_size"], today["status_window"]
	jpki := issuer["jpki"].(map[string]any)
	for key := range jpki { // what is new in it is not set
		jpki[key] = today["jpki"].(map[string]any)[key]
	}
	then.set("outbound.allow_loopback", now["outbound"].(map[string]any)["allow_loopback"])
	database := now["database"].(map[string]any)
	if !p.postgres {
		database = map[string]any{"path": database["path"]}
	}
	then["database"] = database
	maps.DeleteFunc(then, func(key string, _ any) bool { return slices.Contains([]string{"verifier", "wallet_provider"}, key) })
	data, err := yaml.Marshal(then)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func (p *previous) command(name string, args ...string) *exec.Cmd {
	return exec.CommandContext(context.Background(), filepath.Join(p.dir, name), args...) //nolint:gosec // built by the test
}
