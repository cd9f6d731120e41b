// Package bettertls holds certificate path building and name constraints
// against the test suites of Netflix/bettertls. It is a module of its own,
// since nobody else should download them; scripts/test.sh runs it.
// known_failures.txt names the cases on which this code disagrees, and why.
package bettertls
