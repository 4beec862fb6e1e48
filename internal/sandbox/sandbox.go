package sandbox

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/sampanpay/sampan"
	"github.com/sampanpay/sampan/internal/config"
	"github.com/sampanpay/sampan/internal/demo"
	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/server"
	"github.com/sampanpay/sampan/internal/wallet"
)

// Options say where a sandbox listens and keeps its data.
type Options struct {
	Gateway string // address to listen on, such as "127.0.0.1:7700"
	Shop    string // address of the demo shop
	Fresh   bool   // forget what earlier runs left in the directory
	Drivers map[string]wallet.Driver
	SimulatorOptions
}

// Run starts a sandbox, calls started once it can be used, and serves until ctx
// ends. The directory keeps its data.
func Run(ctx context.Context, o Options, started func(Info)) error {
	unlock, err := openDirectory(o.Dir)
	if err != nil {
		return err
	}
	defer unlock()
	if err := claim(o.Dir); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(o.Dir, File)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if o.Fresh {
		if err := empty(o.Dir); err != nil {
			return err
		}
	}
	listeners, err := server.ListenAll(ctx, o.Gateway, o.Wallet, o.Control, o.Shop, o.App)
	if err != nil {
		return err
	}
	defer closeAll(listeners) // those that nobody has served
	atGateway, atShop := listeners[0], listeners[3]
	atSimulator := [3]net.Listener{listeners[1], listeners[2], listeners[4]}

	keys, err := loadWalletKeys(o.Dir)
	if err != nil {
		return err
	}
	c, err := configure(o.Dir, o.Gateway, server.URL(atGateway))
	if err != nil {
		return err
	}
	sim, err := newSimulator(o.SimulatorOptions, keys,
		server.URL(atSimulator[0]), opens(o.AppOpens, listeners[:4]...))
	if err != nil {
		return err
	}
	g, credential, err := newGateway(ctx, o, c, keys, atSimulator[0], atShop)
	if err != nil {
		return errors.Join(err, sim.Close())
	}
	info, err := newInfo(o.Dir, listeners, credential, keys)
	if err == nil {
		err = writeJSON(filepath.Join(o.Dir, File), info)
	}
	if err != nil {
		return errors.Join(err, g.Store.Close(), sim.Close())
	}
	g.Handler = server.LocalOnly(atGateway, g.Handler)
	shop := demo.New(demo.Config{
		Client: &sampan.Client{
			BaseURL: info.Gateway, AppCode: info.AppCode, ClientKey: info.ClientKey, Log: o.Log,
		},
		BaseURL: info.Shop, Log: o.Log,
	})
	started(info)

	// The simulator ends last, so that notifications and returns of the last
	// requests still reach the gateway.
	return server.RunAll(ctx,
		func(ctx context.Context) error { return g.Run(ctx, atGateway) },
		func(ctx context.Context) error { return runSimulator(ctx, sim, atSimulator, o.Log) },
		func(ctx context.Context) error {
			return server.Serve(ctx, atShop, server.LocalOnly(atShop, shop), o.Log)
		},
	)
}

// newGateway assembles the gateway over its database, which holds the demo
// merchant afterwards.
func newGateway(
	ctx context.Context, o Options, c config.Config, k walletKeys, atWallet, atShop net.Listener,
) (*server.Server, pay.Credential, error) {
	g, err := server.New(ctx, c, o.Drivers, o.Log)
	if err != nil {
		return nil, pay.Credential{}, err
	}
	credential, err := seed(ctx, g.Store, server.URL(atWallet), k)
	if err == nil {
		host := strings.TrimPrefix(server.URL(atShop), "http://")
		err = g.Store.SetReturnHosts(ctx, credential.AppCode, []string{host})
	}
	if err != nil {
		return nil, pay.Credential{}, errors.Join(err, g.Store.Close())
	}
	return g, credential, nil
}

func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		l.Close()
	}
}
