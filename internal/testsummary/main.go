// Command testsummary reads the JSON that go test prints and writes what a
// person wants to know: each package's result, the output of what failed, every
// skipped test by name, and one closing line.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

type event struct {
	Action  string
	Package string
	Test    string
	Output  string
	Elapsed float64
}

func main() {
	if !summarize() {
		os.Exit(1)
	}
}

func summarize() bool {
	var passed, failed int
	var skipped, notes []string
	output := map[string]*strings.Builder{}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			fmt.Println(lines.Text())
			continue
		}
		key := e.Package + " " + e.Test
		switch e.Action {
		case "output", "build-output":
			if output[key] == nil {
				output[key] = &strings.Builder{}
			}
			output[key].WriteString(e.Output)
			// Tests that read a corpus say how many cases ran, and those that
			// measure something what it was.
			for _, kind := range []string{"corpus: ", "measured: "} {
				if _, note, ok := strings.Cut(e.Output, kind); ok {
					notes = append(notes, kind+strings.TrimSpace(note))
				}
			}
		case "pass", "fail", "skip":
			switch {
			case e.Test == "" && e.Action == "skip":
				fmt.Printf("none %s has no tests\n", e.Package)
			case e.Test == "":
				fmt.Printf("%-4s %s (%.1f s)\n", e.Action, e.Package, e.Elapsed)
				if e.Action == "fail" {
					failed++
					fmt.Print(text(output[key]))
				}
			case e.Action == "skip":
				skipped = append(skipped, key)
			case e.Action == "fail":
				failed++
				fmt.Printf("--- FAIL %s\n%s", key, text(output[key]))
			default:
				passed++
			}
			delete(output, key)
		case "build-fail":
			failed++
		}
	}
	for key, o := range output {
		if strings.TrimSpace(key) == "" || failed > 0 {
			fmt.Print(o.String())
		}
	}
	for _, note := range notes {
		fmt.Println(note)
	}
	for _, name := range skipped {
		fmt.Println("skipped:", name)
	}
	fmt.Printf("%d passed, %d failed, %d skipped\n", passed, failed, len(skipped))
	return failed == 0 && passed > 0
}

func text(b *strings.Builder) string {
	if b == nil {
		return ""
	}
	return b.String()
}
