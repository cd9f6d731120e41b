// Package database holds what must never be lost: status indexes and
// revocations, grants and the credentials issued under them, wallet instances,
// the audit trail. What a user may repeat lives in the session store instead.
//
// It knows no role. It opens the database, brings its schema up to date and
// hands out transactions; the SQL sits with the packages that own the tables.
// They write one portable text: $1 placeholders, TEXT ids, BIGINT seconds since
// the Unix epoch, BYTEA, RETURNING and ON CONFLICT, and they read a result to
// its end before the next statement of the same transaction. The first column
// of every primary key is the tenant.
//
// [DB.Write] is the only door for writes: connections given to [DB.Read] refuse
// them. Functions that wait at the same moment share one transaction, each
// under its own savepoint, so that they share the one sync to disk that a
// commit costs. None is told that it succeeded before that commit.
//
// SQLite has one writer. Writers of PostgreSQL lock rows as they update them, so
// every function locks rows in the order that the package which owns them
// documents. Functions that share a transaction break that order between them:
// one that meets a lock held elsewhere soon leaves, and runs again alone.
package database
