package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/tegata-id/tegata/internal/app/ca"
)

func runCA(args []string) int {
	if len(args) == 0 {
		fmt.Fprintln(os.Stderr, "tegata ca: init or issue is needed")
		return 2
	}
	var work func() error
	flags := flag.NewFlagSet("ca "+args[0], flag.ContinueOnError)
	dir := flags.String("dir", "", "folder of the authority")
	switch args[0] {
	case "init":
		work = caInit(flags, dir)
	case "issue":
		work = caIssue(flags, dir)
	default:
		fmt.Fprintf(os.Stderr, "tegata ca: unknown command %q\n", args[0])
		return 2
	}
	if flags.Parse(args[1:]) != nil || flags.NArg() > 0 {
		return 2
	}
	if *dir == "" {
		fmt.Fprintln(os.Stderr, "tegata ca: --dir DIR is needed")
		return 2
	}
	if err := work(); err != nil {
		fmt.Fprintln(os.Stderr, "tegata ca:", err)
		return 1
	}
	return 0
}

func caInit(flags *flag.FlagSet, dir *string) func() error {
	var o ca.Options
	kind := flags.String("kind", string(ca.Generic), "generic, or iaca for document signers of mdocs")
	flags.StringVar(&o.Name, "name", "", "common name")
	flags.StringVar(&o.Organization, "organization", "", "organization")
	flags.StringVar(&o.Country, "country", "JP", "country, two upper-case letters")
	flags.StringVar(&o.Contact, "contact", "", "URL where the authority is reached (needed for iaca)")
	flags.StringVar(&o.CRLURL, "crl-url", "", "URL of the revocation list (needed for iaca)")
	flags.IntVar(&o.Years, "years", 10, "validity in years, at most 20")
	return func() error {
		o.Kind = ca.Kind(*kind)
		now := time.Now()
		if err := ca.Init(*dir, o, now); err != nil {
			return err
		}
		authority, err := ca.Open(*dir, now)
		if err != nil {
			return err
		}
		return ca.Transcript(os.Stdout, "authority of kind "+*kind+" made in "+*dir, now, authority.Certificate)
	}
}

func caIssue(flags *flag.FlagSet, dir *string) func() error {
	use := flags.String("profile", "", "one of "+strings.Join(ca.Profiles(), ", "))
	request := flags.String("csr", "", "file with the certificate signing request")
	out := flags.String("out", "", "file to write the certificate to; it must not exist")
	days := flags.Int("days", 365, "validity in days")
	return func() error {
		if *use == "" || *request == "" || *out == "" {
			return fmt.Errorf("--profile, --csr and --out are needed")
		}
		now := time.Now()
		authority, err := ca.Open(*dir, now)
		if err != nil {
			return err
		}
		data, err := os.ReadFile(*request)
		if err != nil {
			return err
		}
		certificate, err := authority.Issue(data, *use, *days, now)
		if err != nil {
			return err
		}
		if err := ca.WriteCertificate(*out, certificate); err != nil {
			return err
		}
		return ca.Transcript(os.Stdout, "certificate of profile "+*use+" written to "+*out, now, certificate)
	}
}
