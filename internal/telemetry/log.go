package telemetry

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"

	"github.com/tegata-id/tegata/internal/individualnumber"
)

// LogFormat is how log lines are written.
type LogFormat string

// The log formats.
const (
	LogJSON LogFormat = "json"
	LogText LogFormat = "text"
)

// NewLogger returns a logger that writes lines of at least the level to w, with
// times in UTC, behind the handler of NewRedactingHandler. An unknown format is
// an error.
func NewLogger(w io.Writer, level slog.Leveler, format LogFormat) (*slog.Logger, error) {
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: utcTime}
	switch format {
	case LogJSON:
		return slog.New(NewRedactingHandler(slog.NewJSONHandler(w, options))), nil
	case LogText:
		return slog.New(NewRedactingHandler(slog.NewTextHandler(w, options))), nil
	}
	return nil, fmt.Errorf("unknown log format %q, want %q or %q", format, LogJSON, LogText)
}

func utcTime(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey && a.Value.Kind() == slog.KindTime {
		a.Value = slog.TimeValue(a.Value.Time().UTC())
	}
	return a
}

// DiscardLogger returns a logger that drops everything.
func DiscardLogger() *slog.Logger {
	return slog.New(slog.DiscardHandler)
}

// redactor is the handler in front of the one that writes.
type redactor struct {
	next slog.Handler
}

// NewRedactingHandler returns a handler that removes Individual Numbers from
// messages, keys and values before next sees them. Bytes are replaced by their
// length, since nobody can tell what is in them.
func NewRedactingHandler(next slog.Handler) slog.Handler {
	return redactor{next: next}
}

// Enabled implements slog.Handler.
func (h redactor) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (h redactor) Handle(ctx context.Context, record slog.Record) error {
	clean := slog.NewRecord(record.Time, record.Level, individualnumber.Redact(record.Message), record.PC)
	record.Attrs(func(a slog.Attr) bool {
		clean.AddAttrs(redactAttr(a))
		return true
	})
	return h.next.Handle(ctx, clean)
}

// WithAttrs implements slog.Handler.
func (h redactor) WithAttrs(attrs []slog.Attr) slog.Handler {
	return redactor{next: h.next.WithAttrs(redactAttrs(attrs))}
}

// WithGroup implements slog.Handler.
func (h redactor) WithGroup(name string) slog.Handler {
	return redactor{next: h.next.WithGroup(individualnumber.Redact(name))}
}

func redactAttrs(attrs []slog.Attr) []slog.Attr {
	clean := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		clean[i] = redactAttr(a)
	}
	return clean
}

func redactAttr(a slog.Attr) slog.Attr {
	return slog.Attr{Key: individualnumber.Redact(a.Key), Value: redactValue(a.Value.Resolve())}
}

func redactValue(v slog.Value) slog.Value {
	switch v.Kind() {
	case slog.KindGroup:
		return slog.GroupValue(redactAttrs(v.Group())...)
	case slog.KindString:
		return slog.StringValue(individualnumber.Redact(v.String()))
	case slog.KindInt64, slog.KindUint64:
		if text := v.String(); individualnumber.Valid(text) {
			return slog.StringValue(individualnumber.Redact(text))
		}
		return v
	case slog.KindAny:
		return redactAny(v)
	default: // booleans, floats, durations and times
		return v
	}
}

// redactAny looks at the text that a value would be written as. Values without
// text of their own are looked at as JSON and kept as they are if that is
// clean, so that they keep their structure in the log.
func redactAny(v slog.Value) slog.Value {
	switch value := v.Any().(type) {
	case nil:
		return v
	case error:
		return slog.StringValue(individualnumber.Redact(safeText(value.Error)))
	case fmt.Stringer:
		return slog.StringValue(individualnumber.Redact(safeText(value.String)))
	case []byte:
		return slog.StringValue(fmt.Sprintf("[%d bytes]", len(value)))
	default:
		text, err := json.Marshal(value)
		if err != nil {
			return slog.StringValue(fmt.Sprintf("[%T]", value))
		}
		// The text format writes Go syntax rather than JSON, so that fields
		// without a JSON name would come back; hand on what was looked at.
		if individualnumber.Find(string(text)) || individualnumber.Find(fmt.Sprintf("%+v", value)) {
			return slog.StringValue(individualnumber.Redact(string(text)))
		}
		return v
	}
}

// safeText calls a method that a nil pointer behind an interface may not
// survive; a log line must not bring a request down.
func safeText(text func() string) (s string) {
	defer func() {
		if recover() != nil {
			s = "[no text]"
		}
	}()
	return text()
}
