package config

import (
	"reflect"
	"strings"
)

// checkTogether finds tenants that could not be told apart.
func (c *Config) checkTogether(list *[]error) {
	var (
		ids     = map[string]string{}
		origins = map[string]*origin{}
		listens = map[string]Tenant{}
	)
	for _, t := range c.Tenants() {
		f := faults{file: t.File, prefix: t.Name() + ".", list: list}
		if other, ok := ids[t.Role+"/"+t.Tenant]; ok {
			f.add("tenant", "%s is also that of %s", t.Tenant, other)
		}
		ids[t.Role+"/"+t.Tenant] = t.Name()
		if t.Listen != "" && t.Listen == c.Admin && !strings.HasSuffix(c.Admin, ":0") {
			f.add("listen", "%s is also that of admin_listen", c.Admin)
		}
		if first, ok := listens[t.Listen]; !ok {
			listens[t.Listen] = t
		} else if (first.TLS == nil) != (t.TLS == nil) {
			f.add("tls", "%s has it the other way, and listens on the same address", first.Name())
		}
		key := strings.ToLower(t.Origin)
		if origins[key] == nil {
			origins[key] = &origin{first: t, paths: map[string]string{}, above: map[string]string{}}
		}
		origins[key].add(t, f)
	}
}

// origin collects the tenants of an origin.
type origin struct {
	first Tenant
	// paths has the names of tenants by path, above those by each path above
	// theirs.
	paths, above map[string]string
}

func (o *origin) add(t Tenant, f faults) {
	first := o.first
	switch {
	case first.Role != t.Role:
		f.add("origin", "%s is also that of %s: each role needs origins of its own", t.Origin, first.Name())
		return
	case first.Listen != t.Listen:
		f.add("listen", "must be that of %s, which has the same origin", first.Name())
	case !reflect.DeepEqual(first.TLS, t.TLS):
		f.add("tls", "must be that of %s, which has the same origin", first.Name())
	}
	for _, path := range prefixes(t.Path) {
		if other, ok := o.paths[path]; ok {
			f.add("path", "%q can't be told from that of %s on the same origin", t.Path, other)
			return
		}
	}
	if other, ok := o.above[t.Path]; ok {
		f.add("path", "%q can't be told from that of %s on the same origin", t.Path, other)
		return
	}
	o.paths[t.Path] = t.Name()
	for _, path := range prefixes(t.Path)[1:] {
		o.above[path] = t.Name()
	}
}

// prefixes returns a path and every path above it: "/a/b", "/a" and "".
func prefixes(path string) []string {
	all := []string{path}
	for path != "" {
		path = path[:strings.LastIndexByte(path, '/')]
		all = append(all, path)
	}
	return all
}
