package trusttest

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"slices"
	"time"

	"github.com/tegata-id/tegata/credentials/trust"
)

// extension returns an edit that adds an extension, in place of the one that
// the standard library would write.
func extension(critical bool, value []byte, id ...int) edit {
	return func(c *x509.Certificate) {
		c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: id, Critical: critical, Value: value})
	}
}

// both applies several edits.
func both(edits ...edit) edit {
	return func(c *x509.Certificate) {
		for _, e := range edits {
			e(c)
		}
	}
}

// members are the certificates of a path, for faults that any can have.
var members = []struct {
	name string
	spec func(edit) pathSpec
}{
	{"leaf", func(e edit) pathSpec { return pathSpec{leaf: e} }},
	{"intermediate", func(e edit) pathSpec { return pathSpec{sub: e} }},
	{"root", func(e edit) pathSpec { return pathSpec{root: e} }},
}

func authorityFaults(time.Time) ([]pathFault, error) {
	notCA := func(c *x509.Certificate) { c.IsCA = false }
	noConstraints := func(c *x509.Certificate) { c.BasicConstraintsValid = false }
	noCertSign := func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCRLSign }
	onlyCertSign := func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCertSign }
	pathLength := func(n int) edit {
		return func(c *x509.Certificate) { c.MaxPathLen, c.MaxPathLenZero = n, n == 0 }
	}
	constraints := []byte{0x30, 3, 1, 1, 0xff}
	nameless := func(c *x509.Certificate) { c.Subject = pkix.Name{} }
	altName := []byte{0x30, 6, 0x82, 4, 'a', '.', 'b', 'c'}
	usage := func(u x509.KeyUsage) edit { return func(c *x509.Certificate) { c.KeyUsage = u } }
	return []pathFault{
		{name: "K01 intermediate says that it is no CA", reason: trust.ReasonPath, faulty: pathSpec{sub: notCA}},
		{name: "K01 intermediate without basic constraints", reason: trust.ReasonPath, faulty: pathSpec{sub: noConstraints}},
		{name: "K01 intermediate with basic constraints that are not critical", reason: trust.ReasonProfile,
			faulty: pathSpec{sub: extension(false, constraints, 2, 5, 29, 19)}, honest: pathSpec{sub: extension(true, constraints, 2, 5, 29, 19)}},
		{name: "K01 intermediate may not sign certificates", reason: trust.ReasonPath, faulty: pathSpec{sub: noCertSign}, honest: pathSpec{sub: onlyCertSign}},
		{name: "K01 intermediate without a name", reason: trust.ReasonProfile, faulty: pathSpec{sub: nameless}},
		{name: "K01 root without basic constraints", reason: trust.ReasonPath, faulty: pathSpec{root: noConstraints}},
		{name: "K01 root may not sign certificates", reason: trust.ReasonPath, faulty: pathSpec{root: noCertSign}, honest: pathSpec{root: onlyCertSign}},
		{name: "K01 path longer than the root allows", reason: trust.ReasonPath, faulty: pathSpec{root: pathLength(0)}, honest: pathSpec{root: pathLength(1)}},
		{name: "K01 leaf is a CA", reason: trust.ReasonProfile,
			faulty: pathSpec{leaf: func(c *x509.Certificate) { c.BasicConstraintsValid, c.IsCA = true, true }},
			honest: pathSpec{leaf: func(c *x509.Certificate) { c.BasicConstraintsValid = true }}},
		{name: "K01 leaf may sign certificates", reason: trust.ReasonProfile,
			faulty: pathSpec{leaf: usage(x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign)},
			honest: pathSpec{leaf: usage(x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment)}},
		{name: "K01 leaf may sign revocation lists", reason: trust.ReasonProfile,
			faulty: pathSpec{leaf: usage(x509.KeyUsageDigitalSignature | x509.KeyUsageCRLSign)}},
		{name: "K01 leaf without key usage", reason: trust.ReasonProfile, faulty: pathSpec{leaf: usage(0)}},
		{name: "K01 leaf names nobody", reason: trust.ReasonProfile,
			faulty: pathSpec{leaf: both(nameless, extension(false, altName, 2, 5, 29, 17))},
			honest: pathSpec{leaf: both(nameless, extension(true, altName, 2, 5, 29, 17))}},
	}, nil
}

