package verifier

import (
	"maps"
	"slices"

	"github.com/tegata-id/tegata/credentials"
)

// differentSubjects reports whether credentials that answer different queries
// disclose different dates of birth: somebody put two persons' credentials
// together. Holder keys say nothing, since wallets use one per credential, and
// names are written in more ways than one. Several credentials under one query
// are what the relying party asked for.
func differentSubjects(presented map[string][]*credentials.Verified) bool {
	var known credentials.Value
	for _, id := range slices.Sorted(maps.Keys(presented)) {
		if len(presented[id]) != 1 {
			continue
		}
		for _, date := range birthDates(presented[id][0]) {
			if known != nil && known.JSON() != date.JSON() {
				return true
			}
			known = date
		}
	}
	return false
}

// birthDateNames are what the formats call a date of birth.
var birthDateNames = []string{"birthdate", "birth_date"}

// birthDates returns what the credential says under the names that the formats
// have for a date of birth, where it is a plain date.
func birthDates(v *credentials.Verified) []credentials.Value {
	var found []credentials.Value
	add := func(claims credentials.Object, name string) {
		switch date := claims[name].(type) {
		case credentials.FullDate, credentials.Text:
			found = append(found, date)
		}
	}
	if v.Format != credentials.FormatMdoc {
		add(v.Claims, "birthdate")
		return found
	}
	for _, namespace := range v.Claims.Names() {
		if elements, ok := v.Claims[namespace].(credentials.Object); ok {
			add(elements, "birth_date")
		}
	}
	return found
}
