package credentials

import (
	"crypto"
	"crypto/x509"
	"time"
)

// Format is a credential format identifier of OpenID4VCI and OpenID4VP.
type Format string

// The formats that Tegata issues and verifies.
const (
	FormatSDJWTVC Format = "dc+sd-jwt"
	FormatMdoc    Format = "mso_mdoc"
)

// StatusRef points from a credential into a Token Status List, the member
// status_list of draft-ietf-oauth-status-list section 6, or from an mdoc into
// an identifier list (ISO/IEC 18013-5, second edition).
type StatusRef struct {
	URI   string
	Index uint64
	// Identifier holds the bytes that an identifier list would name; empty
	// means that the URI is that of a Token Status List.
	Identifier string
}

// Draft is a credential before it is signed. A format package turns it into
// the credential; it adds nothing that is not in the draft except salts,
// digests and the signer's chain.
type Draft struct {
	// Type is the vct of an SD-JWT VC or the doctype of an mdoc.
	Type string
	// TypeIntegrity is the vct#integrity claim of an SD-JWT VC: the digest of
	// its type metadata. Empty leaves it out; an mdoc has no such element.
	TypeIntegrity string
	// Issuer is the iss claim of an SD-JWT VC; empty leaves it out. An mdoc
	// has no such element.
	Issuer string
	// Claims are the claims about the subject. Every claim of an SD-JWT VC
	// becomes selectively disclosable, nested members and array elements
	// included, except for those named in Always, which are signed as they are.
	// An mdoc has no such claims.
	Claims Object
	Always []string
	// HolderKey is the public key the credential is bound to.
	HolderKey crypto.PublicKey
	// SignedAt, ValidFrom and ValidUntil have whole seconds. SignedAt is iat
	// or validityInfo.signed.
	SignedAt, ValidFrom, ValidUntil time.Time
	// Status is nil for a credential that cannot be revoked.
	Status *StatusRef
}

// BindingMode says by which channel a presentation travels, and with that what
// the holder's signature must cover.
type BindingMode int

// The binding modes. The zero value is none of them, so that a binding that
// nobody filled in fails.
const (
	// BindingRedirect is OpenID4VP over redirects and direct_post.
	BindingRedirect BindingMode = iota + 1
	// BindingDCAPI is OpenID4VP over the W3C Digital Credentials API.
	BindingDCAPI
)

// Binding is everything a holder signs over when presenting a credential
// (OpenID4VP 1.0 appendices B.2.6 and B.3.6). The verifier builds it from its
// own session and never from the response.
type Binding struct {
	Mode BindingMode
	// Nonce is the nonce of the authorization request.
	Nonce string
	// ClientID is the full client identifier with its prefix.
	ClientID string
	// ResponseURI is the response_uri, or the redirect_uri where there is
	// none. Empty with BindingDCAPI.
	ResponseURI string
	// Origin is the web origin that called the Digital Credentials API,
	// without the prefix "origin:". Empty with BindingRedirect.
	Origin string
	// EncryptionKeyThumbprint is the RFC 7638 SHA-256 thumbprint (32 bytes)
	// of the key the response is encrypted to; nil if it is not encrypted.
	EncryptionKeyThumbprint []byte
	// TransactionData lists, in the order of the request, what this presentation
	// may authorize.
	TransactionData []TransactionData
	// HolderUnproven says that the verifier did not ask for a proof of
	// possession. One that comes all the same is checked.
	HolderUnproven bool
}

// TransactionData is one element of transaction_data as the holder signs it
// (OpenID4VP 1.0 section 8.4 and appendix B.3.3.1).
type TransactionData struct {
	// Encoded is the element as it stands in the request.
	Encoded string
	// HashAlgorithms are those that the element allows; nil means sha-256.
	HashAlgorithms []string
}

// Audience returns what the aud claim of a KB-JWT must be: the full client
// identifier, or the origin with its prefix. It is empty for a binding without
// a mode.
func (b Binding) Audience() string {
	switch b.Mode {
	case BindingRedirect:
		return b.ClientID
	case BindingDCAPI:
		return "origin:" + b.Origin
	}
	return ""
}

// Check is one thing that was verified, for the log and for the relying party
// that wants to know why a credential can be trusted.
type Check struct {
	// Name is a short fixed identifier such as "issuer_signature".
	Name string `json:"name"`
	// Detail says in plain English what was found. It holds no personal data.
	Detail string `json:"detail"`
	// Skipped says that the policy left it out and Detail why.
	Skipped bool `json:"skipped,omitempty"`
}

// Verified is a presentation after every cryptographic check of its format has
// passed. Status and policy are checked later, by whoever asked.
type Verified struct {
	Format Format
	// Type is the vct or the doctype.
	Type string
	// Claims holds what was disclosed, after processing. For an mdoc the
	// first level is the namespace. Claims of an SD-JWT VC that describe the
	// credential and not its subject (iss, iat, exp, cnf, status, …) are not
	// among them.
	Claims Object
	// Issuer is the iss claim of an SD-JWT VC, empty if it has none or if the
	// signer's certificate does not name it.
	Issuer string
	// Chain runs from the signer's certificate to the trust anchor.
	Chain []*x509.Certificate
	// HolderKey is the key that signed the presentation; nil if the verifier
	// asked for none.
	HolderKey crypto.PublicKey
	// SignedAt, ValidFrom and ValidUntil are zero where the credential does
	// not say.
	SignedAt, ValidFrom, ValidUntil time.Time
	// Status is nil if the credential names no status list.
	Status *StatusRef
	// Authorized holds those of the binding's TransactionData that the holder
	// signed, encoded as in the request.
	Authorized []string
	// Checks lists what was verified, in order.
	Checks []Check
}
