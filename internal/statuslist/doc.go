// Package statuslist keeps the status of issued tokens and publishes it as
// Token Status Lists (draft-ietf-oauth-status-list), one bit per token, for the
// issuer and the wallet provider alike. It knows no role.
//
// An index is handed out once, inside the transaction that records what it is
// for, and never again: a list counts upwards, and a permutation under a key
// kept outside the database turns the count into an index nobody can guess.
// The bits are read from one row per index, so that two revocations at the same
// moment cannot undo one another, and INVALID is final.
//
// A share of every list is never handed out. These decoys turn INVALID at
// moments drawn from the key, so that neither the number of bits nor the
// changes between two tokens tell how much was revoked.
//
// Tokens are published in fixed windows of time and kept in the database:
// every replica serves the same bytes, and none an older list after a newer.
package statuslist
