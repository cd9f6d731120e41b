// Package credentials holds the plain types that every credential format and
// every protocol part of Tegata shares: claims and their value types, paths
// into claims, the draft of a credential before it is signed, what a holder
// signs over when presenting, and what a verifier knows after checking.
//
// The two tricks that keep the rest of the code free of format knowledge are
// [Path] and [Binding]. A path points into a claims tree in the same way for
// SD-JWT VC and for mdoc, where the first element is the namespace. A binding
// carries everything a presentation is bound to; each format derives from it
// what its own signature covers.
//
// The package imports the standard library only. It parses nothing that comes
// from outside: the format packages do, strictly, and return these types.
package credentials
