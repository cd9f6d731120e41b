// Package limits has no code. Its tests feed every parser that strangers reach
// the most expensive input that its size limit lets through, and hold what
// rejecting it costs: 16 MiB of allocations as a test, 50 ms of CPU as a
// benchmark that prints it.
package limits
