package demo

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// report prints steps as they happen, for people or as one line of JSON each.
type report struct {
	mu    sync.Mutex
	w     io.Writer
	json  bool
	steps int
	start time.Time
}

// event is a line of the JSON output. Kind is chapter, step, result or summary.
type event struct {
	Kind   string   `json:"kind"`
	Number int      `json:"number,omitempty"`
	From   string   `json:"from,omitempty"`
	To     string   `json:"to,omitempty"`
	Text   string   `json:"text"`
	Lines  []string `json:"lines,omitempty"`
	// Milliseconds is how long the step took.
	Milliseconds float64 `json:"ms,omitempty"`
	OK           *bool   `json:"ok,omitempty"`
	// Data is what a program got, as it got it.
	Data json.RawMessage `json:"data,omitempty"`
}

func (r *report) emit(e event) {
	line, err := json.Marshal(e)
	if err != nil {
		line = []byte(`{"kind":"error","text":"a step has no JSON form"}`)
	}
	fmt.Fprintf(r.w, "%s\n", line)
}

// chapter starts a part of the demonstration.
func (r *report) chapter(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.json {
		r.emit(event{Kind: "chapter", Text: text})
		return
	}
	fmt.Fprintf(r.w, "\n%s\n", text)
}

// step prints what happened between whom and how long it took.
func (r *report) step(from, to, text string, took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.steps++
	if r.json {
		r.emit(event{Kind: "step", Number: r.steps, From: from, To: to, Text: text, Milliseconds: milliseconds(took)})
		return
	}
	between := from
	if to != "" && to != from {
		between += " → " + to
	}
	fmt.Fprintf(r.w, "%3d  %s  %s  (%s)\n", r.steps, pad(between, 33), text, short(took))
}

// result prints what somebody got.
func (r *report) result(title string, lines []string, data json.RawMessage) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.json {
		r.emit(event{Kind: "result", Text: title, Lines: lines, Data: data})
		return
	}
	fmt.Fprintf(r.w, "     %s\n", title)
	for _, line := range lines {
		fmt.Fprintf(r.w, "       %s\n", line)
	}
}

// summary ends the report.
func (r *report) summary(lines []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	took := time.Since(r.start)
	text := fmt.Sprintf("%d steps in %s", r.steps, short(took))
	if r.json {
		ok := true
		r.emit(event{Kind: "summary", Text: text, Lines: lines, Milliseconds: milliseconds(took), OK: &ok})
		return
	}
	fmt.Fprintf(r.w, "\nDone: %s.\n", text)
	for _, line := range lines {
		fmt.Fprintf(r.w, "  %s\n", line)
	}
}

// failed ends the report after a step that failed.
func (r *report) failed(what string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.json {
		ok := false
		r.emit(event{Kind: "summary", Text: what + ": " + err.Error(), OK: &ok})
	}
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func short(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%.1f ms", milliseconds(d))
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(s)))
}
