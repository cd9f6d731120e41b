package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/tegata-id/tegata/internal/app/check"
	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/internal/app/doctor"
)

func runDoctor(ctx context.Context, args []string) int {
	flags := flag.NewFlagSet("doctor", flag.ContinueOnError)
	path := flags.String("config", "", "configuration of the deployment")
	var target doctor.Target
	flags.Func("issuer", "identifier of a credential issuer", add(&target.Issuers))
	flags.Func("verifier", "base URL of a verifier", add(&target.Verifiers))
	flags.Func("provider", "base URL of a wallet provider", add(&target.Providers))
	roots := flags.String("roots", "", "PEM file with roots to trust for TLS beside the system's")
	verifierAnchors := flags.String("verifier-anchors", "", "PEM file with the anchors that wallets have for verifiers")
	issuerAnchors := flags.String("issuer-anchors", "", "PEM file with the anchors that verifiers have for the issuer")
	flags.Func("status-list", "URL of a published status list", add(&target.StatusLists))
	expiry := flags.Duration("expiry", check.DefaultExpiry, "how long before its end a certificate is warned about")
	asJSON := flags.Bool("json", false, "print the findings as JSON")
	if flags.Parse(args) != nil || flags.NArg() > 0 {
		return 2
	}
	if *path == "" && len(target.Issuers)+len(target.Verifiers)+len(target.Providers)+len(target.StatusLists) == 0 {
		fmt.Fprintln(os.Stderr, "tegata doctor: --config FILE, or --issuer, --verifier or --provider with a URL, is needed")
		return 2
	}
	if err := readAnchors(&target, *roots, *verifierAnchors, *issuerAnchors); err != nil {
		fmt.Fprintln(os.Stderr, "tegata doctor:", err)
		return 2
	}
	return printReport(doctor.Deployment(ctx, *path, target, check.Options{Now: time.Now, Expiry: *expiry}), *asJSON)
}

// add returns the function of a flag that may be given more than once.
func add(to *[]string) func(string) error {
	return func(value string) error {
		*to = append(*to, value)
		return nil
	}
}

// readAnchors reads the files that were given.
func readAnchors(target *doctor.Target, roots, verifier, issuer string) (err error) {
	if roots != "" {
		if target.Roots, err = config.LoadCertificates("certificates", roots); err != nil {
			return fmt.Errorf("--roots: %w", err)
		}
	}
	if verifier != "" {
		if target.VerifierAnchors, err = doctor.Anchors(verifier); err != nil {
			return fmt.Errorf("--verifier-anchors: %w", err)
		}
	}
	if issuer != "" {
		if target.IssuerAnchors, err = doctor.Anchors(issuer); err != nil {
			return fmt.Errorf("--issuer-anchors: %w", err)
		}
	}
	return nil
}
