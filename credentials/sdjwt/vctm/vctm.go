// Package vctm resolves the type metadata of SD-JWT VCs (draft-ietf-oauth-sd-jwt-vc
// section 5): it fetches the document of a type, holds it to the digest that the
// credential names it by, and puts it together with those of the types that it
// extends. Nothing of it says that an issuer may issue a type.
package vctm

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tegata-id/tegata/credentials/sdjwt"
)

// MaxDocuments is how many documents a type may be made of.
const MaxDocuments = 8

// MediaType is what the documents are served as.
const MediaType = "application/json"

var (
	// ErrUnavailable says that a document could not be fetched.
	ErrUnavailable = errors.New("type metadata is unavailable")
	// ErrIntegrity says that a document is another than it should be.
	ErrIntegrity = errors.New("type metadata is not what its digest says")
)

// Fetch gets a document by its https address. It must bound time, size and
// redirects, accept no status but 200, and keep away from addresses that must not
// be reached.
type Fetch func(ctx context.Context, uri string) ([]byte, error)

// Resolve returns the metadata of a type with all that it inherits, so that its
// Extends is empty. The type is its address, as is each that it extends. The
// integrity is vct#integrity of the credential and may be empty. Errors are
// [ErrUnavailable], [ErrIntegrity] and [sdjwt.ErrTypeMetadata].
func Resolve(ctx context.Context, vct, integrity string, fetch Fetch) (*sdjwt.TypeMetadata, error) {
	var chain []*sdjwt.TypeMetadata
	seen := map[string]bool{}
	for uri := vct; uri != ""; {
		switch {
		case seen[uri]:
			return nil, fmt.Errorf("%w: a type extends itself", sdjwt.ErrTypeMetadata)
		case len(chain) == MaxDocuments:
			return nil, fmt.Errorf("%w: it extends too many types", sdjwt.ErrTypeMetadata)
		case !strings.HasPrefix(uri, "https://"):
			return nil, fmt.Errorf("%w: the type has no https address", ErrUnavailable)
		}
		seen[uri] = true
		document, err := fetch(ctx, uri)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		if integrity != "" {
			if err := CheckIntegrity(document, integrity); err != nil {
				return nil, err
			}
		}
		m, err := sdjwt.ParseTypeMetadata(document, uri)
		if err != nil {
			return nil, err
		}
		chain = append(chain, m)
		uri, integrity = m.Extends, m.ExtendsIntegrity
	}
	whole := chain[len(chain)-1]
	for _, m := range slices.Backward(chain[:len(chain)-1]) {
		var err error
		if whole, err = extend(whole, m); err != nil {
			return nil, err
		}
	}
	return whole, nil
}

// extend adds a type to the one that it extends (section 5.6.5): what it says of a
// claim, and of its display, counts in the place of what it inherits.
func extend(base, m *sdjwt.TypeMetadata) (*sdjwt.TypeMetadata, error) {
	out := &sdjwt.TypeMetadata{VCT: m.VCT, Name: m.Name, Display: m.Display, Claims: slices.Clone(base.Claims)}
	if len(out.Display) == 0 {
		out.Display = base.Display
	}
	for _, c := range m.Claims {
		at := slices.IndexFunc(out.Claims, func(b sdjwt.ClaimMetadata) bool { return b.Path.Equal(c.Path) })
		if at < 0 {
			out.Claims = append(out.Claims, c)
			continue
		}
		inherited := out.Claims[at]
		fixed := inherited.Disclosure == sdjwt.SDAlways || inherited.Disclosure == sdjwt.SDNever
		if fixed && c.Disclosure != inherited.Disclosure {
			return nil, fmt.Errorf("%w: it changes how %s is disclosed", sdjwt.ErrTypeMetadata, c.Path)
		}
		if inherited.Mandatory && !c.Mandatory {
			return nil, fmt.Errorf("%w: it makes %s optional", sdjwt.ErrTypeMetadata, c.Path)
		}
		out.Claims[at] = c
	}
	return out, nil
}

// CheckIntegrity holds a document to a digest as W3C Subresource Integrity writes
// it (section 6): of several, those of the strongest algorithm count, and one of
// them must be right. A digest of unknown algorithms alone is none. Errors are
// [ErrIntegrity].
func CheckIntegrity(document []byte, integrity string) error {
	s256, s384, s512 := sha256.Sum256(document), sha512.Sum384(document), sha512.Sum512(document)
	for _, strongest := range []struct {
		prefix string
		digest []byte
	}{{"sha512-", s512[:]}, {"sha384-", s384[:]}, {"sha256-", s256[:]}} {
		present := false
		for _, one := range strings.Fields(integrity) {
			encoded, ok := strings.CutPrefix(one, strongest.prefix)
			if !ok {
				continue
			}
			present = true
			encoded, _, _ = strings.Cut(encoded, "?")
			want, err := base64.StdEncoding.DecodeString(encoded)
			if err == nil && subtle.ConstantTimeCompare(want, strongest.digest) == 1 {
				return nil
			}
		}
		if present {
			return ErrIntegrity
		}
	}
	return fmt.Errorf("%w: no digest of a known algorithm", ErrIntegrity)
}
