// Package cms reads one shape of the Cryptographic Message Syntax (RFC 5652):
// SignedData with one signer, as a card or a phone answers a challenge.
//
// It is no general reader. What the syntax leaves open is where signatures get
// forged: signers that nobody looked at, content that was signed beside the one
// that was meant, attributes that are there twice, lengths that two readers
// understand differently. So everything is DER, even where RFC 5652 allows BER;
// there is exactly one signer, with signed attributes; the digest is SHA-256;
// and nothing is read that is not checked, apart from signed attributes of
// kinds that restrict nothing. Certificates that come along and are not the
// signer's are dropped: who issued the signer's certificate is for package
// trust to find out, from anchors and not from the message.
package cms
