package config

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"

	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/issuer"
	"github.com/tegata-id/tegata/issuer/catalogue"
	"github.com/tegata-id/tegata/issuer/source"
)

// DefaultBatchSize is how many credentials a wallet may ask for at once.
const DefaultBatchSize = 10

// flagship is the shipped type that is offered by those who name none.
const flagship = "identity"

// Source is a register from which credential types take claims: one of the two.
type Source struct {
	// File is a YAML or JSON file with the persons; nobody but its owner may
	// read it.
	File string `yaml:"file,omitempty"`
	// HTTP is a register of its own.
	HTTP *HTTPSource `yaml:"http,omitempty"`
}

// sourceName is what names of registers look like.
var sourceName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,40}$`)

// Configurations returns what the issuer issues, with the rules of the cascade.
func (i *Issuer) Configurations() ([]issuer.Configuration, error) {
	var list []error
	configurations := i.configurations(faults{list: &list})
	return configurations, errors.Join(list...)
}

// configurations adds what is wrong with types, credentials and cascade.
func (i *Issuer) configurations(f faults) []issuer.Configuration {
	before := len(*f.list)
	types := i.readTypes(f)
	i.checkSources(f)
	if len(*f.list) > before {
		return nil
	}
	var all []issuer.Configuration
	known := map[string]bool{} // and whether it is offered by those who name none
	for _, t := range types {
		for _, c := range issuer.Configure(t.Type, i.NameJA, i.NameEN) {
			all, known[c.ID] = append(all, c), t.own || t.ID == flagship
		}
	}
	offered, err := i.offered(known)
	if err != nil {
		f.add("credentials", "%s", err)
		return nil
	}
	rules := map[string]issuer.CascadeRule{}
	for name, rule := range i.Cascade {
		rules[name] = issuer.CascadeRule(rule)
	}
	if all, err = issuer.WithCascade(all, rules); err != nil {
		f.add("cascade", "%s", err)
		return nil
	}
	i.demandAttestations(all, f)
	i.deferTypes(all, f)
	all = slices.DeleteFunc(all, func(c issuer.Configuration) bool { return !offered[c.ID] })
	i.checkTogether(all, f)
	return all
}

// listed is a type of the catalogue; own, if it is in a file of the issuer.
type listed struct {
	*catalogue.Type
	own bool
}

// readTypes returns the shipped types, and those in the files of the issuer,
// which take the place of a shipped type of the same name.
func (i *Issuer) readTypes(f faults) []listed {
	var own []listed
	isOwn := func(id string) bool { return slices.ContainsFunc(own, func(t listed) bool { return t.ID == id }) }
	for n, file := range i.Types {
		in := faults{file: file, list: f.list}
		data, err := os.ReadFile(file)
		if err != nil {
			in.add(f.prefix+"types["+strconv.Itoa(n)+"]", "%s", err)
			continue
		}
		switch t, err := catalogue.Parse(data); {
		case err != nil:
			in.addAll(err)
		case isOwn(t.ID):
			in.add("id", "another file has the type %s", t.ID)
		default:
			own = append(own, listed{t, true})
		}
	}
	shipped, err := catalogue.Shipped()
	if err != nil {
		f.add("types", "%s", err)
	}
	var types []listed
	for _, t := range shipped {
		if !isOwn(t.ID) {
			types = append(types, listed{t, false})
		}
	}
	return append(types, own...)
}

// addAll adds the faults of a block, which may be joined.
func (f faults) addAll(err error) {
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		for _, err := range joined.Unwrap() {
			f.addAll(err)
		}
		return
	}
	var fault *catalogue.Fault
	if !errors.As(err, &fault) {
		fault = &catalogue.Fault{Text: err.Error()}
	}
	if fault.Key == "" {
		fault.Key = "type"
	}
	f.add(fault.Key, "%s", fault.Text)
}

// offered returns which entries of the catalogue the tenant offers. known tells
// which those offer that name none: the flagship and the types of their own.
func (i *Issuer) offered(known map[string]bool) (map[string]bool, error) {
	if len(i.Credentials) == 0 {
		return known, nil
	}
	offered := map[string]bool{}
	for _, id := range i.Credentials {
		if _, ok := known[id]; !ok || offered[id] {
			return nil, fmt.Errorf("%q is not an entry of the catalogue, or named twice", id)
		}
		offered[id] = true
	}
	return offered, nil
}

// demandAttestations puts the demands of the section in the place of those of
// types.
func (i *Issuer) demandAttestations(all []issuer.Configuration, f faults) {
	for _, name := range slices.Sorted(maps.Keys(i.KeyAttestations)) {
		r, known := i.KeyAttestations[name], false
		if r.KeyStorage != nil && len(r.KeyStorage) == 0 || r.UserAuthentication != nil && len(r.UserAuthentication) == 0 {
			f.add("key_attestations", "an empty list accepts nothing; leave it out to ask for nothing")
		}
		for n := range all {
			if all[n].Type == name {
				all[n].KeyAttestation = &openid4vci.KeyAttestationsRequired{KeyStorage: r.KeyStorage, UserAuthentication: r.UserAuthentication}
				known = true
			}
		}
		if !known {
			f.add("key_attestations", "there is no type %s", name)
		}
	}
}

// deferTypes says which types wait for the operator.
func (i *Issuer) deferTypes(all []issuer.Configuration, f faults) {
	if len(i.Deferred) > 0 && i.Lifetimes.RefreshToken == 0 {
		f.add("deferred", "lifetimes.refresh_token is needed: nobody decides while an access token lives, and without another the wallet can't come back")
	}
	for _, name := range slices.Sorted(maps.Keys(i.Deferred)) {
		known := false
		for n := range all {
			if all[n].Type == name {
				all[n].Approval, known = true, true
			}
		}
		if !known {
			f.add("deferred", "there is no type %s", name)
		}
		if i.Deferred[name] != Approval {
			f.add("deferred", "the only thing that a type can wait for is %s", Approval)
		}
	}
}

// checkSources checks the names of registers, and that each says where it is.
func (i *Issuer) checkSources(f faults) {
	for _, name := range slices.Sorted(maps.Keys(i.Sources)) {
		s := i.Sources[name]
		switch {
		case !sourceName.MatchString(name), name == "person", name == "issuer":
			f.add("sources."+name, "is no name for a register: lower-case letters, digits and underscore, and neither person nor issuer")
		case s == nil, (s.File == "") == (s.HTTP == nil):
			f.add("sources."+name, "file or http is needed")
		case s.HTTP != nil:
			s.HTTP.check("sources."+name+".http", f)
		}
	}
}

// checkTogether checks what the configurations on offer have to do with one
// another and with the rest of the section.
func (i *Issuer) checkTogether(all []issuer.Configuration, f faults) {
	scopes, types := map[string]string{}, map[string]string{}
	batch := i.BatchSize
	if batch == 0 {
		batch = DefaultBatchSize
	}
	for _, c := range all {
		if other, ok := scopes[c.Scope]; ok {
			f.add("credentials", "%s has the scope of %s", c.ID, other)
		}
		if other, ok := types[c.Type]; ok {
			f.add("credentials", "%s is of the type of %s", c.ID, other)
		}
		scopes[c.Scope], types[c.Type] = c.ID, c.ID
		for _, register := range slices.Sorted(maps.Keys(c.Registers)) {
			if i.Sources[register] == nil {
				f.add("sources."+register, "needed by %s, which takes %v from it", c.ID, c.Registers[register])
			}
		}
		if c.ReusePolicy != nil {
			for _, o := range c.ReusePolicy.Options {
				if o.BatchSize > batch {
					f.add("batch_size", "must be %d or more: the reuse policy of %s says so", o.BatchSize, c.ID)
				}
			}
		}
	}
}

// LoadRegister reads the file of a register.
func LoadRegister(use, path string) (*source.File, error) {
	data, err := ReadSecret(use, path, 1)
	if err != nil {
		return nil, err
	}
	file, err := source.ParseFile(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w", use, path, err)
	}
	return file, nil
}
