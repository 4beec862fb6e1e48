package server

import (
	"context"
	"errors"
	"io"
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
	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/wallet"
)

// The names of the background loops in the log and in the answer of /readyz.
const (
	recoverLoop  = "recover"  // asks wallets about payments and refunds
	deliveryLoop = "delivery" // sends notifications
)

// Server is the gateway with everything that it needs to run. sampan serve and
// the sandbox run the same one.
type Server struct {
	Store          *store.DB
	Handler        http.Handler // answers every request
	MaxConnections int

	gateway    *gateway.Gateway
	sender     *delivery.Sender
	overloaded http.HandlerFunc // answers a request on a connection over the limit
	ready      *readiness
	log        *slog.Logger
}

// New migrates the database to the schema of this program, opens it, and
// assembles a Server. Run closes the database; a caller that does not call Run
// closes Store.
func New(
	ctx context.Context, c config.Config, drivers map[string]wallet.Driver, log *slog.Logger,
) (*Server, error) {
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
	s, err := Assemble(c, db, drivers, log)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

// Assemble makes a Server over an open database. It never closes the database,
// and it starts nothing: the doctor calls it to see whether serve would start.
func Assemble(
	c config.Config, db *store.DB, drivers map[string]wallet.Driver, log *slog.Logger,
) (_ *Server, err error) {
	s := &Server{Store: db, log: log, ready: newReadiness(db.Ready, log, recoverLoop, deliveryLoop)}
	if s.MaxConnections, err = maxConnections(c); err != nil {
		return nil, err
	}
	s.sender, err = delivery.New(delivery.Config{
		Store: db, Now: time.Now, Log: log,
		Client:  outbound.Guarded(outbound.Rules{Ports: c.Delivery.Ports, Allow: c.Delivery.Allow}),
		Turned:  s.ready.loops[deliveryLoop].turned,
		Gaps:    config.Durations(c.Delivery.Gaps),
		Timeout: time.Duration(c.Delivery.Timeout),
		Lease:   time.Duration(c.Delivery.Lease),
	})
	if err != nil {
		return nil, err
	}
	linkKey, err := db.DeriveKey("sampan pay link v1")
	if err != nil {
		return nil, err
	}
	s.gateway, err = gateway.New(gateway.Config{
		Store: db, Wallets: drivers, BaseURL: c.BaseURL, LinkKey: linkKey, Zone: c.Location, Log: log,
		HTTP:         outbound.Plain(outbound.Limits{}),
		Notification: func(p pay.Payment) []byte { return delivery.Body(p, c.Location) },
		RefundNotification: func(r pay.Refund, p pay.Payment) []byte {
			return delivery.RefundBody(r, p, c.Location)
		},
		Wake:         s.sender.Wake,
		Turned:       s.ready.loops[recoverLoop].turned,
		DirectPayURL: c.PayURL == "direct",
		InquiryGaps:  config.Durations(c.Recover.Looks),
		Margin:       time.Duration(c.Recover.Margin),
		Lease:        time.Duration(c.Recover.Lease),
		Late:         c.Late,
		RefundWindow: time.Duration(c.RefundDays) * 24 * time.Hour,
	})
	if err != nil {
		return nil, err
	}
	s.route(c)
	return s, nil
}

// route registers the trade API, the buyer's pages and the probes.
func (s *Server) route(c config.Config) {
	mux := http.NewServeMux()
	trade := api.New(api.Config{
		Gateway: s.gateway, Store: s.Store, Log: s.log, Zone: c.Location,
		TrustedProxies: c.Proxies, TroubleStatus: c.TroubleStatus,
	})
	trade.Register(mux)
	s.overloaded = trade.Overloaded
	checkout.New(checkout.Config{
		Payments: s.gateway, Authorizations: s.gateway, BaseURL: s.gateway.BaseURL, Now: time.Now, Log: s.log,
	}).Register(mux)
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok\n") })
	mux.Handle("GET /readyz", s.ready)
	s.Handler = mux
}

// Run serves on l until ctx ends. It then stops in this order: requests, the
// background loops, the gateway's own calls, and the database.
func (s *Server) Run(ctx context.Context, l net.Listener) error {
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var workers sync.WaitGroup
	for name, run := range map[string]func(context.Context) error{
		recoverLoop: s.gateway.Run, deliveryLoop: s.sender.Run,
	} {
		unwatch := s.ready.loops[name].watch()
		defer unwatch()
		workers.Go(func() {
			if err := run(work); err != nil {
				s.log.Error("background work ended", "what", name, "error", err)
				return // still watched: readiness ends when the loop makes no turn
			}
			unwatch()
		})
	}
	err := serveLimited(ctx, l, s.MaxConnections, s.Handler, s.overloaded, s.log)
	stop()
	workers.Wait()
	s.gateway.Wait()
	return errors.Join(err, s.Store.Close())
}
