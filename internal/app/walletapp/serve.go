package walletapp

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/internal/httpd"
	"github.com/tegata-id/tegata/internal/httpd/listen"
	"github.com/tegata-id/tegata/wallet/holder"
	"github.com/tegata-id/tegata/wallet/web"
)

// checkEvery is how often the pages' server looks up what the wallet holds, at
// times of its own and never because of what the person does.
const checkEvery = 6 * time.Hour

// keepUp does the wallet's upkeep now and then until ctx ends, the first time not at
// once: that would say when the person has opened their wallet.
func keepUp(ctx context.Context, a *App, log *slog.Logger) {
	for wait := rand.N(checkEvery / 4); holder.Sleep(ctx, wait) == nil; wait = checkEvery + rand.N(checkEvery/4) {
		if _, err := a.Upkeep(ctx); err != nil && ctx.Err() == nil {
			log.WarnContext(ctx, "not everything could be looked up or renewed", "error", err)
		}
	}
}

// Serve serves the wallet's pages until ctx ends, and keeps what it holds up to
// date meanwhile.
func Serve(ctx context.Context, a *App, c *Web, log *slog.Logger) error {
	if c == nil {
		return errors.New("the configuration has no section web")
	}
	key, err := keys.LoadFile(c.KeyFile, c.ChainFile)
	if err != nil {
		return err
	}
	certificate := key.TLSCertificate()
	server, err := httpd.New(httpd.Options{Name: "wallet", Origin: c.Origin, Logger: log, Now: a.Now})
	if err != nil {
		return err
	}
	defer web.Mount(server, a)()
	front, err := listen.New(listen.Options{Name: "wallet", Logger: log, Now: a.Now})
	if err != nil {
		return err
	}
	front.SetSites([]listen.Site{{Server: server, Certificate: func() (*tls.Certificate, error) { return &certificate, nil }}})
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", c.Listen)
	if err != nil {
		return err
	}
	var background sync.WaitGroup
	ctx, stop := context.WithCancel(ctx)
	background.Go(func() { keepUp(ctx, a, log) })
	err = front.Serve(ctx, listener, true)
	stop()
	background.Wait()
	return err
}
