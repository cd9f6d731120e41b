package openid4vp

import (
	"encoding/json"
	"slices"

	"github.com/tegata-id/tegata/credentials/dcql"
	"github.com/tegata-id/tegata/credentials/jose"
)

// TransactionData is one element of transaction_data (section 5.1), read as
// far as all types share it.
type TransactionData struct {
	Type          string
	CredentialIDs []string
	// Encoded is the element as received; its hash is what a KB-JWT contains
	// (appendix B.3.3.1).
	Encoded string
	// JSON is the decoded object with the members of its type.
	JSON json.RawMessage
}

const maxTransactionData = 16

// parseTransactionData reads the parameter. A reference to a credential that
// is not requested, or requested without holder binding, is an error: nothing
// could sign the data (appendix B.3.3).
func parseTransactionData(encoded []string, q *dcql.Query) ([]TransactionData, error) {
	bad := func(description string) ([]TransactionData, error) {
		return nil, refuse(InvalidTransactionData, description)
	}
	if encoded != nil && (len(encoded) == 0 || len(encoded) > maxTransactionData) {
		return bad("transaction_data has no elements or too many")
	}
	var out []TransactionData
	for _, e := range encoded {
		data, err := jose.DecodeBase64(e)
		if err != nil {
			return bad("transaction_data is not base64url")
		}
		var common struct {
			Type          string   `json:"type"`
			CredentialIDs []string `json:"credential_ids"`
		}
		if err := jose.UnmarshalJSON(data, &common); err != nil {
			return bad("transaction_data is not a JSON object of the right members")
		}
		if common.Type == "" || len(common.CredentialIDs) == 0 {
			return bad("transaction_data lacks type or credential_ids")
		}
		if slices.ContainsFunc(common.CredentialIDs, func(id string) bool {
			c := q.Credential(id)
			return c == nil || !c.HolderBindingRequired()
		}) {
			return bad("transaction_data refers to a credential that cannot authorize it")
		}
		out = append(out, TransactionData{
			Type: common.Type, CredentialIDs: common.CredentialIDs, Encoded: e, JSON: data,
		})
	}
	return out, nil
}
