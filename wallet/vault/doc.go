// Package vault keeps what one person's wallet holds in one encrypted file:
// credentials, the keys they are bound to, and a log of what was done with
// them.
//
// [Open] takes the file for one process. What a method has returned is on disk
// and survives the end of the process at any moment. Private keys never leave
// the package: they are made by [Vault.NewKey] and come out as crypto.Signer
// alone, and [Vault.Export] leaves them out.
//
// A [Vault] is a holder.Vault.
package vault
