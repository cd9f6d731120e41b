package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/trust/jpki"
	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/internal/app/explain"
)

func runExplain(ctx context.Context, args []string) int {
	flags := flag.NewFlagSet("explain", flag.ContinueOnError)
	path := flags.String("config", "", "configuration whose anchors are trusted")
	var anchors []string
	flags.Func("anchors", "PEM file with certificates to trust; may be given more than once", add(&anchors))
	test := flags.Bool("test", false, "let test hierarchies of JPKI count")
	online := flags.Bool("online", false, "fetch the status list that a credential names")
	asJSON := flags.Bool("json", false, "print the findings as JSON")
	binding := credentials.Binding{Mode: credentials.BindingRedirect}
	flags.StringVar(&binding.Nonce, "nonce", "", "nonce that a presentation was asked for with")
	flags.StringVar(&binding.ClientID, "client-id", "", "client identifier of the verifier, with its prefix")
	flags.StringVar(&binding.ResponseURI, "response-uri", "", "response_uri of the request (mdoc)")
	if flags.Parse(args) != nil || flags.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "tegata explain: one FILE is needed, or - for standard input")
		return 2
	}
	data, err := readInput(flags.Arg(0))
	if err != nil {
		fmt.Fprintln(os.Stderr, "tegata explain:", err)
		return 2
	}
	o := explain.Options{Now: time.Now, Binding: binding, Mode: jpki.Production}
	if err := trusted(&o, *path, anchors, *online); err != nil {
		fmt.Fprintln(os.Stderr, "tegata explain:", err)
		return 2
	}
	if *test {
		o.Mode = jpki.Test
	}
	return printReport(explain.Run(ctx, data, o), *asJSON)
}

// trusted fills in what is trusted.
func trusted(o *explain.Options, path string, files []string, online bool) error {
	for _, file := range files {
		anchors, err := config.LoadAnchors("--anchors", []config.Anchor{{File: file}})
		if err != nil {
			return err
		}
		o.Anchors = append(o.Anchors, anchors...)
	}
	if path == "" {
		return o.Trust(nil, online)
	}
	c, err := config.Load(path)
	if err != nil {
		return err
	}
	return o.Trust(c, online)
}

// readInput reads a file, or standard input, up to a size.
func readInput(name string) ([]byte, error) {
	const most = 64 << 20
	in := os.Stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, most+1))
	if err == nil && len(data) > most {
		err = errors.New("the file is too large")
	}
	return data, err
}
