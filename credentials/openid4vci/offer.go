package openid4vci

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// The schemes by which a wallet is called with an offer: of section 4.1, and
// of HAIP 1.0 section 4.2.
const (
	SchemeOffer = "openid-credential-offer://"
	SchemeHAIP  = "haip-vci://"
)

// The values of [TxCode.InputMode].
const (
	InputNumeric = "numeric"
	InputText    = "text"
)

// MaxOfferSize is the longest offer or link in bytes, and MaxTxDescription the
// longest description of a transaction code in characters.
const (
	MaxOfferSize     = 64 << 10
	MaxTxDescription = 300
)

// CredentialOffer is a credential offer (section 4.1.1). To a wallet nothing
// in it is trustworthy: it only says where to start.
type CredentialOffer struct {
	// CredentialIssuer is the identifier of the issuer.
	CredentialIssuer string `json:"credential_issuer"`
	// ConfigurationIDs are keys of the issuer's configurations, at least one,
	// all different.
	ConfigurationIDs []string `json:"credential_configuration_ids"`
	// Grants is nil if the wallet shall see from the metadata what it can use.
	Grants *Grants `json:"grants,omitempty"`
}

// Grants are the ways to get a token for an offer. Grant types that are not
// known here are ignored.
type Grants struct {
	AuthorizationCode *AuthorizationCodeGrant `json:"authorization_code,omitempty"`
	PreAuthorizedCode *PreAuthorizedCodeGrant `json:"urn:ietf:params:oauth:grant-type:pre-authorized_code,omitempty"`
}

// AuthorizationCodeGrant has the parameters of the authorization code flow.
type AuthorizationCodeGrant struct {
	// IssuerState goes into the authorization request, if not empty.
	IssuerState string `json:"issuer_state,omitempty"`
	// AuthorizationServer is one of several in the issuer's metadata.
	AuthorizationServer string `json:"authorization_server,omitempty"`
}

// PreAuthorizedCodeGrant has the parameters of the pre-authorized code flow.
type PreAuthorizedCodeGrant struct {
	// Code is the pre-authorized code.
	Code string `json:"pre-authorized_code"`
	// TxCode, if not nil, says that a transaction code is required, even if
	// it is empty.
	TxCode *TxCode `json:"tx_code,omitempty"`
	// AuthorizationServer is one of several in the issuer's metadata.
	AuthorizationServer string `json:"authorization_server,omitempty"`
}

// TxCode describes a transaction code.
type TxCode struct {
	// InputMode is [InputNumeric] or [InputText]; empty means numeric.
	InputMode string `json:"input_mode,omitempty"`
	// Length is the number of characters, 0 if not said.
	Length int `json:"length,omitempty"`
	// Description tells the user where to find the code. At most
	// [MaxTxDescription] characters.
	Description string `json:"description,omitempty"`
}

// ParseOffer reads and validates an offer.
func ParseOffer(data []byte) (*CredentialOffer, error) {
	if len(data) > MaxOfferSize {
		return nil, fmt.Errorf("credential offer: %w", errTooLarge)
	}
	var o CredentialOffer
	if err := parse(data, &o); err != nil {
		return nil, fmt.Errorf("credential offer: %w", err)
	}
	if err := o.Validate(); err != nil {
		return nil, err
	}
	return &o, nil
}

// Validate checks the offer by the rules of section 4.1.1.
func (o *CredentialOffer) Validate() error {
	if err := CheckIdentifier(o.CredentialIssuer); err != nil {
		return fmt.Errorf("credential offer: credential_issuer: %w", err)
	}
	if err := distinct(o.ConfigurationIDs); err != nil {
		return fmt.Errorf("credential offer: credential_configuration_ids: %w", err)
	}
	if o.Grants == nil || o.Grants.PreAuthorizedCode == nil {
		return nil
	}
	g := o.Grants.PreAuthorizedCode
	if g.Code == "" {
		return errors.New("credential offer: no pre-authorized_code")
	}
	if t := g.TxCode; t != nil {
		switch {
		case t.InputMode != "" && t.InputMode != InputNumeric && t.InputMode != InputText:
			return errors.New("credential offer: tx_code: unknown input_mode")
		case t.Length < 0:
			return errors.New("credential offer: tx_code: negative length")
		case utf8.RuneCountInString(t.Description) > MaxTxDescription:
			return errors.New("credential offer: tx_code: description is too long")
		}
	}
	return nil
}

