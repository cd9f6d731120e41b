package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/tegata-id/tegata/internal/app/walletapp"
)

const walletUsage = `usage:
  tegata wallet receive --config FILE LINK   take a credential offer (--qr IMAGE in place of the link)
  tegata wallet receive --config FILE --issuer URL [--configuration ID]
                                             ask an issuer without an offer
  tegata wallet present --config FILE LINK   answer a presentation request (likewise)
  tegata wallet list    --config FILE        what the wallet holds
  tegata wallet show    --config FILE ID     the claims of one credential
  tegata wallet renew   --config FILE ID     replace a credential by new copies, where its issuer lets the wallet
  tegata wallet check   --config FILE        look up what was revoked, and renew what is due
  tegata wallet forget  --config FILE ID     delete a credential with its keys
  tegata wallet log     --config FILE        what was done, with whom (--delete deletes it)
  tegata wallet serve   --config FILE        the wallet's pages, on this machine
  tegata wallet export  --config FILE        credentials and log without keys, to standard output
  tegata wallet import  --config FILE        an export from standard input
`

// runWallet is a wallet for one person, for mode test.
func runWallet(ctx context.Context, args []string) int {
	if len(args) == 0 {
		fmt.Fprint(os.Stderr, walletUsage)
		return 2
	}
	flags := flag.NewFlagSet("wallet "+args[0], flag.ContinueOnError)
	file := flags.String("config", "", "configuration file of the wallet")
	image := flags.String("qr", "", "PNG or JPEG with a QR code in place of the link (receive, present)")
	issuer := flags.String("issuer", "", "credential issuer to ask without an offer (receive)")
	configuration := flags.String("configuration", "", "which of its credentials (receive with --issuer)")
	remove := flags.Bool("delete", false, "delete the log (log)")
	if flags.Parse(args[1:]) != nil {
		return 2
	}
	argument := flags.Arg(0)
	if *image != "" {
		link, err := walletapp.ReadQR(*image)
		if err != nil {
			fmt.Fprintln(os.Stderr, "tegata wallet:", err)
			return 1
		}
		argument = link
	}
	run, wantsArgument := walletCommand(args[0], argument, *remove)
	if args[0] == "receive" && *issuer != "" {
		run, wantsArgument = askIssuer(*issuer, *configuration), false
	}
	if run == nil || *file == "" || flags.NArg() > 1 || wantsArgument != (argument != "") {
		fmt.Fprint(os.Stderr, walletUsage)
		return 2
	}
	if err := withWallet(*file, func(c *walletapp.Console) error { return run(ctx, c) }); err != nil {
		fmt.Fprintln(os.Stderr, "tegata wallet:", err)
		return 1
	}
	return 0
}

func askIssuer(issuer, configuration string) func(context.Context, *walletapp.Console) error {
	return func(ctx context.Context, c *walletapp.Console) error {
		if configuration == "" {
			return c.Ask(ctx, issuer)
		}
		return c.Ask(ctx, issuer, configuration)
	}
}

func walletCommand(name, argument string, remove bool) (run func(context.Context, *walletapp.Console) error, wantsArgument bool) {
	switch name {
	case "receive":
		return func(ctx context.Context, c *walletapp.Console) error { return c.Receive(ctx, argument) }, true
	case "present":
		return func(ctx context.Context, c *walletapp.Console) error { return c.Present(ctx, argument) }, true
	case "show":
		return func(ctx context.Context, c *walletapp.Console) error { return c.Show(ctx, argument) }, true
	case "renew":
		return func(ctx context.Context, c *walletapp.Console) error { return c.App.Renew(ctx, argument) }, true
	case "forget":
		return func(ctx context.Context, c *walletapp.Console) error { return c.App.Forget(ctx, argument) }, true
	case "check":
		return func(ctx context.Context, c *walletapp.Console) error { return c.Check(ctx) }, false
	case "list":
		return func(ctx context.Context, c *walletapp.Console) error { return c.List(ctx) }, false
	case "log":
		return func(ctx context.Context, c *walletapp.Console) error {
			if remove {
				return c.App.Vault.DeleteLog(ctx)
			}
			return c.Log(ctx)
		}, false
	case "serve":
		return serveWallet, false
	case "export":
		return func(ctx context.Context, c *walletapp.Console) error { return c.App.Vault.Export(ctx, c.Out) }, false
	case "import":
		return func(ctx context.Context, c *walletapp.Console) error { return c.App.Vault.Import(ctx, c.In) }, false
	}
	return nil, false
}

func withWallet(file string, use func(*walletapp.Console) error) (err error) {
	c, err := walletapp.Load(file)
	if err != nil {
		return err
	}
	app, err := walletapp.Open(c, time.Now)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, app.Close()) }()
	return use(&walletapp.Console{App: app, Config: c, Out: os.Stdout, In: bufio.NewReader(os.Stdin)})
}

func serveWallet(ctx context.Context, c *walletapp.Console) error {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	if c.Config.Web != nil {
		fmt.Println(c.Config.Web.Origin + "/")
	}
	return walletapp.Serve(ctx, c.App, c.Config.Web, log)
}
