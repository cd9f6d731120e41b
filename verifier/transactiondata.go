package verifier

import (
	"encoding/json"
	"errors"
	"slices"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/dcql"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/openid4vp"
)

// checkTransactionData returns the elements as they stand in the request.
func (v *Verifier) checkTransactionData(query json.RawMessage, objects []json.RawMessage) ([]string, error) {
	if objects == nil {
		return nil, nil
	}
	q, err := dcql.Parse(query)
	if err != nil {
		return nil, refuse(CodeServerError, "", err)
	}
	for _, object := range objects {
		value, err := jose.DecodeValue(object)
		members, ok := value.(credentials.Object)
		if err != nil || !ok {
			return nil, refuse(CodeInvalidTransactionData, "transaction_data is not a list of JSON objects", nil)
		}
		if _, found := withoutIndividualNumbers(members); found {
			return nil, refuse(CodeIndividualNumber, "the Individual Number (My Number) must not be sent", nil)
		}
	}
	encoded, err := openid4vp.EncodeTransactionData(objects, q)
	var fault *openid4vp.Error
	if errors.As(err, &fault) {
		return nil, refuse(CodeInvalidTransactionData, fault.Description, nil)
	}
	if err == nil && len(encoded) == 0 {
		return nil, refuse(CodeInvalidTransactionData, "transaction_data has no elements", nil)
	}
	return encoded, err
}

// authorizes reports whether the presentations together authorize all
// transaction data of the request. Each has been held against what it may
// authorize; here none may be missing.
func authorizes(t *transaction, presented map[string][]*credentials.Verified) bool {
	signed := map[string]bool{}
	for _, list := range presented {
		for _, verified := range list {
			for _, encoded := range verified.Authorized {
				signed[encoded] = true
			}
		}
	}
	return !slices.ContainsFunc(t.TransactionData, func(encoded string) bool { return !signed[encoded] })
}
