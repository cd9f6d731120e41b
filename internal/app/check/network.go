package check

import (
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strings"

	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/internal/app/report"
	"github.com/tegata-id/tegata/internal/fetch"
)

// checkListeners looks at the addresses that the process would listen on.
func (k *checker) checkListeners() {
	for _, t := range k.cfg.Tenants() {
		address := t.Listen
		if t.TLS == nil && len(k.cfg.TrustedProxies) == 0 && !k.cfg.RateLimit.Off {
			k.Add(report.Finding{
				Level: report.Warning, Where: t.Name() + ".tls", File: t.File,
				What: "a proxy ends TLS, and trusted_proxies does not name it: clients can't be told apart, and none is limited",
				Fix:  "name the networks of the proxies in trusted_proxies, or have the proxy limit clients and set rate_limit.off",
			})
		}
		if _, _, err := net.SplitHostPort(address); address != "" && err != nil {
			k.add(t.Name()+".listen", t.File, "write host:port, for example 0.0.0.0:8443", err.Error())
		}
		if address, _ := t.MutualTLS(); address != "" {
			if _, _, err := net.SplitHostPort(address); err != nil {
				k.add(t.Name()+".mutual_tls.listen", t.File, "write host:port, for example 0.0.0.0:8446", err.Error())
			}
		}
	}
	if k.cfg.Admin == "" {
		return
	}
	host, _, err := net.SplitHostPort(k.cfg.Admin)
	if err != nil {
		k.add("admin_listen", k.file, "write host:port, for example 127.0.0.1:9090", err.Error())
		return
	}
	if addr, err := netip.ParseAddr(host); host == "" || err == nil && addr.IsUnspecified() {
		k.Add(report.Finding{
			Level: report.Warning, Where: "admin_listen", File: k.file,
			What: "health, metrics and profiles are served without authentication on every address of the machine",
			Fix:  "bind it to an address that only operators reach, for example 127.0.0.1:9090",
		})
	}
}

// checkOutbound finds what the guard of outbound requests would refuse although
// the configuration depends on it: the status lists of one role that another
// role of the same file reads.
func (k *checker) checkOutbound() {
	client, err := fetch.New(fetch.Options{Purpose: "check", AllowLoopback: k.cfg.Outbound.AllowLoopback, Now: k.opt.Now})
	if err != nil {
		k.add("outbound.allow_loopback", k.file, "write host:port, for example 127.0.0.1:8443", err.Error())
		return
	}
	reads := func(who, whose, origin string) {
		u, err := url.Parse(origin)
		if err != nil || u.Host == "" {
			return
		}
		if err := client.Allows(origin); errors.Is(err, fetch.ErrBlocked) {
			k.add("outbound.allow_loopback", k.file, fixBlocked(u),
				"the "+who+" may not read the status lists under "+origin+", the origin of the "+whose+": "+err.Error())
			return
		}
		k.OK("outbound", "the %s may read the status lists of the %s", who, whose)
	}
	// Thousands of tenants may share an origin, which is looked at once.
	present, seen := map[string]bool{}, map[string]bool{}
	tenants := k.cfg.Tenants()
	for _, t := range tenants {
		present[t.Role] = true
	}
	for _, read := range tenants {
		reader, ok := readers[read.Role]
		if !ok || !present[reader] || seen[read.Origin] {
			continue
		}
		seen[read.Origin] = true
		reads(reader, strings.ReplaceAll(read.Role, "_", " "), read.Origin)
	}
}

// readers has the role that reads the status lists of a role.
var readers = map[string]string{
	config.RoleIssuer:   config.RoleVerifier,
	config.RoleProvider: config.RoleIssuer,
}

// fixBlocked says what to change so that an address may be read.
func fixBlocked(u *url.URL) string {
	host, port := u.Hostname(), u.Port()
	if port == "" {
		port = "443"
	}
	addr, err := netip.ParseAddr(host)
	if host == "localhost" || err == nil && addr.IsLoopback() {
		return "in mode test, add the line '- " + net.JoinHostPort(host, port) + "' under outbound.allow_loopback"
	}
	return "give the origin a public name and port 443; other addresses are not read on the word of a message"
}
