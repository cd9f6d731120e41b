package config

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/tegata-id/tegata/internal/telemetry"
)

// Logger returns a logger that writes to w.
func (c Log) Logger(w io.Writer) (*slog.Logger, error) {
	var level slog.Level
	if c.Level != "" {
		if err := level.UnmarshalText([]byte(c.Level)); err != nil {
			return nil, fmt.Errorf("log.level: %q is not debug, info, warn or error", c.Level)
		}
	}
	format := telemetry.LogFormat(c.Format)
	if c.Format == "" {
		format = telemetry.LogJSON
	}
	return telemetry.NewLogger(w, level, format)
}
