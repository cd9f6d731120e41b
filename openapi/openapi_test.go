package openapi_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/internal/app"
	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/internal/app/sandbox"
	"github.com/tegata-id/tegata/internal/httpd"
	"github.com/tegata-id/tegata/openapi"
)

func load(t testing.TB, name openapi.Name) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(openapi.Document(name))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return doc
}

func TestValid(t *testing.T) {
	t.Parallel()
	for _, name := range append(openapi.Names(), openapi.Source) {
		t.Run(string(name), func(t *testing.T) {
			t.Parallel()
			doc := load(t, name)
			if err := doc.Validate(t.Context(), openapi3.EnableExamplesValidation(), openapi3.EnableSchemaFormatValidation()); err != nil {
				t.Error(err)
			}
			ids := map[string]bool{}
			for path, item := range doc.Paths.Map() {
				for method, operation := range item.Operations() {
					if operation.OperationID == "" || ids[operation.OperationID] || operation.Summary == "" || len(operation.Tags) != 1 {
						t.Errorf("%s %s: needs an operationId of its own, a summary and one tag", method, path)
					}
					ids[operation.OperationID] = true
					if operation.Responses.Status(http.StatusInternalServerError) == nil {
						t.Errorf("%s %s: says nothing of 500", method, path)
					}
				}
			}
		})
	}
	if openapi.Document("other") != nil {
		t.Error("a document that does not exist")
	}
}

