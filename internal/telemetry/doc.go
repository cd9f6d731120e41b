// Package telemetry makes the loggers and the metrics registry that every
// server is given. It holds no global state: whoever wires a process makes one
// logger and one registry and hands them on.
//
// Logs and metrics carry identifiers and outcomes only. Types that hold
// personal data or secrets implement slog.LogValuer and log as a placeholder;
// the logger made here is the safety net below that and removes Individual
// Numbers from whatever reaches it.
package telemetry
