package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
	"golang.org/x/text/unicode/norm"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/issuer/evidence"
)

// File is a register in a file of YAML or JSON, for small issuers and for tests.
type File struct{ records []record }

// record is a person in the file.
type record struct {
	// Pseudonym, if set, is that of the person's certificate to this issuer.
	Pseudonym string               `yaml:"pseudonym"`
	Name      string               `yaml:"name"`
	Address   string               `yaml:"address"`
	BirthDate string               `yaml:"birth_date"`
	Sex       int                  `yaml:"sex"`
	Claims    map[string]yaml.Node `yaml:"claims"`

	claims Claims
}

// ParseFile reads a register. Errors name lines or the number of the person,
// and nobody.
func ParseFile(data []byte) (*File, error) {
	var content struct {
		Persons []record `yaml:"persons"`
	}
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	if err := d.Decode(&content); err != nil {
		return nil, withoutValues(err)
	}
	if err := d.Decode(new(any)); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one YAML document")
	}
	var failures []error
	for i := range content.Persons {
		if err := content.Persons[i].read(); err != nil {
			failures = append(failures, fmt.Errorf("persons[%d]: %w", i, err))
		}
	}
	return &File{records: content.Persons}, errors.Join(failures...)
}

// withoutValues leaves out of an error of the decoder what it quotes.
func withoutValues(err error) error {
	var mistakes *yaml.TypeError
	if !errors.As(err, &mistakes) {
		return errors.New("not YAML")
	}
	var lines []error
	for _, text := range mistakes.Errors {
		line, _, _ := strings.Cut(text, ": ")
		lines = append(lines, errors.New(line+": an unknown key, or a value of the wrong kind"))
	}
	return errors.Join(lines...)
}

func (r *record) read() error {
	if r.Pseudonym == "" && (r.Name == "" || r.BirthDate == "") {
		return errors.New("a pseudonym, or name and birth_date, are needed")
	}
	if r.BirthDate != "" {
		if _, err := credentials.ParseFullDate(r.BirthDate); err != nil {
			return errors.New("birth_date must be YYYY-MM-DD")
		}
	}
	r.claims = Claims{}
	for name, node := range r.Claims {
		v, err := ValueOf(&node)
		if err != nil {
			return err
		}
		r.claims[name] = v
	}
	return nil
}

// Claims implements [Register]. A pseudonym decides where the file has it, and
// what the record says beside it must not differ. Otherwise all four attributes
// must be the same, as far as width of characters and spaces tell nothing.
func (f *File) Claims(_ context.Context, e *evidence.Evidence, p *Person, _ []string) (Claims, error) {
	cert, err := e.OnCertificate()
	if err != nil {
		return nil, err
	}
	var found *record
	if cert != nil && cert.Pseudonym != "" {
		for i := range f.records {
			r := &f.records[i]
			if r.Pseudonym != cert.Pseudonym {
				continue
			}
			if found != nil || r.contradicts(p) {
				return nil, ErrAmbiguous
			}
			found = r
		}
	}
	if found != nil {
		return found.claims, nil
	}
	for i := range f.records {
		r := &f.records[i]
		if !r.is(p) {
			continue
		}
		if found != nil {
			return nil, ErrAmbiguous
		}
		found = r
	}
	if found == nil {
		return nil, ErrNoRecord
	}
	return found.claims, nil
}

// is reports whether the record has the four attributes.
func (r *record) is(p *Person) bool {
	return r.Name != "" && r.BirthDate != "" && p.BirthDate != nil && r.BirthDate == p.BirthDate.String() &&
		compared(r.Name) == compared(p.Name) && compared(r.Address) == compared(p.Address) && r.Sex == p.Sex
}

// contradicts reports whether what the record says of the attributes differs.
func (r *record) contradicts(p *Person) bool {
	return r.Name != "" && compared(r.Name) != compared(p.Name) || r.Address != "" && compared(r.Address) != compared(p.Address) ||
		r.BirthDate != "" && (p.BirthDate == nil || r.BirthDate != p.BirthDate.String()) || r.Sex != 0 && r.Sex != p.Sex
}

// compared is a text without what tells nothing: width and spaces.
func compared(s string) string { return strings.Join(strings.Fields(norm.NFKC.String(s)), "") }
