// Command tegata runs the issuer, the verifier and the wallet provider of
// Tegata, and shows what they do.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

const usage = `Tegata, a digital identity wallet backend.

usage:
  tegata demo [--json] [--keep]    show the main job on this machine, with a throwaway PKI
  tegata serve --config FILE     run the roles that the file configures
  tegata migrate --config FILE   bring the schema of the database up to date
  tegata check --config FILE     report every fault of a configuration without running it
  tegata doctor --config FILE    look at a running deployment as a wallet would, and say how to put it right
                                 (or --issuer, --verifier, --provider with a URL; --roots, --json, and more with -h)
  tegata status verify --config FILE
                                 compare the status lists that are published with the database, bit by bit
  tegata status publish --config FILE
                                 sign every status list anew, now: after a status key was lost or replaced
  tegata status retire --config FILE
                                 open new status lists for what is issued next: after a backup was restored
  tegata csr --config FILE --key NAME --organization-id NUMBER
                                 print a certificate signing request for a key, such as issuer.keys.sd_jwt;
                                 --generate makes the key file first (more with -h)
  tegata explain FILE            say of a certificate, credential, presentation or token why it is or is not trusted
                                 (--anchors FILE or --config FILE; --nonce, --client-id, --online, and more with -h)
  tegata ca init --dir DIR --name NAME, tegata ca issue --dir DIR --profile P --csr FILE --out FILE
                                 a certification authority for development and ceremonies (more with -h)
  tegata card issue|sign|status  a signer app with the soft card of a test person, for mode test (more with -h)
  tegata source simulate|check   for those who run registers: a register with made-up people, and an examination against
                                 the contract of registers (more with -h)
  tegata wallet receive|present|list|show|forget|log|export|import
                                 a wallet for one person on this machine, for mode test (more with -h)
  tegata help                     print this
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:]))
}

// run returns the exit code: 0 for success, 1 for failure, 2 for wrong usage.
func run(ctx context.Context, args []string) int {
	if len(args) == 0 {
		fmt.Fprint(os.Stderr, usage)
		return 2
	}
	switch args[0] {
	case "demo":
		return runDemo(ctx, args[1:])
	case "serve":
		return runServe(ctx, args[1:])
	case "migrate":
		return runMigrate(ctx, args[1:])
	case "check":
		return runCheck(ctx, args[1:])
	case "doctor":
		return runDoctor(ctx, args[1:])
	case "status":
		return runStatus(ctx, args[1:])
	case "csr":
		return runCSR(args[1:])
	case "card":
		return runCard(ctx, args[1:])
	case "source":
		return runSource(ctx, args[1:])
	case "wallet":
		return runWallet(ctx, args[1:])
	case "explain":
		return runExplain(ctx, args[1:])
	case "ca":
		return runCA(args[1:])
	case "help", "-h", "--help":
		fmt.Print(usage)
		return 0
	}
	fmt.Fprintf(os.Stderr, "tegata: unknown command %q\n\n%s", args[0], usage)
	return 2
}