// TestRoutes proves that a process in mode test has exactly the routes that the
// documents name.
func TestRoutes(t *testing.T) {
	t.Parallel()
	box, err := sandbox.New(t.TempDir(), sandbox.Options{Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(box.ConfigFile)
	if err != nil {
		t.Fatal(err)
	}
	a, err := app.New(t.Context(), cfg, app.Options{Log: slog.New(slog.DiscardHandler), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	for name, role := range map[openapi.Name]string{openapi.Issuer: "issuer", openapi.Verifier: "verifier", openapi.Wallet: "wallet_provider"} {
		t.Run(role, func(t *testing.T) {
			var mounted, documented []string
			for _, route := range a.Routes(role) {
				if route.Method != http.MethodOptions {
					mounted = append(mounted, route.Method+" "+template(route.Path))
				}
			}
			for path, item := range load(t, name).Paths.Map() {
				for method, operation := range item.Operations() {
					key := method + " " + path
					if _, sometimes := operation.Extensions["x-tegata-condition"]; sometimes && !slices.Contains(mounted, key) {
						continue
					}
					documented = append(documented, key)
				}
			}
			slices.Sort(mounted)
			slices.Sort(documented)
			if len(mounted) == 0 {
				t.Fatal("no routes")
			}
			if diff := cmp.Diff(mounted, documented); diff != "" {
				t.Errorf("mounted (-) and documented (+) routes differ:\n%s", diff)
			}
		})
	}
}

// template writes a pattern of the router as OpenAPI does.
func template(pattern string) string {
	segments := strings.Split(pattern, "/")
	for i, segment := range segments {
		if name, ok := strings.CutPrefix(segment, ":"); ok {
			segments[i] = "{" + name + "}"
		}
	}
	return strings.Join(segments, "/")
}

// TestExamples holds every example of a body against its schema, and demands
// that every body has one. Validating a document does the former too; this
// proves that it is done by the rules of JSON Schema 2020-12.
func TestExamples(t *testing.T) {
	t.Parallel()
	for _, name := range append(openapi.Names(), openapi.Source) {
		t.Run(string(name), func(t *testing.T) {
			t.Parallel()
			count := 0
			for where, media := range bodies(load(t, name)) {
				examples := []any{}
				if media.Example != nil {
					examples = append(examples, media.Example)
				}
				for _, example := range media.Examples {
					examples = append(examples, example.Value.Value)
				}
				if len(examples) == 0 || media.Schema == nil {
					t.Errorf("%s: no example or no schema", where)
					continue
				}
				for _, example := range examples {
					count++
					if err := media.Schema.Value.VisitJSON(example, openapi3.EnableJSONSchema2020()); err != nil {
						t.Errorf("%s: %v", where, err)
					}
				}
				// The honest twin's opposite: something else does not fit.
				if err := media.Schema.Value.VisitJSON(true, openapi3.EnableJSONSchema2020()); err == nil {
					t.Errorf("%s: fits anything", where)
				}
			}
			if count < 10 {
				t.Errorf("only %d examples", count)
			}
		})
	}
}

// bodies lists the media types of all requests and responses.
func bodies(doc *openapi3.T) map[string]*openapi3.MediaType {
	out := map[string]*openapi3.MediaType{}
	for path, item := range doc.Paths.Map() {
		for method, operation := range item.Operations() {
			where := method + " " + path
			if operation.RequestBody != nil {
				for mediaType, media := range operation.RequestBody.Value.Content {
					out[where+" request "+mediaType] = media
				}
			}
			for status, response := range operation.Responses.Map() {
				for mediaType, media := range response.Value.Content {
					out[where+" "+status+" "+mediaType] = media
				}
			}
		}
	}
	return out
}

// TestClosedLists compares the lists of reasons with the constants in the code.
func TestClosedLists(t *testing.T) {
	t.Parallel()
	generic := []string{"method_not_allowed", "not_found", "request_timeout", "request_too_large", "server_error", "temporarily_unavailable", "too_many_requests", "unsupported_media_type"}
	tests := []struct {
		name         openapi.Name
		schema       string
		file, goType string
		prefix       string
		plus, minus  []string
	}{
		// Some codes are for wallets or pages alone.
		{openapi.Verifier, "Reason", "verifier/errors.go", "Code", "", generic, []string{"other_session", "access_denied"}},
		{openapi.Verifier, "RefusalReason", "verifier/refusal.go", "Reason", "", nil, nil},
		{openapi.Wallet, "Reason", "wallet/provider/errors.go", "Reason", "", append([]string{"not_acceptable", "not_implemented"}, generic...), nil},
		{openapi.Issuer, "Reason", "issuer/handler.go", "", "Reason", slices.Concat([]string{"invalid_request", "not_acceptable", "not_implemented"}, constants(t, "issuer/oauth/signing.go", "", "Reason"), generic), nil},
	}
	for _, tt := range tests {
		want := append(constants(t, tt.file, tt.goType, tt.prefix), tt.plus...)
		want = slices.DeleteFunc(want, func(s string) bool { return slices.Contains(tt.minus, s) })
		slices.Sort(want)
		want = slices.Compact(want)
		var got []string
		for _, value := range load(t, tt.name).Components.Schemas[tt.schema].Value.Enum {
			got = append(got, fmt.Sprint(value))
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s %s: code (-) and document (+):\n%s", tt.name, tt.schema, diff)
		}
	}
}

// constants returns the values of the string constants in a file that have the
// type or, without one, the prefix.
func constants(t *testing.T, file, goType, prefix string) []string {
	t.Helper()
	syntax, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", file), nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	ast.Inspect(syntax, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		declared, _ := spec.Type.(*ast.Ident)
		if goType != "" && (declared == nil || declared.Name != goType) || !strings.HasPrefix(spec.Names[0].Name, prefix) {
			return true
		}
		for _, value := range spec.Values {
			if literal, ok := value.(*ast.BasicLit); ok && literal.Kind == token.STRING {
				text, err := strconv.Unquote(literal.Value)
				if err != nil {
					t.Fatal(err)
				}
				out = append(out, text)
			}
		}
		return true
	})
	if len(out) == 0 {
		t.Fatalf("%s has no constants", file)
	}
	return out
}

func TestMount(t *testing.T) {
	t.Parallel()
	server, err := httpd.New(httpd.Options{Origin: "https://issuer.example", Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	openapi.Mount(server, "", openapi.Issuer)
	recorder := httptest.NewRecorder()
	server.Handler().ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/openapi.yaml", nil))
	if recorder.Code != http.StatusOK || recorder.Header().Get("Content-Type") != "application/yaml" || recorder.Header().Get("Cache-Control") != "public, max-age=3600" {
		t.Errorf("%d %v", recorder.Code, recorder.Header())
	}
	if diff := cmp.Diff(string(openapi.Document(openapi.Issuer)), recorder.Body.String()); diff != "" {
		t.Error(diff)
	}
}
