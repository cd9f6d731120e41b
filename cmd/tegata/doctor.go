package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/tegata-id/tegata/internal/app"
	"github.com/tegata-id/tegata/internal/app/doctor"
)

func runDoctor(ctx context.Context, args []string) int {
	flags := flag.NewFlagSet("doctor", flag.ContinueOnError)
	path := flags.String("config", "", "configuration of the deployment")
	var target doctor.Target
	flags.StringVar(&target.Issuer, "issuer", "", "identifier of a credential issuer")
	flags.StringVar(&target.Verifier, "verifier", "", "origin of a verifier")
	flags.StringVar(&target.Provider, "provider", "", "origin of a wallet provider")
	roots := flags.String("roots", "", "PEM file with roots to trust for TLS beside the system's")
	verifierAnchors := flags.String("verifier-anchors", "", "PEM file with the anchors that wallets have for verifiers")
	issuerAnchors := flags.String("issuer-anchors", "", "PEM file with the anchors that verifiers have for the issuer")
	flags.Func("status-list", "URL of a published status list; may be given more than once", func(url string) error {
		target.StatusLists = append(target.StatusLists, url)
		return nil
	})
	expiry := flags.Duration("expiry", app.DefaultExpiry, "how long before its end a certificate is warned about")
	asJSON := flags.Bool("json", false, "print the findings as JSON")
	if flags.Parse(args) != nil || flags.NArg() > 0 {
		return 2
	}
	if *path == "" && target.Issuer == "" && target.Verifier == "" && target.Provider == "" && len(target.StatusLists) == 0 {
		fmt.Fprintln(os.Stderr, "tegata doctor: --config FILE, or --issuer, --verifier or --provider with a URL, is needed")
		return 2
	}
	if err := readAnchors(&target, *roots, *verifierAnchors, *issuerAnchors); err != nil {
		fmt.Fprintln(os.Stderr, "tegata doctor:", err)
		return 2
	}
	return printReport(app.Doctor(ctx, *path, target, app.CheckOptions{Now: time.Now, Expiry: *expiry}), *asJSON)
}

// readAnchors reads the files that were given.
func readAnchors(target *doctor.Target, roots, verifier, issuer string) (err error) {
	if roots != "" {
		if target.Roots, err = app.LoadCertificates(roots); err != nil {
			return fmt.Errorf("--roots: %w", err)
		}
	}
	if verifier != "" {
		if target.VerifierAnchors, err = app.TrustAnchors(verifier); err != nil {
			return fmt.Errorf("--verifier-anchors: %w", err)
		}
	}
	if issuer != "" {
		if target.IssuerAnchors, err = app.TrustAnchors(issuer); err != nil {
			return fmt.Errorf("--issuer-anchors: %w", err)
		}
	}
	return nil
}
