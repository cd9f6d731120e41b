// Package pages holds what the pages of all roles share: how they look and how
// they behave in a browser that remembers pages and people who press twice.
// Each role adds what only its own pages need.
package pages

import (
	_ "embed"
	"slices"
)

//go:embed base.css
var stylesheet []byte

//go:embed base.js
var script []byte

// Stylesheet returns the shared style sheet followed by a role's own.
func Stylesheet(own []byte) []byte { return slices.Concat(stylesheet, own) }

// Script returns the shared script followed by a role's own.
func Script(own []byte) []byte { return slices.Concat(script, own) }
