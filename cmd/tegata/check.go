package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/tegata-id/tegata/internal/app/check"
	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/internal/app/report"
)

func runCheck(ctx context.Context, args []string) int {
	flags := flag.NewFlagSet("check", flag.ContinueOnError)
	path := flags.String("config", "", "configuration file")
	anchors := flags.String("anchors", "", "PEM file with the anchors of our own signers that the configuration does not name")
	expiry := flags.Duration("expiry", check.DefaultExpiry, "how long before its end a certificate is warned about")
	asJSON := flags.Bool("json", false, "print the findings as JSON")
	if flags.Parse(args) != nil || flags.NArg() > 0 {
		return 2
	}
	if *path == "" {
		fmt.Fprintln(os.Stderr, "tegata check: --config FILE is needed")
		return 2
	}
	options := check.Options{Now: time.Now, Expiry: *expiry}
	if *anchors != "" {
		var err error
		if options.Anchors, err = config.LoadCertificates("certificates", *anchors); err != nil {
			fmt.Fprintln(os.Stderr, "tegata check: --anchors:", err)
			return 2
		}
	}
	return printReport(check.Run(ctx, *path, options), *asJSON)
}

// printReport prints what was found and returns the exit code.
func printReport(r *report.Report, asJSON bool) int {
	print := r.Print
	if asJSON {
		print = r.PrintJSON
	}
	if err := print(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "tegata:", err)
		return 1
	}
	return r.ExitCode()
}
