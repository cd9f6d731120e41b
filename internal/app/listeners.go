package app

import "strings"

// namedListener is the listener of a role and the key of its section.
type namedListener struct {
	name string
	*ListenConfig
}

// listeners returns those of the roles that are configured.
func (c *Config) listeners() []namedListener {
	var list []namedListener
	if c.Issuer != nil {
		list = append(list, namedListener{"issuer", &c.Issuer.ListenConfig})
	}
	if c.Verifier != nil {
		list = append(list, namedListener{"verifier", &c.Verifier.ListenConfig})
	}
	if c.Provider != nil {
		list = append(list, namedListener{"wallet_provider", &c.Provider.ListenConfig})
	}
	return list
}

// checkDistinct demands that no two listeners share an address and no two roles
// an origin.
func (c *Config) checkDistinct(fault func(string, ...any)) {
	addresses, origins := map[string]string{}, map[string]string{}
	add := func(seen map[string]string, key, value string) {
		if value == "" || strings.HasSuffix(value, ":0") {
			return
		}
		if other, ok := seen[value]; ok {
			fault("%s: %s is also that of %s", key, value, other)
			return
		}
		seen[value] = key
	}
	add(addresses, "admin_listen", c.Admin)
	for _, role := range c.listeners() {
		add(addresses, role.name+".listen", role.Listen)
		add(origins, role.name+".origin", strings.ToLower(role.Origin))
	}
}
