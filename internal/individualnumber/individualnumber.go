// Package individualnumber recognises the Japanese Individual Number ("My
// Number", 個人番号) in text, so that callers can refuse or blot out a number
// that the law forbids them to hold. It never returns a number it found.
//
// A number is twelve digits, half or full width, with or without spaces and
// hyphens between them, whose last digit is the check digit of the ordinance
// (総務省令第八十五号 of 2014, article 5). One in about ten arbitrary numbers of twelve
// digits passes that check; the scan is therefore meant for free text and
// untyped values, not for identifiers whose kind is known.
package individualnumber

import (
	"strings"
	"unicode"
)

// numberLength is the number of digits of an Individual Number.
const numberLength = 12

// maxSeparators is how many separators in a row may stand between two groups
// of digits of one number, as in "1234 - 5678".
const maxSeparators = 3

// redaction stands where Redact removed a number.
const redaction = "[redacted]"

// Find reports whether s holds something that reads as an Individual Number.
func Find(s string) bool {
	found := false
	scan(s, func(int, int) bool {
		found = true
		return false
	})
	return found
}

// Redact returns s with everything that Find recognises replaced by
// "[redacted]".
func Redact(s string) string {
	// Digits in an odd grouping count only when nothing else stands beside
	// them, which may become true by what was just removed.
	for {
		redacted := redactOnce(s)
		if redacted == s {
			return s
		}
		s = redacted
	}
}

func redactOnce(s string) string {
	var b strings.Builder
	done := 0
	scan(s, func(start, end int) bool {
		b.WriteString(s[done:start])
		b.WriteString(redaction)
		done = end
		return true
	})
	if done == 0 {
		return s
	}
	b.WriteString(s[done:])
	return b.String()
}

// Valid reports whether digits are twelve ASCII digits with the right check
// digit.
func Valid(digits string) bool {
	if len(digits) != numberLength {
		return false
	}
	sum := 0
	for i := range numberLength {
		d := digits[i]
		if d < '0' || d > '9' {
			return false
		}
		if i == numberLength-1 {
			continue
		}
		// n counts the eleven digits from the right, starting at 1.
		n := numberLength - 1 - i
		weight := n + 1
		if n > 6 {
			weight = n - 5
		}
		sum += int(d-'0') * weight
	}
	check := 0
	if remainder := sum % 11; remainder > 1 {
		check = 11 - remainder
	}
	return int(digits[numberLength-1]-'0') == check
}

// group is an unbroken sequence of digits: its ASCII form and where it stands
// in the text.
type group struct {
	digits     string
	start, end int
}

// scan calls found with the byte range of every number in s until found
// returns false.
func scan(s string, found func(start, end int) bool) {
	var run []group
	var digits []byte
	start, separators := 0, 0
	before, previous := rune(0), rune(0) // before is what stands in front of the run
	closeGroup := func(end int) {
		if len(digits) > 0 {
			run = append(run, group{string(digits), start, end})
			digits = digits[:0]
		}
	}
	lastEnd := 0
	for i, r := range s {
		digit, isDigit := asciiDigit(r)
		switch {
		case isDigit:
			if len(run) == 0 && len(digits) == 0 {
				before = previous
			}
			if len(digits) == 0 {
				start = i
			}
			digits = append(digits, digit)
			separators = 0
			lastEnd = i + len(string(r))
		case (len(digits) > 0 || len(run) > 0) && isSeparator(r) && separators < maxSeparators:
			closeGroup(lastEnd)
			separators++
		default:
			closeGroup(lastEnd)
			if !examine(run, before, r, separators, found) {
				return
			}
			run, separators = run[:0], 0
		}
		previous = r
	}
	closeGroup(lastEnd)
	examine(run, before, 0, separators, found)
}

// examine looks for numbers that begin and end with a group of the run. It
// returns false when found asked to stop.
func examine(run []group, before, after rune, separators int, found func(start, end int) bool) bool {
	if len(run) == 0 || before == '+' || before == '＋' { // an international telephone number
		return true
	}
	total := 0
	for _, g := range run {
		total += len(g.digits)
	}
	for i := 0; i < len(run); i++ {
		digits := ""
		for j := i; j < len(run) && len(digits) < numberLength; j++ {
			digits += run[j].digits
			if !Valid(digits) {
				continue
			}
			// Letters on both sides make it part of a longer token, such as
			// a digest in hexadecimal.
			if i == 0 && j == len(run)-1 && separators == 0 && isLetter(before) && isLetter(after) {
				continue
			}
			if total != numberLength && !usualGrouping(run[i:j+1]) {
				continue
			}
			if !found(run[i].start, run[j].end) {
				return false
			}
			i = j
			break
		}
	}
	return true
}

// usualGrouping reports whether the groups have one length: 12, 6+6, 4+4+4,
// 3+3+3+3 and so on. Where more digits stand around a candidate, only these
// count; two dates in a row would otherwise often pass for a number.
func usualGrouping(groups []group) bool {
	for _, g := range groups[1:] {
		if len(g.digits) != len(groups[0].digits) {
			return false
		}
	}
	return true
}

func asciiDigit(r rune) (byte, bool) {
	switch {
	case r >= '0' && r <= '9':
		return byte(r), true
	case r >= '０' && r <= '９':
		return byte('0' + r - '０'), true
	}
	return 0, false
}

// isSeparator covers white space and the many signs that people type for a
// hyphen, the Japanese long vowel marks among them.
func isSeparator(r rune) bool {
	switch r {
	case '-', '_', '\u00ad', '\u2212', '\uff0d', '\u30fc', '\uff70', '\u200b', '\u2060', '\ufeff':
		return true
	}
	return unicode.IsSpace(r) || r >= '\u2010' && r <= '\u2015'
}

func isLetter(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
}