func extensionFaults(time.Time) ([]pathFault, error) {
	unknown := func(critical bool) edit { return extension(critical, []byte{5, 0}, 1, 2, 3, 4) }
	var faults []pathFault
	for _, who := range members {
		faults = append(faults, pathFault{
			name: "K02 unknown critical extension in " + who.name, reason: trust.ReasonCriticalExtension,
			faulty: who.spec(unknown(true)), honest: who.spec(unknown(false)),
		})
	}
	// permittedSubtrees of one base.
	permit := func(base ...byte) []byte {
		n := byte(len(base))
		return append([]byte{0x30, n + 4, 0xa0, n + 2, 0x30, n}, base...)
	}
	dns := func(name string) []byte { return permit(append([]byte{0x82, byte(len(name))}, name...)...) }
	country := func(code string) []byte {
		return permit(append([]byte{0xa4, 15, 0x30, 13, 0x31, 11, 0x30, 9, 6, 3, 0x55, 4, 6, 0x13, 2}, code...)...)
	}
	limit := func(value []byte) edit { return extension(true, value, 2, 5, 29, 30) }
	named := func(c *x509.Certificate) { c.DNSNames = []string{"signer.test.invalid"} }
	inhibit := []byte{2, 1, 0}
	return append(faults, []pathFault{
		{name: "K02 host name outside of the name constraints", reason: trust.ReasonNames,
			faulty: pathSpec{sub: limit(dns("example.invalid")), leaf: named}, honest: pathSpec{sub: limit(dns("test.invalid")), leaf: named}},
		{name: "K02 directory name outside of the name constraints", reason: trust.ReasonNames,
			faulty: pathSpec{sub: limit(country("KE"))}, honest: pathSpec{sub: limit(country("JP"))}},
		{name: "K02 directory name outside of the name constraints of the root", reason: trust.ReasonNames,
			faulty: pathSpec{root: limit(country("KE"))}, honest: pathSpec{root: limit(country("jp"))}},
		{name: "K02 name constraints that are not critical", reason: trust.ReasonProfile,
			faulty: pathSpec{sub: extension(false, country("JP"), 2, 5, 29, 30)}, honest: pathSpec{sub: limit(country("JP"))}},
		{name: "K02 name constraints in a leaf", reason: trust.ReasonProfile, faulty: pathSpec{leaf: limit(country("JP"))}},
		{name: "K02 policy constraints that are not critical", reason: trust.ReasonProfile,
			faulty: pathSpec{sub: extension(false, inhibit, 2, 5, 29, 54)}, honest: pathSpec{sub: extension(true, inhibit, 2, 5, 29, 54)}},
	}...), nil
}

func usageFaults(time.Time) ([]pathFault, error) {
	usages := func(u ...x509.ExtKeyUsage) edit { return func(c *x509.Certificate) { c.ExtKeyUsage = u } }
	const code, email, server = x509.ExtKeyUsageCodeSigning, x509.ExtKeyUsageEmailProtection, x509.ExtKeyUsageServerAuth
	special := trust.ProfileSDJWTIssuer
	special.Name, special.ExtKeyUsage = "one-usage", []string{"1.3.6.1.5.5.7.3.3"}
	return []pathFault{
		{name: "K03 leaf for TLS servers", reason: trust.ReasonProfile, faulty: pathSpec{leaf: usages(server)}, honest: pathSpec{leaf: usages(code)}},
		{name: "K03 leaf for OCSP", reason: trust.ReasonProfile, faulty: pathSpec{leaf: usages(x509.ExtKeyUsageOCSPSigning)}, honest: pathSpec{leaf: usages(code)}},
		{name: "K03 leaf for anything", reason: trust.ReasonProfile, faulty: pathSpec{leaf: usages(x509.ExtKeyUsageAny)}, honest: pathSpec{leaf: usages(code)}},
		{name: "K03 empty extended key usage", reason: trust.ReasonProfile, faulty: pathSpec{leaf: extension(false, []byte{0x30, 0}, 2, 5, 29, 37)}},
		{name: "K03 demanded usage missing", profile: special, reason: trust.ReasonProfile, honest: pathSpec{leaf: usages(code)}},
		{name: "K03 another usage than demanded", profile: special, reason: trust.ReasonProfile, faulty: pathSpec{leaf: usages(email)}, honest: pathSpec{leaf: usages(code)}},
		{name: "K03 any usage where one is demanded", profile: special, reason: trust.ReasonProfile,
			faulty: pathSpec{leaf: usages(x509.ExtKeyUsageAny)}, honest: pathSpec{leaf: usages(code)}},
		{name: "K03 further usage beside that demanded", profile: special, reason: trust.ReasonProfile,
			faulty: pathSpec{leaf: usages(code, email)}, honest: pathSpec{leaf: usages(code)}},
		{name: "K03 intermediate for TLS servers only", reason: trust.ReasonProfile, faulty: pathSpec{sub: usages(server)}, honest: pathSpec{sub: usages(server, code)}},
		{name: "K03 intermediate lacks the usage of the leaf", reason: trust.ReasonProfile,
			faulty: pathSpec{sub: usages(email), leaf: usages(code)}, honest: pathSpec{sub: usages(email, code), leaf: usages(code)}},
	}, nil
}

