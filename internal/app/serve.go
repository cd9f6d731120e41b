package app

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/tegata-id/tegata/internal/telemetry"
)

// Serve runs the process that a configuration file describes, until ctx ends
// and everything in flight has been answered.
func Serve(ctx context.Context, path string, logs io.Writer) error {
	cfg, err := LoadConfig(path)
	if err != nil {
		return err
	}
	log, err := newLogger(cfg.Log, logs)
	if err != nil {
		return err
	}
	a, err := New(ctx, cfg, Options{Log: log, Now: time.Now})
	if err != nil {
		return err
	}
	return a.Run(ctx)
}

func newLogger(c LogConfig, w io.Writer) (*slog.Logger, error) {
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
