//go:build race

package e2e_test

// Ten times slower, so fewer; races in memory need no numbers to be seen.
const (
	rounds  = 1
	objects = 8

	// The same for each fault on each database.
	faultObjects = 4
	faultRacers  = 16
)