// certificatePolicies adds policies below
// 1.2.392.200149.8.5.1.0, which no certificate in use has.
func certificatePolicies(numbers ...int) edit {
	return func(c *x509.Certificate) {
		for _, n := range numbers {
			oid, err := x509.OIDFromInts([]uint64{1, 2, 392, 200149, 8, 5, 1, 0, uint64(n)})
			if err != nil {
				panic("trusttest: constant policy: " + err.Error())
			}
			c.Policies = append(c.Policies, oid)
		}
	}
}

func policyFaults(time.Time) ([]pathFault, error) {
	gold, silver := certificatePolicies(101), certificatePolicies(102)
	demanding := trust.ProfileSDJWTIssuer
	demanding.Name, demanding.Policies = "one-policy", []string{"1.2.392.200149.8.5.1.0.101"}
	noMapping := demanding
	noMapping.Policies, noMapping.PathPolicies = nil, trust.PathPolicies{Accepted: demanding.Policies, Explicit: true, NoMapping: true}
	mapping := noMapping
	mapping.PathPolicies.NoMapping = false
	// One mapping from 1.2.392.200149.8.5.1.0.101 to …102.
	arc := []byte{6, 11, 0x2a, 0x83, 0x08, 0x8c, 0x9b, 0x55, 8, 5, 1, 0}
	pair := append(append(append(slices.Clone(arc), 101), arc...), 102)
	goldToSilver := extension(true, append([]byte{0x30, 28, 0x30, 26}, pair...), 2, 5, 29, 33)
	// requireExplicitPolicy 0
	explicit := extension(true, []byte{0x30, 3, 0x80, 1, 0}, 2, 5, 29, 36)
	return []pathFault{
		{name: "K04 leaf without the policy demanded", profile: demanding, reason: trust.ReasonPolicy,
			faulty: pathSpec{sub: gold}, honest: pathSpec{sub: gold, leaf: gold}},
		{name: "K04 leaf with another policy", profile: demanding, reason: trust.ReasonPolicy,
			faulty: pathSpec{sub: certificatePolicies(101, 102), leaf: silver}, honest: pathSpec{sub: certificatePolicies(101, 102), leaf: gold}},
		{name: "K04 policy that the intermediate was not given", profile: demanding, reason: trust.ReasonPolicy,
			faulty: pathSpec{sub: silver, leaf: gold}, honest: pathSpec{sub: gold, leaf: gold}},
		{name: "K04 no policy where the intermediate demands one", reason: trust.ReasonPolicy,
			faulty: pathSpec{sub: both(gold, explicit)}, honest: pathSpec{sub: both(gold, explicit), leaf: gold}},
		{name: "K04 policy mapped where that is not allowed", profile: noMapping, reason: trust.ReasonPolicy,
			faulty: pathSpec{sub: both(gold, goldToSilver), leaf: silver}, honest: pathSpec{sub: gold, leaf: gold}},
		{name: "K04 policy that was mapped away", profile: mapping, reason: trust.ReasonPolicy,
			faulty: pathSpec{sub: both(gold, goldToSilver), leaf: gold}, honest: pathSpec{sub: both(gold, goldToSilver), leaf: silver}},
	}, nil
}

func validityFaults(now time.Time) ([]pathFault, error) {
	var faults []pathFault
	until := func(t time.Time) edit { return func(c *x509.Certificate) { c.NotAfter = t } }
	from := func(t time.Time) edit { return func(c *x509.Certificate) { c.NotBefore = t } }
	for _, who := range members {
		faults = append(faults,
			pathFault{name: "K05 " + who.name + " expired a second ago", reason: trust.ReasonExpired,
				faulty: who.spec(until(now.Add(-time.Second))), honest: who.spec(until(now))},
			pathFault{name: "K05 " + who.name + " valid in a second", reason: trust.ReasonNotYetValid,
				faulty: who.spec(from(now.Add(time.Second))), honest: who.spec(from(now))})
	}
	return faults, nil
}
