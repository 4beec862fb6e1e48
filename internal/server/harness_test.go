package server

import (
	"context"
	"log/slog"
	"net"
	"path/filepath"
	"testing"

	"github.com/sampanpay/sampan/internal/config"
	"github.com/sampanpay/sampan/internal/store/storetest"
	"github.com/sampanpay/sampan/internal/wallet"
	"github.com/sampanpay/sampan/internal/wallet/alipayglobal"
)

// drivers are the wallets of the servers that these tests assemble.
var drivers = map[string]wallet.Driver{alipayglobal.Driver.Name: alipayglobal.Driver}

// assembled returns a server over a new SQLite database. change may alter its
// configuration before.
func assembled(t testing.TB, change func(*config.Config)) *Server {
	t.Helper()
	c := config.Config{
		Database: "sqlite:" + filepath.Join(t.TempDir(), "sampan.db"), BaseURL: "https://pay.example.com",
		MasterKey: storetest.MasterKey,
	}
	change(&c)
	if err := c.Complete(); err != nil {
		t.Fatal(err)
	}
	s, err := New(t.Context(), c, drivers, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// running runs a server that keeps so many connections open, until the test ends.
// It returns the server's address.
func running(t *testing.T, connections int) string {
	t.Helper()
	s := assembled(t, func(c *config.Config) { c.MaxConnections = connections })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}
