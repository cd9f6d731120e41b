// Package bench measures what the server costs: the processor time of a child
// process that runs the product's binary, per credential or presentation, as a multiple of the
// bare cryptography that the request needs. make bench prints the tables. There
// is nothing in the package but tests.
package bench
