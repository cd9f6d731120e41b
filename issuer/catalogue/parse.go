package catalogue

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"
)

// Fault is something wrong with a block.
type Fault struct {
	// Key is where, such as claims[3].type; empty for the block as a whole.
	Key, Text string
}

func (f *Fault) Error() string { return f.Key + ": " + f.Text }

// Parse reads one block. Unknown keys, a second document and all that a type
// must not be are errors; the error joins one [*Fault] for each.
func Parse(data []byte) (*Type, error) {
	var t Type
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	err := d.Decode(&t)
	var mistakes *yaml.TypeError
	switch {
	case errors.As(err, &mistakes):
		var faults []error
		for _, text := range mistakes.Errors {
			line, what, _ := strings.Cut(text, ": ")
			faults = append(faults, &Fault{Key: line, Text: what})
		}
		return nil, errors.Join(append(faults, t.check()...)...)
	case err != nil:
		return nil, &Fault{Text: err.Error()}
	}
	if err := d.Decode(new(any)); !errors.Is(err, io.EOF) {
		return nil, &Fault{Text: "more than one YAML document"}
	}
	if faults := t.check(); len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return &t, nil
}

//go:embed types/*.yaml
var files embed.FS

// Shipped returns the types that come with Tegata, sorted by their IDs. The
// blocks are checked when they are first asked for. The caller must not change
// them.
var Shipped = sync.OnceValues(func() ([]*Type, error) {
	entries, err := files.ReadDir("types")
	if err != nil {
		return nil, err
	}
	var types []*Type
	for _, entry := range entries {
		data, err := files.ReadFile(path.Join("types", entry.Name()))
		if err != nil {
			return nil, err
		}
		t, err := Parse(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", entry.Name(), err)
		}
		types = append(types, t)
	}
	return types, nil
})
