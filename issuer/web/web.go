// Package web holds the issuer's pages: where a person takes an offer, signs the
// challenge, reviews what will be issued and approves. They are server-rendered, work
// without scripts, and give every element that a person or a program needs a
// stable id.
package web

import (
	"bytes"
	"embed"
	"html/template"

	"github.com/tegata-id/tegata/internal/pages"
)

//go:embed templates/*.html
var templates embed.FS

//go:embed static/issuer.css
var stylesheet []byte

// Page is one of the pages.
type Page struct{ name string }

// The pages.
var (
	Login  = Page{"login.html"}
	Device = Page{"device.html"}
	Review = Page{"review.html"}
	Error  = Page{"error.html"}
	Offer  = Page{"offer.html"}
)

var parsed = template.Must(template.ParseFS(templates, "templates/*.html"))

// Render returns the page's HTML. The authorization server defines what data
// the templates use.
func (p Page) Render(data any) ([]byte, error) {
	var b bytes.Buffer
	if err := parsed.ExecuteTemplate(&b, p.name, data); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// Stylesheet returns the style sheet of the pages.
func Stylesheet() []byte { return pages.Stylesheet(stylesheet) }

// Script returns the script of the pages.
func Script() []byte { return pages.Script(nil) }
