// Package app wires a process from its configuration: it is the one place
// where the roles meet the stores, the keys and the clock. The subcommands of
// cmd/tegata are thin covers of this package.
package app
