package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	golog "log"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/sampanpay/sampan/internal/api"
	"github.com/sampanpay/sampan/internal/checkout"
	"github.com/sampanpay/sampan/internal/config"
	"github.com/sampanpay/sampan/internal/delivery"
	"github.com/sampanpay/sampan/internal/gateway"
	"github.com/sampanpay/sampan/internal/outbound"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/wallet"
)

// drainWithin is how long a shutdown waits for requests that are being answered.
const drainWithin = 15 * time.Second

// maxHeader bounds a request's line and header: a GET may carry a query of 64 KiB.
const maxHeader = 128 << 10

// Server is the gateway put together: the same for serve and for the sandbox.
type Server struct {
	Store          *store.DB
	gateway        *gateway.Gateway
	sender         *delivery.Sender
	Handler        http.Handler
	overloaded     http.HandlerFunc // answers who comes over one connection more than most
	MaxConnections int
	ready          *readiness
	log            *slog.Logger
}

// New brings the database's schema up to date, opens it and wires the
// rooms. The caller closes it.
func New(ctx context.Context, c config.Config, wallets map[string]wallet.Driver, log *slog.Logger) (*Server, error) {
	was, err := store.Migrate(ctx, c.StoreConfig(log))
	if err != nil {
		return nil, err
	}
	if len(was.Pending) > 0 {
		log.InfoContext(ctx, "schema raised", "database", was.Place, "from", was.Have, "to", was.Want)
	}
	db, err := store.Open(ctx, c.StoreConfig(log))
	if err != nil {
		return nil, err
	}
	s, err := Assemble(c, db, wallets, log)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

// Assemble puts the rooms together over an open database, which it never closes.
func Assemble(c config.Config, db *store.DB, wallets map[string]wallet.Driver, log *slog.Logger) (_ *Server, err error) {
	s := &Server{Store: db, log: log, ready: newReadiness(db.Ready, log, "recover", "delivery")}
	if s.MaxConnections, err = connectionsOf(c); err != nil {
		return nil, err
	}
	rules := outbound.Rules{Ports: c.Delivery.Ports, Allow: c.Delivery.Allow}
	s.sender, err = delivery.New(delivery.Config{
		Store: db, Client: outbound.Guarded(rules), Now: time.Now, Log: log,
		Turned: s.ready.loops["delivery"].turned,
		Gaps:   config.Durations(c.Delivery.Gaps), Timeout: time.Duration(c.Delivery.Timeout), Lease: time.Duration(c.Delivery.Lease),
	})
	if err != nil {
		return nil, err
	}
	linkKey, err := db.DeriveKey("sampan pay link v1")
	if err != nil {
		return nil, err
	}
	s.gateway, err = gateway.New(gateway.Config{
		Store: db, Wallets: wallets, BaseURL: c.BaseURL, LinkKey: linkKey, Zone: c.Location, Log: log,
		HTTP:               outbound.Plain(outbound.Limits{}),
		Notification:       c.Notification,
		RefundNotification: c.RefundNotification,
		Wake:               s.sender.Wake,
		Turned:             s.ready.loops["recover"].turned,
		DirectPayURL:       c.PayURL == "direct",
		InquiryGaps:        config.Durations(c.Recover.Looks), Margin: time.Duration(c.Recover.Margin), Lease: time.Duration(c.Recover.Lease),
		Late: c.Late, RefundWindow: time.Duration(c.RefundDays) * 24 * time.Hour,
	})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	calls := api.New(api.Config{Gateway: s.gateway, Store: db, Log: log, Zone: c.Location, TrustedProxies: c.Proxies, TroubleStatus: c.TroubleStatus})
	calls.Register(mux)
	s.overloaded = calls.Overloaded
	checkout.New(checkout.Config{
		Payments: s.gateway, Authorizations: s.gateway, BaseURL: s.gateway.BaseURL, Now: time.Now, Log: log,
	}).Register(mux)
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok\n") })
	mux.Handle("GET /readyz", s.ready)
	s.Handler = mux
	return s, nil
}

// Run serves on l until ctx ends, then drains: requests first, then what works
// behind them, then the database.
func (s *Server) Run(ctx context.Context, l net.Listener) error {
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var workers sync.WaitGroup
	for name, loop := range map[string]func(context.Context) error{"recover": s.gateway.Run, "delivery": s.sender.Run} {
		unwatch := s.ready.loops[name].watch()
		defer unwatch()
		workers.Go(func() {
			if err := loop(work); err != nil {
				s.log.Error("background work ended", "what", name, "error", err)
				return // and is missed
			}
			unwatch() // it was told to end
		})
	}
	err := serveLimited(ctx, l, s.MaxConnections, s.Handler, s.overloaded, s.log)
	stop()
	workers.Wait()
	s.gateway.Wait()
	return errors.Join(err, s.Store.Close())
}

// Serve serves h on l until ctx ends and then waits for what is being
// answered, drainWithin at most.
func Serve(ctx context.Context, l net.Listener, h http.Handler, log *slog.Logger) error {
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       75 * time.Second,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          golog.New(newLibraryLog(log), "", 0),
	}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(l) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve on %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainWithin)
	defer cancel()
	err := srv.Shutdown(drain)
	if served := <-failed; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}
