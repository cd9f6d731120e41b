package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"github.com/tegata-id/tegata/internal/app"
)

func runMigrate(ctx context.Context, args []string) int {
	flags := flag.NewFlagSet("migrate", flag.ContinueOnError)
	path := flags.String("config", "", "configuration file")
	if flags.Parse(args) != nil || flags.NArg() > 0 {
		return 2
	}
	if *path == "" {
		fmt.Fprintln(os.Stderr, "tegata migrate: --config FILE is needed")
		return 2
	}
	version, err := app.Migrate(ctx, *path)
	if err != nil {
		fmt.Fprintln(os.Stderr, "tegata migrate:", err)
		return 1
	}
	fmt.Println("the schema has version", version)
	return 0
}
