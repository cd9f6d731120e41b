package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/internal/app/registers"
)

const sourceUsage = `usage:
  tegata source simulate --dir DIR [--listen ADDRESS]   run a register with made-up people, and leave in the folder what its clients need
  tegata source check --url URL --roots FILE --certificate FILE --key FILE --person FILE
                                                        examine a register against the contract in openapi/source.yaml, with
                                                        somebody whom it knows: {"name", "address", "birth_date", "sex"}
`

// runSource is for those who run registers.
func runSource(ctx context.Context, args []string) int {
	if len(args) == 0 {
		fmt.Fprint(os.Stderr, sourceUsage)
		return 2
	}
	switch args[0] {
	case "simulate":
		return simulateRegister(ctx, args[1:])
	case "check":
		return checkRegister(ctx, args[1:])
	}
	fmt.Fprint(os.Stderr, sourceUsage)
	return 2
}

func simulateRegister(ctx context.Context, args []string) int {
	flags := flag.NewFlagSet("source simulate", flag.ContinueOnError)
	dir := flags.String("dir", "", "folder for the certificates")
	address := flags.String("listen", "127.0.0.1:8450", "address on this machine")
	if flags.Parse(args) != nil || flags.NArg() > 0 {
		return 2
	}
	if *dir == "" {
		fmt.Fprintln(os.Stderr, "tegata source simulate: --dir DIR is needed")
		return 2
	}
	s, err := registers.Simulate(*dir, *address, slog.New(slog.NewTextHandler(os.Stderr, nil)), time.Now)
	if err == nil {
		err = s.Describe(os.Stdout, *dir)
	}
	if err == nil {
		err = s.Run(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "tegata source simulate:", err)
		return 1
	}
	return 0
}

func checkRegister(ctx context.Context, args []string) int {
	flags := flag.NewFlagSet("source check", flag.ContinueOnError)
	address := flags.String("url", "", "address of the register")
	roots := flags.String("roots", "", "PEM file with the authority of the register's certificate")
	certificate := flags.String("certificate", "", "PEM file with the client certificate that the register admits")
	key := flags.String("key", "", "PEM file with its key")
	person := flags.String("person", "", "JSON file with somebody whom the register knows")
	maxAge := flags.Duration("max-age", registers.DefaultMaxAge, "how old what the register says may be")
	asJSON := flags.Bool("json", false, "print the findings as JSON")
	if flags.Parse(args) != nil || flags.NArg() > 0 {
		return 2
	}
	if *address == "" || *roots == "" || *certificate == "" || *key == "" || *person == "" {
		fmt.Fprint(os.Stderr, sourceUsage)
		return 2
	}
	target := registers.Target{URL: strings.TrimSuffix(*address, "/"), MaxAge: *maxAge, Now: time.Now}
	err := readTarget(&target, *roots, *certificate, *key, *person)
	if err != nil {
		fmt.Fprintln(os.Stderr, "tegata source check:", err)
		return 2
	}
	report, err := registers.Check(ctx, target)
	if err != nil {
		fmt.Fprintln(os.Stderr, "tegata source check:", err)
		return 1
	}
	return printReport(report, *asJSON)
}

func readTarget(t *registers.Target, roots, certificate, key, person string) (err error) {
	if t.Roots, err = config.LoadCertificates("--roots", roots); err != nil {
		return err
	}
	if t.Client, err = keys.LoadFile(key, certificate); err != nil {
		return fmt.Errorf("--key and --certificate: %w", err)
	}
	data, err := os.ReadFile(person)
	if err != nil {
		return fmt.Errorf("--person: %w", err)
	}
	if err := json.Unmarshal(data, &t.Person); err != nil {
		return fmt.Errorf("--person: %w", err)
	}
	return nil
}
