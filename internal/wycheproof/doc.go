// Package wycheproof holds the signature, key and encryption code against the
// test vectors of C2SP/wycheproof. It is a module of its own, since the vectors
// are a hundred megabytes that nobody else should download; scripts/test.sh
// runs it. known_failures.txt names the vectors on which this code disagrees,
// and why.
package wycheproof
