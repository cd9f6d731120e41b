package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/tegata-id/tegata/internal/app"
)

// ballast is memory that is never touched, and so never there, but counts as live:
// without it a process that holds little collects its garbage again after every
// few megabytes. The garbage may grow by about as much.
const ballast = 64 << 20

func runServe(ctx context.Context, args []string) int {
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	path := flags.String("config", "", "configuration file")
	if flags.Parse(args) != nil || flags.NArg() > 0 {
		return 2
	}
	if *path == "" {
		fmt.Fprintln(os.Stderr, "tegata serve: -config FILE is needed")
		return 2
	}
	reload := make(chan os.Signal, 1)
	signal.Notify(reload, syscall.SIGHUP)
	defer signal.Stop(reload)
	weight := make([]byte, ballast)
	defer runtime.KeepAlive(weight)
	if err := app.Serve(ctx, *path, os.Stderr, reload); err != nil {
		fmt.Fprintln(os.Stderr, "tegata serve:", err)
		return 1
	}
	return 0
}
