// Package archtest holds the structure of the repository: which package may
// import which, who may use the third-party libraries that have one seam each,
// and what code may not do wherever it is. The rules are the tables in rules.go;
// the test applies them to the source as it is, without compiling it. A package
// that a rule names need not exist.
package archtest
