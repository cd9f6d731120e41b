package trust

import (
	"context"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"net/url"
	"strings"
)

// CRLSource gets revocation lists. It need not check them. Its errors end up in
// logs, where the partition, which tells a citizen's municipality, must not be.
type CRLSource interface {
	// CRL returns the newest list, in DER, that issuer published for a
	// partition (see [Partitions]). For partitions with the prefix "uri:" the
	// rest is the address; where lists for directory names ("dn:") and for
	// undivided CAs ("") are to be found is the operator's to say. The caller
	// keeps the bytes. No more than [MaxCRLSize] of them need to be read.
	CRL(ctx context.Context, issuer *x509.Certificate, partition string) ([]byte, error)
}

// CRLSourceFunc is a function as a [CRLSource].
type CRLSourceFunc func(ctx context.Context, issuer *x509.Certificate, partition string) ([]byte, error)

// CRL implements [CRLSource].
func (f CRLSourceFunc) CRL(ctx context.Context, issuer *x509.Certificate, partition string) ([]byte, error) {
	return f(ctx, issuer, partition)
}

// CRLPath returns where a list lies below the address of a [CRLMirror] or, with
// ".crl" appended, in the folder of [CRLFiles]: the subjectKeyIdentifier of the
// CA in hexadecimal, a slash, and the partition with everything escaped that
// cannot stand in a segment of a URL. The undivided list of a CA is "all".
func CRLPath(issuer *x509.Certificate, partition string) string {
	if partition == "" {
		partition = "all"
	}
	return hex.EncodeToString(issuer.SubjectKeyId) + "/" + url.PathEscape(partition)
}

// Get fetches what is at an address. Its errors end up in logs, and must not
// have the address in them where it is of a [CRLMirror].
type Get func(ctx context.Context, address string) ([]byte, error)

// CRLMirror gets all lists from below one address, which has no slash at its
// end; see [CRLPath]. This is for lists of directory names, which have no
// address of their own.
func CRLMirror(base string, get Get) CRLSource {
	return CRLSourceFunc(func(ctx context.Context, issuer *x509.Certificate, partition string) ([]byte, error) {
		return get(ctx, base+"/"+CRLPath(issuer, partition))
	})
}

// CRLByURI gets lists from the address that certificates name as their
// distribution point, by http or https. The address is the word of the CA: get
// has to guard against addresses that lead inside.
func CRLByURI(get Get) CRLSource {
	return CRLSourceFunc(func(ctx context.Context, _ *x509.Certificate, partition string) ([]byte, error) {
		address, ok := strings.CutPrefix(partition, "uri:")
		if !ok {
			return nil, errors.New("the distribution point is no address")
		}
		u, err := url.Parse(address)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil {
			return nil, errors.New("the distribution point's address is not of http or https")
		}
		return get(ctx, address)
	})
}

// CRLFiles gets lists from files that somebody else keeps up to date; see
// [CRLPath] for their names. A file has to be replaced by renaming another to
// its name, lest half of it be read.
func CRLFiles(folder fs.FS) CRLSource {
	return CRLSourceFunc(func(_ context.Context, issuer *x509.Certificate, partition string) ([]byte, error) {
		// Errors of the folder have the name in them.
		file, err := folder.Open(CRLPath(issuer, partition) + ".crl")
		if errors.Is(err, fs.ErrNotExist) {
			return nil, errors.New("there is no file with the revocation list")
		}
		if err != nil {
			return nil, errors.New("the file with the revocation list cannot be opened")
		}
		defer func() { _ = file.Close() }() // it was only read
		raw, err := io.ReadAll(io.LimitReader(file, MaxCRLSize+1))
		if err != nil {
			return nil, errors.New("the file with the revocation list cannot be read")
		}
		return raw, nil
	})
}
