package catalogue_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/tegata-id/tegata/issuer/catalogue"
)

// TestDocumented finds every key, every function and every type of values on the
// page that documents the notation, and reads the example.
func TestDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/credential-types.md")
	if err != nil {
		t.Fatal(err)
	}
	names := []string{
		"text", "latin", "identifier", "corporate-number", "bool", "unsigned", "integer", "full-date", "time", "bytes", "portrait", "list", "object",
	}
	for _, function := range catalogue.FunctionNames() {
		names = append(names, "person."+function)
	}
	for _, v := range []any{catalogue.Type{}, catalogue.Claim{}, catalogue.Shape{}} {
		for i := range reflect.TypeOf(v).NumField() {
			name, _, _ := strings.Cut(reflect.TypeOf(v).Field(i).Tag.Get("yaml"), ",")
			if name != "" {
				names = append(names, name)
			}
		}
	}
	for _, name := range names {
		if !strings.Contains(string(page), "| `"+name+"` |") {
			t.Errorf("%s is not documented", name)
		}
	}
	files, err := filepath.Glob("types/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	for _, file := range append(files, "../../deploy/types.example/resident.yaml") {
		block, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := catalogue.Parse(block); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		id := strings.TrimSuffix(filepath.Base(file), ".yaml")
		if strings.HasPrefix(file, "types/") && !strings.Contains(string(page), "| `"+id+"` |") {
			t.Errorf("%s is not documented", id)
		}
	}
}
