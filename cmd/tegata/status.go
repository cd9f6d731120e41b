package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/internal/app/statusverify"
)

// runStatus has one command of its own: verify.
func runStatus(ctx context.Context, args []string) int {
	if len(args) == 0 || args[0] != "verify" {
		fmt.Fprintln(os.Stderr, "tegata status: the command is tegata status verify --config FILE")
		return 2
	}
	flags := flag.NewFlagSet("status verify", flag.ContinueOnError)
	path := flags.String("config", "", "configuration of the deployment")
	roots := flags.String("roots", "", "PEM file with roots to trust for TLS beside the system's")
	asJSON := flags.Bool("json", false, "print the findings as JSON")
	if flags.Parse(args[1:]) != nil || flags.NArg() > 0 {
		return 2
	}
	if *path == "" {
		fmt.Fprintln(os.Stderr, "tegata status verify: --config FILE is needed")
		return 2
	}
	options := statusverify.Options{Now: time.Now}
	if *roots != "" {
		var err error
		if options.Roots, err = config.LoadCertificates("certificates", *roots); err != nil {
			fmt.Fprintln(os.Stderr, "tegata status verify: --roots:", err)
			return 2
		}
	}
	return printReport(statusverify.Run(ctx, *path, options), *asJSON)
}
