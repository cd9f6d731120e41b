package app

import (
	"context"
	"io"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tegata-id/tegata/internal/app/config"
)

// Serve runs the process that a configuration file describes, until ctx ends
// and everything in flight has been answered. Whenever reload receives, the file
// is read again and the tenants in it are put in the place of those that serve.
func Serve(ctx context.Context, path string, logs io.Writer, reload <-chan os.Signal) error {
	cfg, err := config.Load(path)
	if err != nil {
		return err
	}
	log, err := cfg.Log.Logger(logs)
	if err != nil {
		return err
	}
	a, err := New(ctx, cfg, Options{Log: log, Now: time.Now})
	if err != nil {
		return err
	}
	group, running := errgroup.WithContext(ctx)
	ended, end := context.WithCancel(running)
	group.Go(func() error {
		defer end()
		return a.Run(running)
	})
	group.Go(func() error {
		for {
			select {
			case <-ended.Done():
				return nil
			case <-reload:
				a.reloadFile(ended, path)
			}
		}
	})
	return group.Wait()
}
