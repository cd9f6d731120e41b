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
