package sdjwt

import (
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"slices"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
)

// The hash algorithms for transaction data, by their names in the registry of
// named information, the one that everybody has first.
var transactionHashes = []struct {
	name string
	sum  func([]byte) []byte
}{
	{"sha-256", func(b []byte) []byte { s := sha256.Sum256(b); return s[:] }},
	{"sha-384", func(b []byte) []byte { s := sha512.Sum384(b); return s[:] }},
	{"sha-512", func(b []byte) []byte { s := sha512.Sum512(b); return s[:] }},
}

func hashNamed(name string) func([]byte) []byte {
	for _, h := range transactionHashes {
		if h.name == name {
			return h.sum
		}
	}
	return nil
}

// allows reports whether an element may be hashed with the algorithm.
func allows(d credentials.TransactionData, algorithm string) bool {
	if d.HashAlgorithms == nil {
		return algorithm == transactionHashes[0].name
	}
	return slices.Contains(d.HashAlgorithms, algorithm)
}

// hashTransactionData returns what a KB-JWT says of the elements (OpenID4VP 1.0
// appendix B.3.3.1). The name of the algorithm is empty where no element asks
// for it.
func hashTransactionData(data []credentials.TransactionData) (hashes []string, algorithm string, err error) {
	for _, h := range transactionHashes {
		if slices.ContainsFunc(data, func(d credentials.TransactionData) bool { return !allows(d, h.name) }) {
			continue
		}
		for _, d := range data {
			hashes = append(hashes, jose.EncodeBase64(h.sum([]byte(d.Encoded))))
			if d.HashAlgorithms != nil {
				algorithm = h.name
			}
		}
		return hashes, algorithm, nil
	}
	return nil, "", errors.New("no hash algorithm is allowed by all transaction data")
}

// checkTransactionData returns which of the elements the holder signed. Every
// hash must be that of one of them, in their order.
func checkTransactionData(claims credentials.Object, data []credentials.TransactionData) ([]string, error) {
	claim, said := claims["transaction_data_hashes"]
	algorithm, named := claims["transaction_data_hashes_alg"]
	if !said && !named {
		return nil, nil
	}
	name := credentials.Text(transactionHashes[0].name)
	if named {
		var ok bool
		if name, ok = algorithm.(credentials.Text); !ok {
			return nil, fail(ReasonTransactionData, "transaction_data_hashes_alg is not text")
		}
	}
	sum := hashNamed(string(name))
	hashes, ok := claim.(credentials.Array)
	if !ok || len(hashes) == 0 || sum == nil {
		return nil, fail(ReasonTransactionData, "transaction_data_hashes is no list of hashes of a known algorithm")
	}
	var authorized []string
	for _, hash := range hashes {
		at := slices.IndexFunc(data, func(d credentials.TransactionData) bool {
			return allows(d, string(name)) && (named || d.HashAlgorithms == nil) && equalText(hash, jose.EncodeBase64(sum([]byte(d.Encoded))))
		})
		if at < 0 {
			return nil, fail(ReasonTransactionData, "the holder signed transaction data that was not asked for, or in another order or way")
		}
		authorized = append(authorized, data[at].Encoded)
		data = data[at+1:]
	}
	return authorized, nil
}
