package walletapp

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"

	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
	"github.com/tegata-id/tegata/internal/httpd"
	"github.com/tegata-id/tegata/wallet/web"
)

// Serve serves the wallet's pages until ctx ends.
func Serve(ctx context.Context, a *App, c *Web, log *slog.Logger) error {
	if c == nil {
		return errors.New("the configuration has no section web")
	}
	key, err := keys.LoadFile(c.KeyFile, c.ChainFile)
	if err != nil {
		return err
	}
	certificate := trusttest.TLSCertificate(key)
	server, err := httpd.New(httpd.Options{Name: "wallet", Origin: c.Origin, Logger: log, Now: a.Now})
	if err != nil {
		return err
	}
	defer web.Mount(server, a)()
	front, err := httpd.NewFront(httpd.FrontOptions{Name: "wallet", Logger: log, Now: a.Now})
	if err != nil {
		return err
	}
	front.SetSites([]httpd.Site{{Server: server, Certificate: func() (*tls.Certificate, error) { return &certificate, nil }}})
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", c.Listen)
	if err != nil {
		return err
	}
	return front.Serve(ctx, listener, true)
}
