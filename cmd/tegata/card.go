package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/tegata-id/tegata/internal/app/card"
	"github.com/tegata-id/tegata/internal/app/config"
)

const cardUsage = `usage:
  tegata card issue --issuer URL --person NAME --card FILE   get the soft card of a test person from an issuer in mode test
  tegata card sign --card FILE LINK                          sign what a login page asks for; the PIN is read from standard input
  tegata card sign --authentication --card FILE LINK         link the authentication certificate too, or come back with it alone
  tegata card status --card FILE                             how often each PIN may still be wrong
`

// runCard plays the signer app.
func runCard(ctx context.Context, args []string) int {
	if len(args) == 0 {
		fmt.Fprint(os.Stderr, cardUsage)
		return 2
	}
	flags := flag.NewFlagSet("card "+args[0], flag.ContinueOnError)
	file := flags.String("card", "", "file of the soft card")
	roots := flags.String("roots", "", "PEM file with roots to trust for TLS beside the system's")
	issuer := flags.String("issuer", "", "identifier of the credential issuer (issue)")
	person := flags.String("person", "hanako", "test person (issue)")
	signedData := flags.Bool("signed-data", false, "answer with a CMS SignedData (sign)")
	authentication := flags.Bool("authentication", false, "sign with the authentication certificate too, or alone where it was linked before (sign)")
	if flags.Parse(args[1:]) != nil {
		return 2
	}
	if *file == "" {
		fmt.Fprintln(os.Stderr, "tegata card: --card FILE is needed")
		return 2
	}
	signer := card.App{Now: time.Now}
	var err error
	if *roots != "" {
		if signer.Roots, err = config.LoadCertificates("--roots", *roots); err != nil {
			fmt.Fprintln(os.Stderr, "tegata card:", err)
			return 2
		}
	}
	switch {
	case args[0] == "issue" && *issuer != "" && flags.NArg() == 0:
		err = signer.Issue(ctx, *issuer, *person, *file)
	case args[0] == "sign" && flags.NArg() == 1:
		err = signCard(ctx, signer, *file, flags.Arg(0), *signedData, *authentication)
	case args[0] == "status" && flags.NArg() == 0:
		err = printTries(*file)
	default:
		fmt.Fprint(os.Stderr, cardUsage)
		return 2
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "tegata card:", err)
		return 1
	}
	return 0
}

// signCard shows the text before it asks for a PIN, as an app must.
func signCard(ctx context.Context, signer card.App, file, link string, signedData, authentication bool) error {
	request, err := signer.Open(ctx, link)
	if err != nil {
		return err
	}
	if authentication && request.Authentication == "" {
		return errors.New("the authentication certificate is of no use for this")
	}
	fmt.Fprintf(os.Stderr, "%s asks for a signature over:\n\n%s\n", request.Issuer, request.Text)
	in := bufio.NewReader(os.Stdin)
	var pins card.PINs
	if !authentication || request.Authentication == "link" {
		if pins.Signature, err = askPIN(in, "PIN"); err != nil {
			return err
		}
	}
	if authentication {
		if pins.Authentication, err = askPIN(in, "PIN for authentication"); err != nil {
			return err
		}
	}
	result, err := request.SignWith(ctx, file, pins, signedData)
	if err != nil {
		return err
	}
	if result.Code != "" {
		fmt.Fprintln(os.Stderr, "Type this code into the browser in which you began. Tell nobody.")
		fmt.Println(result.Code)
		return nil
	}
	fmt.Fprintln(os.Stderr, "Open this in the browser in which you began, on this device.")
	fmt.Println(result.ReturnURI)
	return nil
}

func askPIN(in *bufio.Reader, name string) (string, error) {
	fmt.Fprintf(os.Stderr, "%s: ", name)
	pin, err := in.ReadString('\n')
	if pin = strings.TrimRight(pin, "\r\n"); pin == "" {
		return "", errors.Join(errors.New("no PIN"), err)
	}
	return pin, nil
}

func printTries(file string) error {
	sign, authenticate, err := card.TriesLeft(file)
	if err != nil {
		return err
	}
	fmt.Printf("signature PIN: %d tries left\nauthentication PIN: %d tries left\n", sign, authenticate)
	return nil
}
