//go:build !race

package e2e_test

// How many things of each kind TestAtMostOnce has used up, each by as many
// racers as there are in TestRaces: 200 in all.
const (
	rounds  = 4
	objects = 50

	// The same for each fault on each database: 200 in all.
	faultObjects = 25
	faultRacers  = racers
)
