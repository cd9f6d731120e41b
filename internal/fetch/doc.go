// Package fetch makes the outbound HTTPS requests of the servers. Addresses
// often come out of messages that strangers sent, so the package assumes the
// worst of them: it speaks https only, looks at the address it is about to
// connect to rather than at the name, and bounds size, time, redirects and the
// number of requests at once. It takes no proxy from the environment, keeps no
// cookies, and forwards neither credentials nor referrers.
//
// A Client serves one purpose and has its own connections; what one purpose may
// reach says nothing about another.
package fetch
