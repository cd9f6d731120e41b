package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// file is a parsed Go file with its place in the repository.
type file struct {
	dir, name string // dir is relative to the module with slashes, "." for its root
	lines     int
	syntax    *ast.File
}

func (f file) test() bool   { return strings.HasSuffix(f.name, "_test.go") }
func (f file) path() string { return path.Join(f.dir, f.name) }

// imports returns the paths that the file imports, with the names they have in
// it.
func (f file) imports(t *testing.T) map[string]string {
	t.Helper()
	imports := map[string]string{}
	for _, spec := range f.syntax.Imports {
		importPath, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		name := path.Base(importPath)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		imports[importPath] = name
	}
	return imports
}

// load parses every Go file below root.
func load(t *testing.T, root string) []file {
	t.Helper()
	var files []file
	positions := token.NewFileSet()
	err := filepath.WalkDir(root, func(full string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := entry.Name(); entry.IsDir() {
			if full != root && (strings.HasPrefix(name, ".") || name == "testdata" || name == "node_modules" || name == "vendor") {
				return filepath.SkipDir
			}
			return nil
		} else if !strings.HasSuffix(name, ".go") {
			return nil
		}
		source, err := os.ReadFile(full)
		if err != nil {
			return err
		}
		syntax, err := parser.ParseFile(positions, full, source, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(root, full)
		if err != nil {
			return err
		}
		relative = filepath.ToSlash(relative)
		files = append(files, file{path.Dir(relative), path.Base(relative), strings.Count(string(source), "\n"), syntax})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// in reports whether the directory matches one of the patterns.
func in(dir string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		if tree, ok := strings.CutSuffix(pattern, "/..."); ok {
			return dir == tree || strings.HasPrefix(dir, tree+"/")
		}
		return dir == pattern
	})
}

// layerOf returns the name and the rank of the layer of a package.
func layerOf(dir string) (name string, rank int, ok bool) {
	for _, l := range layers {
		if in(dir, l.packages) {
			return l.name, l.rank, true
		}
	}
	return "", 0, false
}

// closedTree returns the tree of closed that holds the directory, or "".
func closedTree(dir string) string {
	for _, tree := range closed {
		if in(dir, []string{tree}) {
			return tree
		}
	}
	return ""
}

// local returns the directory of a package of this module.
func local(importPath string) (dir string, ok bool) {
	if importPath == module {
		return ".", true
	}
	return strings.CutPrefix(importPath, module+"/")
}

// checks are the rules; each returns what a file breaks.
var checks = map[string]func(t *testing.T, f file) []string{
	"layers": func(t *testing.T, f file) (faults []string) {
		t.Helper()
		own, rank, ok := layerOf(f.dir)
		if !ok {
			return []string{"the package belongs to no layer"}
		}
		for imported := range f.imports(t) {
			dir, ok := local(imported)
			if !ok || f.test() {
				continue
			}
			other, otherRank, ok := layerOf(dir)
			switch {
			case !ok:
				faults = append(faults, fmt.Sprintf("imports %s, which belongs to no layer", dir))
			case otherRank > rank:
				faults = append(faults, fmt.Sprintf("%s import %s, one of the %s above", own, dir, other))
			}
			for tree, allowed := range narrow {
				if in(f.dir, []string{tree}) && !in(dir, append([]string{tree}, allowed...)) {
					faults = append(faults, fmt.Sprintf("%s may not import %s", tree, dir))
				}
			}
		}
		return faults
	},
	"roles": func(t *testing.T, f file) (faults []string) {
		t.Helper()
		own := closedTree(f.dir)
		for imported := range f.imports(t) {
			if dir, ok := local(imported); ok && own != "" {
				if other := closedTree(dir); other != "" && other != own {
					faults = append(faults, fmt.Sprintf("%s imports %s", own, dir))
				}
			}
		}
		return faults
	},
	"test support": func(t *testing.T, f file) (faults []string) {
		t.Helper()
		for imported := range f.imports(t) {
			if dir, ok := local(imported); ok && !f.test() && in(dir, testSupport) && !in(f.path(), testSupportUsers) {
				faults = append(faults, fmt.Sprintf("imports %s, which is for tests", dir))
			}
		}
		return faults
	},
	"libraries": func(t *testing.T, f file) (faults []string) {
		t.Helper()
		for imported := range f.imports(t) {
			if f.test() {
				continue
			}
			for _, s := range seams {
				if imported != s.library && !strings.HasPrefix(imported, s.library+"/") || in(f.dir, s.packages) {
					continue
				}
				if match, err := path.Match(s.files, f.name); err == nil && match && in(f.dir, s.fileTrees) {
					continue
				}
				faults = append(faults, fmt.Sprintf("imports %s", imported))
			}
			for tree, allowed := range bareTrees {
				if first, _, _ := strings.Cut(imported, "/"); in(f.dir, []string{tree}) && strings.Contains(first, ".") && !slices.Contains(allowed, imported) {
					faults = append(faults, fmt.Sprintf("imports %s beside the standard library", imported))
				}
			}
		}
		return faults
	},
	"bans": func(t *testing.T, f file) (faults []string) {
		t.Helper()
		if f.test() || in(f.dir, testSupport) {
			return nil
		}
		imports := f.imports(t)
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			selector, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			receiver, ok := selector.X.(*ast.Ident)
			if !ok {
				return true
			}
			for _, b := range bans {
				if imports[b.path] == receiver.Name && slices.Contains(b.names, selector.Sel.Name) && !in(f.dir, b.except) {
					faults = append(faults, fmt.Sprintf("uses %s.%s: %s", receiver.Name, selector.Sel.Name, b.why))
				}
			}
			return true
		})
		return faults
	},
	"init": func(t *testing.T, f file) (faults []string) {
		t.Helper()
		for _, declaration := range f.syntax.Decls {
			if f, ok := declaration.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				faults = append(faults, "has an init function")
			}
		}
		return faults
	},
	"length": func(t *testing.T, f file) []string {
		t.Helper()
		if !f.test() && f.lines > maxLines {
			return []string{fmt.Sprintf("has %d lines, more than %d", f.lines, maxLines)}
		}
		return nil
	},
}

