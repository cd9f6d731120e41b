// Package httpd is the one place where HTTP servers are made. It gives every
// role the same ground rules: limits on bodies, headers, times and connections;
// strict decoding of forms, queries and JSON; one line in the log per request;
// answers to errors that say no more than they should; security headers; a
// listener with modern TLS only; and a shutdown that lets requests finish.
//
// A role's handler file mounts its routes on Server.Echo, decodes with Form,
// Query, JSON or Body, calls a service, and returns an error value when it
// fails. The error goes through the ErrorEncoder of the route (see Errors) and
// with its cause into the log, never into the answer. The package knows no role
// and no store.
package httpd
