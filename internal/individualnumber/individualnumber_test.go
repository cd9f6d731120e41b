package individualnumber_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tegata-id/tegata/internal/individualnumber"
)

// number has the right check digit and is published as an example of the
// algorithm, not the number of a person.
const number = "983205673214"

func TestValid(t *testing.T) {
	t.Parallel()
	tests := map[string]bool{
		number:          true,
		"983205673215":  false,
		"123466789012":  false,
		"98320567321":   false,
		"9832056732140": false,
		"98320567321a":  false,
		"９８３２０５６７３２１４":  false, // full width is for Find
		"":              false,
	}
	for digits, want := range tests {
		if got := individualnumber.Valid(digits); got != want {
			t.Errorf("Valid(%q) = %v, want %v", digits, got, want)
		}
	}
}

func TestExactlyOneCheckDigitPasses(t *testing.T) {
	t.Parallel()
	for i := range 2000 {
		prefix := fmt.Sprintf("%011d", i*49999991%100000000000)
		passing := 0
		for d := range 10 {
			if individualnumber.Valid(fmt.Sprintf("%s%d", prefix, d)) {
				passing++
			}
		}
		if passing != 1 {
			t.Fatalf("%s: %d check digits pass, want 1", prefix, passing)
		}
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		want       bool
	}{
		{"bare", number, true},
		{"wrong check digit", "983205673215", false},
		{"in a sentence", "my number is " + number + ", thanks", true},
		{"in Japanese without spaces", "個人番号983205673214です", true},
		{"full width", "９８３２０５６７３２１４", true},
		{"mixed width", "98３２０５67３２14", true},
		{"groups of four with spaces", "9832 0567 3214", true},
		{"groups of four with hyphens", "9832-0567-3214", true},
		{"ideographic spaces", "９８３２　０５６７　３２１４", true},
		{"long vowel marks as hyphens", "９８３２ー０５６７ー３２１４", true},
		{"minus signs", "9832−0567−3214", true},
		{"hyphens with spaces", "9832 - 0567 - 3214", true},
		{"odd grouping", "98 3205 673214", true},
		{"every digit apart", "9 8 3 2 0 5 6 7 3 2 1 4", true},
		{"zero width spaces", "9832\u200b0567\u200b3214", true},
		{"as JSON", `{"n":"983205673214"}`, true},
		{"after a date", "2026-11-23 983205673214", true},
		{"grouped after a date", "2026-11-23 9832 0567 3214", true},
		{"letters in front", "No983205673214", true},
		{"several lines", "9832\n0567\n3214", true},
		{"second of two", "983205673215 983205673214", true},
		{"invalid UTF-8 in front", "\xff983205673214\xff", true},

		{"13 digits, a corporate number", "1983205673214", false},
		{"within a longer number", "00983205673214", false},
		{"telephone number", "+983205673214", false},
		{"within a digest", "ab983205673214cd", false},
		{"eleven digits", "98320567321", false},
		{"range of dates", "2026-04-01 - 2027-03-31", false},
		{"time stamp", "2026-11-23T10:54:04.123456789Z", false},
		{"apart by words", "9832 or 0567 or 3214", false},
		{"apart by many spaces", "983205    673214", false},
		{"empty", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := individualnumber.Find(tt.text); got != tt.want {
				t.Errorf("Find(%q) = %v, want %v", tt.text, got, tt.want)
			}
		})
	}
}

func TestRedact(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"a " + number + " b":                  "a [redacted] b",
		"９８３２　０５６７　３２１４。":                     "[redacted]。",
		"9832 0567 3214 98 3205 673214":       "[redacted] [redacted]",
		"nothing here":                        "nothing here",
		number + "," + number:                 "[redacted],[redacted]",
		number + " " + number:                 "[redacted] [redacted]",
		"2026-11-23 " + number + " at 3":      "2026-11-23 [redacted] at 3",
		"wrong 983205673215 stays":            "wrong 983205673215 stays",
		strings.Repeat("9", 64):               strings.Repeat("9", 64),
		"trailing separators 983205673214 - ": "trailing separators [redacted] - ",
	}
	for in, want := range tests {
		if got := individualnumber.Redact(in); got != want {
			t.Errorf("Redact(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzRedactLeavesNothing(f *testing.F) {
	f.Add("a " + number + " 9832-0567-3214")
	f.Add("９８３２　０５６７　３２１４")
	f.Fuzz(func(t *testing.T, s string) {
		redacted := individualnumber.Redact(s)
		if individualnumber.Find(redacted) {
			t.Errorf("Redact(%q) = %q", s, redacted)
		}
		if !individualnumber.Find(s) && redacted != s {
			t.Errorf("Redact(%q) = %q though nothing is found", s, redacted)
		}
	})
}
