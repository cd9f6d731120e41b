package archtest

import (
	"go/ast"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var (
	backticked   = regexp.MustCompile("`([^`]+)`")
	reference    = regexp.MustCompile("`([a-z0-9/]+)`((?: *,? *Test[A-Za-z0-9]+)+)")
	suitePackage = regexp.MustCompile("`internal/e2e/oidf(issuer|wallet)`")
	testName     = regexp.MustCompile(`Test[A-Za-z0-9]+`)
	caseID       = regexp.MustCompile(`^[IO]\d\d$`)
)

// suites are what the tests of a package are called: functions, and names of
// subtests or whatever else stands in quotes or comments.
type suites struct {
	functions map[string]bool
	literals  map[string]bool
	words     strings.Builder
}

// TestConformance holds the tables of docs/conformance.md that say which test
// stands for which module or case: the tests exist in the packages named, and
// mention what they stand for.
func TestConformance(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	data, err := os.ReadFile(filepath.Join(root, "docs", "conformance.md"))
	if err != nil {
		t.Fatal(err)
	}
	packages := map[string]*suites{}
	for _, f := range load(t, root) {
		if f.test() {
			collect(packages, f)
		}
	}
	modules, cases := 0, map[string]bool{}
	for line := range strings.Lines(string(data)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		first, last := strings.TrimSpace(cells[0]), cells[len(cells)-1]
		if len(cells) < 2 {
			continue
		}
		switch {
		case suitePackage.MatchString(last) && strings.Contains(first, "`"):
			for _, module := range backticked.FindAllStringSubmatch(first, -1) {
				modules++
				check(t, packages, module[1], last, func(s *suites) bool { return s.literals[module[1]] || module[1] == "private_key_jwt" })
			}
		case caseID.MatchString(first):
			if cases[first] {
				t.Errorf("%s has two rows", first)
			}
			cases[first] = true
			if !strings.Contains(last, "not built") {
				check(t, packages, first, last, func(s *suites) bool { return strings.Contains(s.words.String(), first) })
			}
		}
	}
	if modules < 100 || len(cases) < 50 {
		t.Errorf("%d modules of the conformance suite and %d cases: the tables are not found", modules, len(cases))
	}
}

// check demands that every test that the cell names exists, and that one of the
// packages mentions the subject.
func check(t *testing.T, packages map[string]*suites, subject, cell string, mentions func(*suites) bool) {
	t.Helper()
	references, mentioned := reference.FindAllStringSubmatch(cell, -1), false
	for _, r := range references {
		s := packages[r[1]]
		if s == nil {
			t.Errorf("%s: there are no tests in %s", subject, r[1])
			continue
		}
		mentioned = mentioned || mentions(s)
		for _, name := range testName.FindAllString(r[2], -1) {
			if !s.functions[name] {
				t.Errorf("%s: there is no %s in %s", subject, name, r[1])
			}
		}
	}
	if len(references) == 0 || !mentioned {
		t.Errorf("%s: no test mentions it: %s", subject, cell)
	}
}

func collect(packages map[string]*suites, f file) {
	s := packages[f.dir]
	if s == nil {
		s = &suites{functions: map[string]bool{}, literals: map[string]bool{}}
		packages[f.dir] = s
	}
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if n.Recv == nil {
				s.functions[n.Name.Name] = true
			}
		case *ast.BasicLit:
			if text, err := strconv.Unquote(n.Value); err == nil && n.Kind == token.STRING {
				s.literals[text] = true
				s.words.WriteString(text + "\n")
			}
		}
		return true
	})
	for _, group := range f.syntax.Comments {
		s.words.WriteString(group.Text() + "\n")
	}
}
