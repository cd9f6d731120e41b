package openid4vp

import (
	"encoding/json"
	"slices"

	"github.com/tegata-id/tegata/credentials"
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
	// HashAlgorithms is the member transaction_data_hashes_alg; nil means
	// sha-256.
	HashAlgorithms []string
	// JSON is the decoded object with the members of its type.
	JSON json.RawMessage
}

// EncodeTransactionData returns the elements as they stand in a request for the
// query. Errors are [*Error].
func EncodeTransactionData(objects []json.RawMessage, q *dcql.Query) ([]string, error) {
	var encoded []string
	for _, object := range objects {
		encoded = append(encoded, jose.EncodeBase64(object))
	}
	_, err := ParseTransactionData(encoded, q)
	return encoded, err
}

// TransactionDataFor returns what presentations under a credential query may
// authorize.
func TransactionDataFor(data []TransactionData, queryID string) []credentials.TransactionData {
	var out []credentials.TransactionData
	for _, d := range data {
		if slices.Contains(d.CredentialIDs, queryID) {
			out = append(out, credentials.TransactionData{Encoded: d.Encoded, HashAlgorithms: d.HashAlgorithms})
		}
	}
	return out
}

const (
	maxTransactionData     = 16
	maxTransactionDataSize = 16 << 10
)

// ParseTransactionData reads the parameter. A reference to a credential that
// is not requested, or requested without holder binding, is an error: nothing
// could sign the data (appendix B.3.3). So is one to an mdoc, whose device signs
// elements that a type defines and the issuer allows (appendix B.2.1): no type
// that is known here has any. Errors are [*Error].
func ParseTransactionData(encoded []string, q *dcql.Query) ([]TransactionData, error) {
	bad := func(description string) ([]TransactionData, error) {
		return nil, refuse(InvalidTransactionData, description)
	}
	if encoded != nil && (len(encoded) == 0 || len(encoded) > maxTransactionData) {
		return bad("transaction_data has no elements or too many")
	}
	var out []TransactionData
	for _, e := range encoded {
		if len(e) > maxTransactionDataSize {
			return bad("transaction_data is too large")
		}
		data, err := jose.DecodeBase64(e)
		if err != nil {
			return bad("transaction_data is not base64url")
		}
		var common struct {
			Type          string   `json:"type"`
			CredentialIDs []string `json:"credential_ids"`
			Algorithms    []string `json:"transaction_data_hashes_alg"`
		}
		if err := jose.UnmarshalJSON(data, &common); err != nil {
			return bad("transaction_data is not a JSON object of the right members")
		}
		if common.Type == "" || len(common.CredentialIDs) == 0 {
			return bad("transaction_data lacks type or credential_ids")
		}
		if slices.ContainsFunc(common.CredentialIDs, func(id string) bool {
			c := q.Credential(id)
			return c == nil || !c.HolderBindingRequired() || c.Format != credentials.FormatSDJWTVC
		}) {
			return bad("transaction_data refers to a credential that cannot authorize it")
		}
		if common.Algorithms != nil && !slices.ContainsFunc(common.Algorithms, knownHash) {
			return bad("transaction_data allows no hash algorithm that is known")
		}
		out = append(out, TransactionData{
			Type: common.Type, CredentialIDs: common.CredentialIDs, HashAlgorithms: common.Algorithms, Encoded: e, JSON: data,
		})
	}
	return out, nil
}

func knownHash(name string) bool {
	return slices.Contains([]string{"sha-256", "sha-384", "sha-512"}, name)
}
