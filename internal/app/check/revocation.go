package check

import (
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/internal/app/report"
)

// mostRecheck is how long issuers may go without looking at the status of wallets
// (EUDI technical specification 3 section 2.4.3).
const mostRecheck = 24 * time.Hour

// checkRevocation looks at where the revocation of JPKI certificates is looked
// up.
func (k *checker) checkRevocation(t config.Tenant) {
	c := t.Issuer.JPKI
	where := t.Name() + ".jpki."
	if strings.HasPrefix(c.OCSPURL, "http://") {
		k.Add(report.Finding{
			Level: report.Warning, Where: where + "ocsp_url", File: t.File,
			What: "requests name citizens' certificates, and http lets everybody between here and the responder read them",
			Fix:  "use https, or keep it to a network of your own",
		})
	}
	if c.RecheckInterval > config.Duration(mostRecheck) {
		k.Add(report.Finding{
			Level: report.Warning, Where: where + "recheck_interval", File: t.File,
			What: "what was given to a wallet that its provider revokes stands for longer than a day",
			Fix:  "24h or less, as technical specification 3 of the European framework has it",
		})
	}
	if c.OperatorToken != "" {
		k.secret(where+"operator_token_file", c.OperatorToken, config.LoadSecret)
	}
	if c.CRLFolder == "" {
		return
	}
	found := false
	err := fs.WalkDir(os.DirFS(c.CRLFolder), ".", func(path string, _ fs.DirEntry, err error) error {
		if found = found || strings.HasSuffix(path, ".crl"); found {
			return fs.SkipAll
		}
		return err
	})
	switch {
	case err != nil:
		k.failed(where+"crl_folder", err, c.CRLFolder)
	case !found:
		k.add(where+"crl_folder", t.File, "have the lists fetched before the start: nothing is issued without them", "there is no revocation list in the folder")
	default:
		k.OK(where+"crl_folder", "has revocation lists")
	}
}
