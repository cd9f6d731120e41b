package check

import (
	"crypto/x509"
	"fmt"
	"maps"
	"net/url"
	"os"
	"slices"

	"github.com/tegata-id/tegata/credentials/openid4vp"
	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/internal/app/report"
	"github.com/tegata-id/tegata/internal/fetch"
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

// webhooks finds addresses of relying parties that the guard of outbound requests
// would refuse.
func (k *checker) webhooks(t config.Tenant) {
	all := t.Verifier.Webhooks()
	if len(all) == 0 {
		return
	}
	where := t.Name() + ".relying_parties"
	client, err := fetch.New(fetch.Options{
		Purpose: "webhooks", AllowLoopback: k.cfg.Outbound.AllowLoopback, AllowedHosts: t.Verifier.PrivateHosts(), Now: k.opt.Now,
	})
	if err != nil {
		return // reported where the addresses are
	}
	before := k.Count(report.Fault)
	for _, party := range slices.Sorted(maps.Keys(all)) {
		u, err := url.Parse(all[party].URL)
		if err != nil || u.Scheme != "https" {
			continue // reported already
		}
		if err := client.Allows(all[party].URL); err != nil {
			k.add(where+"."+party+".webhook.url", t.File,
				"use a public name and port 443; for a receiver in a network of your own set private_network", "nothing may be sent there: "+err.Error())
		}
	}
	if k.Count(report.Fault) == before {
		k.OK(where, "%d webhooks", len(all))
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
