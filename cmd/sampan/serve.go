package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime/debug"

	"github.com/sampanpay/sampan/internal/config"
	"github.com/sampanpay/sampan/internal/server"
	"github.com/sampanpay/sampan/internal/terminal"
)

type serveCmd struct {
	Config string `required:"" type:"existingfile" help:"Configuration file; see sampan.example.toml." placeholder:"FILE"`
}

// Run serves until it is told to stop.
func (cmd serveCmd) Run(e *env) error {
	c, err := config.Read(cmd.Config)
	if err != nil {
		return err
	}
	if c.BaseURL == "" {
		return fmt.Errorf("%s: base_url: missing; it is how buyers and wallets reach this server", cmd.Config)
	}
	if err := c.KeyFile.Check(c.KeyReadable); err != nil {
		return fmt.Errorf("%s: %w", cmd.Config, err)
	}
	log := logger(c, e.stderr)
	server.TakeLibraryLog(log)
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(200) // the heap is so small that the default collects many times a second under load
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

// logger writes what the configuration asks for.
func logger(c config.Config, w io.Writer) *slog.Logger {
	level, _ := c.Level() // checked when it was read
	options := &slog.HandlerOptions{Level: level}
	if c.LogFormat == "text" {
		return slog.New(server.LogHandler(slog.NewTextHandler(w, options)))
	}
	return slog.New(server.LogHandler(slog.NewJSONHandler(terminal.ForMachines(w), options)))
}
