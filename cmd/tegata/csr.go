package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/tegata-id/tegata/internal/app/ca"
)

func runCSR(args []string) int {
	flags := flag.NewFlagSet("csr", flag.ContinueOnError)
	path := flags.String("config", "", "configuration file")
	key := flags.String("key", "", "the key, such as issuer.keys.sd_jwt or issuer.tls")
	generate := flags.Bool("generate", false, "make the key file first if it does not exist")
	var s ca.Subject
	flags.StringVar(&s.Country, "country", "JP", "country, two upper-case letters")
	flags.StringVar(&s.Organization, "organization", "", "organization (default: name_ja of the role)")
	flags.StringVar(&s.OrganizationIdentifier, "organization-id", "", "corporate number (13 digits), or NTRJP-… or LEIXG-…")
	flags.StringVar(&s.Name, "name", "", "common name (default: organization and use)")
	if flags.Parse(args) != nil || flags.NArg() > 0 {
		return 2
	}
	if *path == "" || *key == "" {
		fmt.Fprintln(os.Stderr, "tegata csr: --config FILE and --key NAME are needed")
		return 2
	}
	request, err := ca.Request(*path, *key, s, *generate)
	if err != nil {
		fmt.Fprintln(os.Stderr, "tegata csr:", err)
		return 1
	}
	if _, err := os.Stdout.Write(request); err != nil {
		fmt.Fprintln(os.Stderr, "tegata csr:", err)
		return 1
	}
	return 0
}
