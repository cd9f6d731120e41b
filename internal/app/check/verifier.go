package check

import (
	"crypto/x509"
	"fmt"
	"net/url"
	"os"
	"slices"

	"github.com/tegata-id/tegata/credentials/openid4vp"
	"github.com/tegata-id/tegata/internal/app/config"
)

// clientName demands of a certificate for requests what the client identifier
// of the verifier says of it.
func (k *checker) clientName(t config.Tenant, where, file string, leaf *x509.Certificate) {
	u, err := url.Parse(t.Origin)
	if t.Verifier == nil || err != nil || openid4vp.Prefix(t.Verifier.Request.Prefix) != openid4vp.X509SanDNS {
		return
	}
	if !slices.Contains(leaf.DNSNames, u.Hostname()) {
		k.add(where, file, "have the CA issue a certificate with "+u.Hostname()+" as dNSName, or use x509_hash", "x509_san_dns needs a certificate for the host of "+t.Origin)
	}
}

// statements reads what is sent along with requests.
func (k *checker) statements(t config.Tenant) {
	for i, info := range t.Verifier.Request.VerifierInfo {
		where := fmt.Sprintf("%s.request.verifier_info[%d]", t.Name(), i)
		if text, err := os.ReadFile(info.File); err != nil {
			k.failed(where, err, info.File)
		} else if len(text) == 0 {
			k.add(where, info.File, "write the statement into the file", "the file is empty")
		}
	}
}
