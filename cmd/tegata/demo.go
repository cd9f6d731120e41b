package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"github.com/tegata-id/tegata/internal/app/demo"
)

func runDemo(ctx context.Context, args []string) int {
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	keep := flags.Bool("keep", false, "leave everything running afterwards and print the URLs to open")
	asJSON := flags.Bool("json", false, "print each step as a line of JSON")
	if flags.Parse(args) != nil || flags.NArg() > 0 {
		return 2
	}
	if err := demo.Run(ctx, os.Stdout, demo.Options{Keep: *keep, JSON: *asJSON}); err != nil {
		fmt.Fprintln(os.Stderr, "tegata demo:", err)
		return 1
	}
	return 0
}
