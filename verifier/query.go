package verifier

import (
	"encoding/json"
	"errors"
	"slices"
	"strconv"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/dcql"
	"github.com/tegata-id/tegata/internal/individualnumber"
)

// checkQuery parses a query strictly, refuses what must not be asked for and
// what could not be verified, and returns the query as it will be sent: members
// that DCQL does not have are gone.
func (v *Verifier) checkQuery(data json.RawMessage) (json.RawMessage, error) {
	q, err := dcql.Parse(data)
	var fault *dcql.Error
	if errors.As(err, &fault) {
		return nil, refuse(CodeInvalidQuery, fault.Error(), nil)
	}
	if err != nil {
		return nil, refuse(CodeInvalidQuery, "dcql_query is not a DCQL query", err)
	}
	if _, denied := q.Denied(); denied || namesIndividualNumber(q) {
		return nil, refuse(CodeIndividualNumber, "the Individual Number (My Number) must not be asked for or compared with", nil)
	}
	for i := range q.Credentials {
		if _, ok := v.cfg.Formats[q.Credentials[i].Format]; !ok {
			return nil, refuse(CodeUnsupportedQuery, "a credential format of the query is not supported", nil)
		}
	}
	out, err := json.Marshal(q)
	if err != nil {
		return nil, refuse(CodeServerError, "", err)
	}
	return out, nil
}

// namesIndividualNumber reports whether a value that a claim is compared with
// reads as an Individual Number.
func namesIndividualNumber(q *dcql.Query) bool {
	for _, c := range q.Credentials {
		for _, claim := range c.Claims {
			if slices.ContainsFunc(claim.Values, readsAsNumber) {
				return true
			}
		}
	}
	return false
}

func readsAsNumber(value credentials.Value) bool {
	switch value := value.(type) {
	case credentials.Text:
		return individualnumber.Find(string(value))
	case credentials.Int:
		return individualnumber.Valid(strconv.FormatInt(int64(value), 10))
	}
	return false
}

// Preset is a query that people can choose on the start page.
type Preset struct {
	// ID consists of letters, digits, hyphen and underscore.
	ID string
	// JA and EN are what people read.
	JA, EN string
	// Query is the DCQL query in JSON.
	Query json.RawMessage
}

const (
	identitySDJWT = `{"id":"identity_sd_jwt","format":"dc+sd-jwt","meta":{"vct_values":["urn:tegata:identity:jp:1"]},"claims":[` +
		`{"path":["name"]},{"path":["age_equal_or_over","18"],"values":[true]}]}`
	identityMdoc = `{"id":"identity_mdoc","format":"mso_mdoc","meta":{"doctype_value":"id.tegata.identity.jp.1"},"claims":[` +
		`{"path":["id.tegata.identity.jp.1","name"]},{"path":["org.iso.23220.1","age_over_18"],"values":[true]}]}`
)

// DefaultPresets ask for the name and for the age of 18 or over, in either
// format or in one of them.
func DefaultPresets() []Preset {
	return []Preset{
		{
			ID: "adult", JA: "氏名と、18歳以上であること", EN: "Name, and being 18 or over",
			Query: json.RawMessage(`{"credentials":[` + identitySDJWT + `,` + identityMdoc +
				`],"credential_sets":[{"options":[["identity_sd_jwt"],["identity_mdoc"]]}]}`),
		},
		{
			ID: "adult_sd_jwt", JA: "氏名と、18歳以上であること（SD-JWT VC）", EN: "Name, and being 18 or over (SD-JWT VC)",
			Query: json.RawMessage(`{"credentials":[` + identitySDJWT + `]}`),
		},
		{
			ID: "adult_mdoc", JA: "氏名と、18歳以上であること（mdoc）", EN: "Name, and being 18 or over (mdoc)",
			Query: json.RawMessage(`{"credentials":[` + identityMdoc + `]}`),
		},
	}
}
