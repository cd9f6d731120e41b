// Package report holds what the commands that examine a configuration or a
// deployment find, and prints it for people and for programs.
package report

import (
	"encoding/json"
	"fmt"
	"io"
)

// Level says how bad a finding is.
type Level string

// The levels. With a Fault something does not work or is not safe; a Warning
// will become one or is not what it should be; OK was looked at and found good.
const (
	OK      Level = "ok"
	Warning Level = "warning"
	Fault   Level = "fault"
)

// Finding is one thing that was looked at.
type Finding struct {
	Level Level `json:"level"`
	// Where is the dotted key of the configuration, or the URL or address.
	Where string `json:"where"`
	// File is the file that it is about, if there is one.
	File string `json:"file,omitempty"`
	// What was found, in one sentence. It holds no secrets.
	What string `json:"what"`
	// Fix is what to do about it; empty if nothing is to be done.
	Fix string `json:"fix,omitempty"`
}

// Report is a list of findings in the order in which they were made.
type Report struct {
	Findings []Finding
}

// OK adds that something is good.
func (r *Report) OK(where, format string, args ...any) {
	r.Add(Finding{Level: OK, Where: where, What: fmt.Sprintf(format, args...)})
}

// Warn adds a warning and what to do about it.
func (r *Report) Warn(where, fix, format string, args ...any) {
	r.Add(Finding{Level: Warning, Where: where, Fix: fix, What: fmt.Sprintf(format, args...)})
}

// Fault adds a fault and what to do about it.
func (r *Report) Fault(where, fix, format string, args ...any) {
	r.Add(Finding{Level: Fault, Where: where, Fix: fix, What: fmt.Sprintf(format, args...)})
}

// Add adds a finding.
func (r *Report) Add(f Finding) { r.Findings = append(r.Findings, f) }

// Count returns how many findings have the level.
func (r *Report) Count(level Level) int {
	n := 0
	for _, f := range r.Findings {
		if f.Level == level {
			n++
		}
	}
	return n
}

// ExitCode is 1 if there is a fault, otherwise 0.
func (r *Report) ExitCode() int {
	if r.Count(Fault) > 0 {
		return 1
	}
	return 0
}

// Print writes the report for people: what is wrong with its fix, and the sum.
func (r *Report) Print(w io.Writer) error {
	marks := map[Level]string{OK: "ok     ", Warning: "WARNING", Fault: "FAULT  "}
	for _, f := range r.Findings {
		text := fmt.Sprintf("%s %s: %s\n", marks[f.Level], f.Where, f.What)
		if f.File != "" {
			text += fmt.Sprintf("        file: %s\n", f.File)
		}
		if f.Fix != "" {
			text += fmt.Sprintf("        fix:  %s\n", f.Fix)
		}
		if _, err := io.WriteString(w, text); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "%d faults, %d warnings, %d ok\n", r.Count(Fault), r.Count(Warning), r.Count(OK))
	return err
}

// PrintJSON writes the report as one JSON document.
func (r *Report) PrintJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	findings := r.Findings
	if findings == nil {
		findings = []Finding{}
	}
	return e.Encode(struct {
		Faults   int       `json:"faults"`
		Warnings int       `json:"warnings"`
		Findings []Finding `json:"findings"`
	}{r.Count(Fault), r.Count(Warning), findings})
}