// distinct demands at least one string, none empty, none twice.
func distinct(list []string) error {
	if len(list) == 0 {
		return errors.New("empty")
	}
	seen := map[string]bool{}
	for _, s := range list {
		if s == "" || seen[s] {
			return errors.New("an entry is empty or repeated")
		}
		seen[s] = true
	}
	return nil
}

// OfferLink is what a link or QR code to a wallet says: an offer, or the https
// URL of one. Exactly one of the two is set.
type OfferLink struct {
	Offer *CredentialOffer
	URI   string
}

// ParseOfferLink reads a link with one of the two custom schemes or https
// (section 4.1). It must have exactly one of the parameters credential_offer
// and credential_offer_uri, once. Other parameters are ignored.
func ParseOfferLink(link string) (*OfferLink, error) {
	if len(link) > 3*MaxOfferSize {
		return nil, fmt.Errorf("credential offer link: %w", errTooLarge)
	}
	u, err := url.Parse(link)
	if err != nil || u.Opaque != "" {
		return nil, errors.New("credential offer link: not a URL")
	}
	if !slices.Contains([]string{SchemeOffer, SchemeHAIP, https}, u.Scheme+"://") {
		return nil, errors.New("credential offer link: unknown scheme")
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, errors.New("credential offer link: malformed query")
	}
	values, uris := query["credential_offer"], query["credential_offer_uri"]
	switch {
	case len(values) == 1 && len(uris) == 0:
		offer, err := ParseOffer([]byte(values[0]))
		if err != nil {
			return nil, err
		}
		return &OfferLink{Offer: offer}, nil
	case len(values) == 0 && len(uris) == 1:
		if err := checkURL(uris[0]); err != nil {
			return nil, fmt.Errorf("credential offer link: credential_offer_uri: %w", err)
		}
		return &OfferLink{URI: uris[0]}, nil
	}
	return nil, errors.New("credential offer link: needs exactly one of credential_offer and credential_offer_uri")
}

// String returns the link under base, which is one of the custom schemes or
// the https URL of a wallet's credential offer endpoint.
func (l OfferLink) String(base string) (string, error) {
	name, value := "credential_offer_uri", l.URI
	if l.Offer != nil {
		if err := l.Offer.Validate(); err != nil {
			return "", err
		}
		raw, err := json.Marshal(l.Offer)
		if err != nil {
			return "", fmt.Errorf("credential offer: %w", err)
		}
		name, value = "credential_offer", string(raw)
	}
	if (l.Offer == nil) == (l.URI == "") {
		return "", errors.New("credential offer link: needs either an offer or its URL")
	}
	separator := "?"
	if strings.Contains(base, "?") {
		separator = "&"
	}
	// A space as %20 is understood by every decoder, a plus sign is not.
	return base + separator + name + "=" + strings.ReplaceAll(url.QueryEscape(value), "+", "%20"), nil
}

// Choose returns the IDs of the offered configurations that the metadata
// knows. It is an error if there is none, if the metadata is another issuer's,
// or if a grant names an authorization server that the metadata does not
// (section 4.1.1).
func (o *CredentialOffer) Choose(m *IssuerMetadata) ([]string, error) {
	if o.CredentialIssuer != m.CredentialIssuer {
		return nil, errors.New("credential offer: the metadata is of another issuer")
	}
	if g := o.Grants; g != nil {
		var hints []string
		if g.AuthorizationCode != nil {
			hints = append(hints, g.AuthorizationCode.AuthorizationServer)
		}
		if g.PreAuthorizedCode != nil {
			hints = append(hints, g.PreAuthorizedCode.AuthorizationServer)
		}
		for _, hint := range hints {
			if _, err := m.AuthorizationServer(hint); err != nil {
				return nil, err
			}
		}
	}
	var known []string
	for _, id := range o.ConfigurationIDs {
		if m.Configurations[id] != nil {
			known = append(known, id)
		}
	}
	if len(known) == 0 {
		return nil, errors.New("credential offer: the issuer supports none of the configurations")
	}
	return known, nil
}
