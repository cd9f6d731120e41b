package wire

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"time"
)

// Disclosure is one of an SD-JWT: salt, name and value, or whatever is in its
// place (RFC 9901 section 4.2).
func Disclosure(members ...any) string { return B64(JSON(members)) }

// TDate is a point in time, to the second.
func TDate(at time.Time) Tagged { return Tagged{0, at.UTC().Format("2006-01-02T15:04:05Z")} }

// Item is an IssuerSignedItem with a fresh random.
func Item(id int, name string, value any) Pairs {
	random := make([]byte, 32)
	_, _ = rand.Read(random)
	return Pairs{{"digestID", id}, {"random", random}, {"elementIdentifier", name}, {"elementValue", value}}
}

// COSEKey is a key on P-256 as a COSE_Key.
func COSEKey(key *ecdsa.PublicKey) Pairs {
	point := Must(key.Bytes())
	return Pairs{{1, 2}, {-1, 1}, {-2, point[1:33]}, {-3, point[33:]}}
}

// Signed is what the signature of a COSE_Sign1 is over.
func Signed(protected, payload []byte) []byte {
	return CBOR([]any{"Signature1", protected, []byte{}, payload})
}

// Sign1 is a COSE_Sign1 by ES256 over a payload, which it holds or not. spoil may
// be nil; it changes the signature.
func Sign1(key crypto.Signer, protected, unprotected Pairs, payload []byte, held any, spoil func([]byte) []byte) Encoded {
	header := CBOR(protected)
	signature := SignRaw(key, Signed(header, payload))
	if spoil != nil {
		signature = spoil(signature)
	}
	return CBOR([]any{header, unprotected, held, signature})
}
