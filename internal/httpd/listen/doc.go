// Package listen listens for the servers of package httpd: one [Front] for many
// tenants on an address, with modern TLS only, limits on connections and times,
// and a shutdown that lets requests finish. What only the operator may see, the
// health of the process and its metrics, is served apart by [Admin].
package listen