func TestRepository(t *testing.T) {
	t.Parallel()
	files := load(t, filepath.Join("..", ".."))
	if len(files) < 10 {
		t.Fatalf("only %d files found", len(files))
	}
	for name, check := range checks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, f := range files {
				for _, fault := range check(t, f) {
					t.Errorf("%s %s", f.path(), fault)
				}
			}
		})
	}
	t.Run("package comments", func(t *testing.T) {
		t.Parallel()
		for _, fault := range undocumented(files) {
			t.Error(fault)
		}
	})
}

// undocumented returns the packages without a package comment.
func undocumented(files []file) (faults []string) {
	documented := map[string]bool{}
	for _, f := range files {
		if !f.test() {
			documented[f.dir] = documented[f.dir] || f.syntax.Doc != nil
		}
	}
	for dir, ok := range documented {
		if !ok {
			faults = append(faults, dir+" has no package comment")
		}
	}
	return faults
}

// TestChecks proves that every rule bites, and lets through what it should.
func TestChecks(t *testing.T) {
	t.Parallel()
	tests := []struct {
		check, path, source string
		faults              int
	}{
		{"layers", "credentials/a.go", `import "encoding/json"`, 0},
		{"layers", "credentials/sdjwt/a.go", `import "` + module + `/credentials/trust"`, 0},
		{"layers", "credentials/sdjwt/a.go", `import "` + module + `/credentials/status"`, 0},
		{"layers", "credentials/trust/a.go", `import "` + module + `/credentials/sdjwt"`, 1},
		{"layers", "credentials/trust/a_test.go", `import "` + module + `/credentials/sdjwt"`, 0},
		{"layers", "credentials/jose/a.go", `import "` + module + `/credentials/trust"`, 1},
		{"layers", "credentials/a.go", `import "` + module + `/credentials/jose"`, 1},
		{"layers", "credentials/openid4vp/a.go", `import "` + module + `/internal/httpd"`, 1},
		{"layers", "internal/httpd/a.go", `import "` + module + `/credentials/jose"`, 0},
		{"layers", "internal/httpd/a.go", `import "` + module + `/issuer"`, 1},
		{"layers", "internal/session/a.go", `import "` + module + `/internal/app"`, 1},
		{"layers", "issuer/oauth/a.go", `import "` + module + `/internal/session"`, 0},
		{"layers", "issuer/a.go", `import "` + module + `/internal/app"`, 1},
		{"layers", "internal/app/a.go", `import "` + module + `/issuer"`, 0},
		{"layers", "internal/app/a.go", `import "` + module + `/cmd/tegata"`, 1},
		{"layers", "cmd/tegata/a.go", `import "` + module + `/internal/app"`, 0},
		{"layers", "cmd/tegata/a.go", `import "` + module + `/issuer"`, 1},
		{"layers", "internal/e2e/wire/a.go", `import "` + module + `/credentials/jose"`, 1},
		{"layers", "util/a.go", ``, 1},
		{"roles", "issuer/oauth/a.go", `import "` + module + `/issuer/records"`, 0},
		{"roles", "issuer/a.go", `import "` + module + `/verifier"`, 1},
		{"roles", "wallet/holder/a.go", `import "` + module + `/issuer/oauth"`, 1},
		{"roles", "internal/app/a.go", `import ("` + module + `/issuer"; "` + module + `/wallet/holder")`, 0},
		{"test support", "issuer/a.go", `import "` + module + `/credentials/trust/trusttest"`, 1},
		{"test support", "issuer/a_test.go", `import "` + module + `/credentials/trust/trusttest"`, 0},
		{"test support", "cmd/tegata/ca.go", `import "` + module + `/credentials/trust/trusttest"`, 1},
		{"test support", "internal/app/front.go", `import "` + module + `/credentials/trust/trusttest"`, 1},
		{"test support", "internal/app/sandbox/a.go", `import "` + module + `/credentials/trust/trusttest"`, 0},
		{"libraries", "credentials/jose/a.go", `import "github.com/lestrrat-go/jwx/v2/jws"`, 0},
		{"libraries", "issuer/a.go", `import "github.com/lestrrat-go/jwx/v2/jws"`, 1},
		{"libraries", "issuer/handler.go", `import "github.com/labstack/echo/v4"`, 0},
		{"libraries", "issuer/web/handler_login.go", `import "github.com/labstack/echo/v4"`, 0},
		{"libraries", "issuer/service.go", `import "github.com/labstack/echo/v4"`, 1},
		{"libraries", "internal/audit/handler.go", `import "github.com/labstack/echo/v4"`, 1},
		{"libraries", "credentials/mdoc/a.go", `import "github.com/fxamacker/cbor/v2"`, 1},
		{"libraries", "issuer/records/a.go", `import "modernc.org/sqlite"`, 1},
		{"libraries", "credentials/keys/pkcs11/a.go", `import "github.com/ThalesGroup/crypto11"`, 0},
		{"libraries", "credentials/keys/a.go", `import "github.com/ThalesGroup/crypto11"`, 1},
		{"libraries", "internal/app/a.go", `import "github.com/miekg/pkcs11"`, 1},
		{"libraries", "credentials/a.go", `import "golang.org/x/text/language"`, 1},
		{"bans", "issuer/a.go", `import "time"; var x = time.Now`, 1},
		{"bans", "issuer/a.go", `import t "time"; var x = t.Since(t.Time{})`, 1},
		{"bans", "issuer/a.go", `import "time"; var x = time.Unix(0, 0)`, 0},
		{"bans", "issuer/a_test.go", `import "time"; var x = time.Now`, 0},
		{"bans", "internal/app/a.go", `import "time"; var x = time.Now`, 0},
		{"bans", "issuer/a.go", `import "os"; var x = os.Getenv("x")`, 1},
		{"bans", "wallet/a.go", `import "net/http"; var x = http.DefaultClient`, 1},
		{"bans", "wallet/a.go", `import "net/http"; var x = &http.Client{}`, 1},
		{"bans", "wallet/a.go", `import "net/http"; var x = http.MethodGet`, 0},
		{"bans", "internal/fetch/a.go", `import "net/http"; var x = &http.Client{}`, 0},
		{"init", "issuer/a.go", `func init() {}`, 1},
		{"init", "issuer/a.go", `type t int; func (t) init() {}`, 0},
		{"length", "issuer/a.go", strings.Repeat("\n", maxLines), 1},
		{"length", "issuer/a.go", strings.Repeat("\n", maxLines-2), 0},
		{"length", "issuer/a_test.go", strings.Repeat("\n", maxLines), 0},
	}
	for _, tt := range tests {
		source := "package p\n" + tt.source
		syntax, err := parser.ParseFile(token.NewFileSet(), tt.path, source, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		f := file{path.Dir(tt.path), path.Base(tt.path), strings.Count(source, "\n"), syntax}
		if got := checks[tt.check](t, f); len(got) != tt.faults {
			t.Errorf("%s: %s with %s: %q, want %d faults", tt.check, tt.path, strings.TrimSpace(tt.source), got, tt.faults)
		}
	}
}
