package status

import (
	"fmt"

	"github.com/tegata-id/tegata/credentials/cose"
)

// IdentifierMediaType is what an identifier list is requested and served as,
// and the type in its protected header (ISO/IEC 18013-5, second edition). It
// is a CWT like a status list in that form, and names what is revoked.
const IdentifierMediaType = "application/identifierlist+cwt"

// identifierList is the claim 65530 of an identifier list. What stands beside
// an identifier is for applications and not read.
type identifierList struct {
	Identifiers map[cose.ByteString]cose.RawMessage `cbor:"identifiers"`
	Aggregation string                              `cbor:"aggregation_uri,omitempty"`
}

// readIdentifiers reads the list from the payload of a verified token.
func (t *Token) readIdentifiers(payload []byte) error {
	var c struct {
		List *identifierList `cbor:"65530,keyasint"`
	}
	if err := cose.Unmarshal(payload, &c); err != nil {
		return fmt.Errorf("%w: %w", ErrToken, err)
	}
	if c.List == nil || c.List.Identifiers == nil {
		return fmt.Errorf("%w: identifier list is missing", ErrToken)
	}
	t.AggregationURI = c.List.Aggregation
	t.identifiers = make(map[string]bool, len(c.List.Identifiers))
	for identifier := range c.List.Identifiers {
		t.identifiers[string(identifier)] = true
	}
	return nil
}
