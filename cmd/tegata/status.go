package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/internal/app/report"
	"github.com/tegata-id/tegata/internal/app/statusadmin"
)

// runStatus runs the commands for status lists.
func runStatus(ctx context.Context, args []string) int {
	commands := map[string]func(context.Context, string, statusadmin.Options) *report.Report{
		"verify": statusadmin.Verify, "publish": statusadmin.Publish, "retire": statusadmin.Retire,
	}
	if len(args) == 0 || commands[args[0]] == nil {
		fmt.Fprintln(os.Stderr, "tegata status: the commands are tegata status verify, publish and retire, each with --config FILE")
		return 2
	}
	name := "status " + args[0]
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	path := flags.String("config", "", "configuration of the deployment")
	asJSON := flags.Bool("json", false, "print the findings as JSON")
	var roots string
	if args[0] == "verify" {
		flags.StringVar(&roots, "roots", "", "PEM file with roots to trust for TLS beside the system's")
	}
	if flags.Parse(args[1:]) != nil || flags.NArg() > 0 {
		return 2
	}
	if *path == "" {
		fmt.Fprintf(os.Stderr, "tegata %s: --config FILE is needed\n", name)
		return 2
	}
	options := statusadmin.Options{Now: time.Now}
	if roots != "" {
		var err error
		if options.Roots, err = config.LoadCertificates("certificates", roots); err != nil {
			fmt.Fprintf(os.Stderr, "tegata %s: --roots: %s\n", name, err)
			return 2
		}
	}
	return printReport(commands[args[0]](ctx, *path, options), *asJSON)
}
