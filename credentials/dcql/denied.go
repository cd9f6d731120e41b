package dcql

import (
	"slices"
	"strings"

	"github.com/tegata-id/tegata/credentials"
)

// deniedNames are the names under which credentials of Japan and of other
// frameworks carry the twelve-digit Individual Number (My Number), with
// everything but letters and digits left out.
var deniedNames = []string{
	"individualnumber",
	"individualnumberunicode",
	"individualnumberlatin1",
	"mynumber",
	"kojinbango",
	"kojinbangou",
	"personaladministrativenumber",
	"個人番号",
	"マイナンバー",
}

// DeniedClaim reports whether a path names the Individual Number (My Number).
// The law forbids to ask for it, to receive it and to store it outside a few
// listed purposes, even with consent. A verifier refuses a query that contains
// such a path before it is sent; see [Query.Denied]. The comparison ignores
// case and punctuation, looks at every name in the path and, in names made of
// segments, at the last of them.
//
// personal_administrative_number is on the list because issuers of Japan could
// put nothing else there.
func DeniedClaim(path credentials.Path) bool {
	return slices.ContainsFunc(path, func(e credentials.PathElement) bool {
		name, ok := e.Name()
		if !ok {
			return false
		}
		local := name[strings.LastIndexAny(name, ".:/#")+1:]
		return slices.Contains(deniedNames, plainName(name)) || slices.Contains(deniedNames, plainName(local))
	})
}

// Denied returns the first path of the query for which [DeniedClaim] holds.
func (q *Query) Denied() (credentials.Path, bool) {
	for _, c := range q.Credentials {
		for _, claim := range c.Claims {
			if DeniedClaim(claim.Path) {
				return claim.Path, true
			}
		}
	}
	return nil, false
}

func plainName(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '_', r == '-', r == '.', r == ' ', r == ':', r == '/':
			return -1
		}
		return r
	}, strings.ToLower(name))
}
