package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime/debug"

	"github.com/sampanpay/sampan/internal/config"
	"github.com/sampanpay/sampan/internal/server"
)

type serveCmd struct {
	Config string `required:"" type:"existingfile" help:"Configuration; see sampan.example.toml." placeholder:"FILE"`
}

// Run runs the gateway until e.ctx ends.
func (cmd serveCmd) Run(e *env) error {
	c, err := config.Read(cmd.Config)
	if err != nil {
		return err
	}
	if err := c.CheckServe(); err != nil {
		return fmt.Errorf("%s: %w", cmd.Config, err)
	}
	log := server.Logger(c, e.stderr)
	server.TakeLibraryLog(log)
	if os.Getenv("GOGC") == "" {
		// the heap is small: the default collects garbage many times a second under load
		debug.SetGCPercent(200)
	}
	var lc net.ListenConfig
	l, err := lc.Listen(e.ctx, "tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	s, err := server.New(e.ctx, c, wallets, log)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	log.Info("ready", "listen", l.Addr().String(), "base_url", c.BaseURL, "max_connections", s.MaxConnections)
	return s.Run(e.ctx, l)
}
