// Package openapi holds the descriptions of our HTTP interfaces, one OpenAPI 3.1
// document for each role and one for the registers that issuers ask. They are
// written by hand before the code; tests prove that they name exactly the routes
// that are mounted, that their examples fit their schemas, and that exchanges are
// as described.
//
// Routes that exist in some configurations only have the extension
// x-tegata-condition, which says when.
package openapi

import "embed"

// Name names a document, and with it the role that it describes.
type Name string

// The documents.
const (
	Issuer   Name = "issuer"
	Verifier Name = "verifier"
	// Wallet describes the wallet provider.
	Wallet Name = "wallet"
	// Source describes registers, which the issuer is a client of. Nobody
	// serves it.
	Source Name = "source"
)

// Names are the documents that the roles serve.
func Names() []Name { return []Name{Issuer, Verifier, Wallet} }

//go:embed issuer.yaml verifier.yaml wallet.yaml source.yaml
var documents embed.FS

// Document returns a document in YAML, or nil if there is none of that name.
// The caller may keep and change it.
func Document(name Name) []byte {
	data, err := documents.ReadFile(string(name) + ".yaml")
	if err != nil {
		return nil
	}
	return data
}
