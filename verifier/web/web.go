// Package web holds the verifier's pages: where a person chooses what to show,
// opens the wallet or scans a code, and sees the outcome. They are
// server-rendered, work without scripts, and give every element that a person
// or a program needs a stable id.
package web

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"slices"
	"strings"

	"github.com/tegata-id/tegata/internal/pages"
)

//go:embed templates/*.html
var templates embed.FS

//go:embed static/verifier.css
var stylesheet []byte

//go:embed static/verifier.js
var script []byte

// Page is one of the pages.
type Page struct{ name string }

// The pages.
var (
	Start  = Page{"start.html"}
	Wait   = Page{"wait.html"}
	Result = Page{"result.html"}
	Error  = Page{"error.html"}
)

var parsed = template.Must(template.New("").Funcs(functions).ParseFS(templates, "templates/*.html"))

// Render returns the page's HTML. The handler defines what data the templates
// use.
func (p Page) Render(data any) ([]byte, error) {
	var b bytes.Buffer
	if err := parsed.ExecuteTemplate(&b, p.name, data); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// Asset returns a file that the pages refer to, and its media type.
func Asset(name string) (content []byte, mediaType string, ok bool) {
	switch name {
	case "verifier.css":
		return pages.Stylesheet(stylesheet), "text/css; charset=utf-8", true
	case "verifier.js":
		return pages.Script(script), "text/javascript; charset=utf-8", true
	}
	return nil, "", false
}

// Claim is a claim as the result page shows it.
type Claim struct {
	// ID is the element's id: claim- and the path with hyphens.
	ID string
	// Name is the path with dots, Value the value as text.
	Name, Value string
	// Label is what people call the claim.
	Label Label
	// Said is a truth value in words, empty for all others.
	Said Label
}

// Flatten lists the leaves of a JSON object of claims, in the order in which
// people read them. prefix, the id of the credential query, becomes part of the ids.
func Flatten(prefix string, claims []byte) ([]Claim, error) {
	decoder := json.NewDecoder(bytes.NewReader(claims))
	decoder.UseNumber()
	var tree map[string]any
	if err := decoder.Decode(&tree); err != nil {
		return nil, fmt.Errorf("claims: %w", err)
	}
	var out []Claim
	flatten(nil, tree, func(path []string, value any) {
		name := strings.Join(path, ".")
		c := Claim{
			ID:   "claim-" + prefix + "-" + strings.Join(path, "-"),
			Name: name, Value: fmt.Sprint(value), Label: ClaimLabel(name),
		}
		switch value {
		case nil:
			c.Value = "null"
		case true:
			c.Said = Label{"はい", "Yes"}
		case false:
			c.Said = Label{"いいえ", "No"}
		}
		out = append(out, c)
	})
	slices.SortStableFunc(out, func(a, b Claim) int {
		_, before := labelOf(a.Name)
		_, after := labelOf(b.Name)
		return before - after
	})
	return out, nil
}

func flatten(path []string, v any, emit func(path []string, value any)) {
	switch v := v.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			flatten(append(slices.Clone(path), name), v[name], emit)
		}
	case []any:
		for i, item := range v {
			flatten(append(slices.Clone(path), fmt.Sprint(i)), item, emit)
		}
	default:
		emit(path, v)
	}
}
