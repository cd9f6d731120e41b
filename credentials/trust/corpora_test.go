package trust_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// corpora returns the folder with the corpora: what TEGATA_CORPORA says, or
// ../shared/corpora beside the repository. Without it the test is skipped.
func corpora(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("TEGATA_CORPORA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "corpora")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skip("the corpora are not at hand: set TEGATA_CORPORA")
	}
	return dir
}

// outcome counts what became of the cases of a family.
type outcome struct{ cases, accepted, falseAccepts, falseRejects int }

// corpus holds decisions against what a corpus expects, a file of known
// failures and the counts of each family.
type corpus struct {
	name  string
	known map[string]string
	got   map[string]outcome
}

// newCorpus reads a file of testdata with lines of "case | reason".
func newCorpus(t *testing.T, name, file string) *corpus {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	c := &corpus{name: name, known: map[string]string{}, got: map[string]outcome{}}
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		id, reason, _ := strings.Cut(line, " | ")
		if reason == "" || c.known[id] != "" {
			t.Fatalf("known failures of %s: %q has no reason or is there twice", name, line)
		}
		c.known[id] = reason
	}
	return c
}

// decide records a case: err is nil if it was accepted.
func (c *corpus) decide(t *testing.T, family, id string, want bool, err error) {
	t.Helper()
	o := c.got[family]
	o.cases++
	accepted := err == nil
	if accepted {
		o.accepted++
	}
	switch {
	case accepted && !want:
		o.falseAccepts++
	case !accepted && want:
		o.falseRejects++
	}
	c.got[family] = o
	_, known := c.known[id]
	delete(c.known, id)
	switch {
	case accepted != want && !known:
		t.Errorf("%s: accepted %t, want %t (%v)", id, accepted, want, err)
	case accepted == want && known:
		t.Errorf("%s: listed as a known failure, but passes", id)
	}
}

// finish holds the counts against those expected and prints them.
func (c *corpus) finish(t *testing.T, want map[string]outcome) {
	t.Helper()
	for _, id := range slices.Sorted(maps.Keys(c.known)) {
		t.Errorf("%s: listed as a known failure, but there is no such case", id)
	}
	if !maps.Equal(c.got, want) {
		for _, family := range slices.Sorted(maps.Keys(c.got)) {
			o := c.got[family]
			t.Logf("%q: {%d, %d, %d, %d},", family, o.cases, o.accepted, o.falseAccepts, o.falseRejects)
		}
		t.Errorf("%s: the counts are not those expected", c.name)
	}
	var sum outcome
	for _, family := range slices.Sorted(maps.Keys(c.got)) {
		o := c.got[family]
		t.Logf("corpus: %s %s: %s", c.name, family, o)
		sum.cases, sum.accepted = sum.cases+o.cases, sum.accepted+o.accepted
		sum.falseAccepts, sum.falseRejects = sum.falseAccepts+o.falseAccepts, sum.falseRejects+o.falseRejects
	}
	t.Logf("corpus: %s in all: %s", c.name, sum)
}

func (o outcome) String() string {
	return fmt.Sprintf("%d cases, %d accepted, %d false accepts, %d false rejects",
		o.cases, o.accepted, o.falseAccepts, o.falseRejects)
}
