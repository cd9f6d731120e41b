// Package httpd is the one place where HTTP servers are made. It gives every
// role the same ground rules: limits on bodies and rates; strict decoding of
// forms, queries and JSON; one line in the log per request; answers to errors
// that say no more than they should; and security headers. Package listen below
// it has the listeners.
//
// A role's handler file mounts its routes on Server.Echo, decodes with Form,
// Query, JSON or Body, calls a service, and returns an error value when it
// fails. The error goes through the ErrorEncoder of the route (see Errors) and
// with its cause into the log, never into the answer. The package knows no role
// and no store.
package httpd
