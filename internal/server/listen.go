package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// RunAll runs all until ctx ends or one of them fails, and waits for them.
func RunAll(ctx context.Context, runs ...func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make(chan error)
	for _, run := range runs {
		go func() { errs <- run(ctx) }()
	}
	var all []error
	for range runs {
		err := <-errs
		if err != nil {
			cancel()
		}
		all = append(all, err)
	}
	return errors.Join(all...)
}

// ListenAll listens on every address, or on none.
func ListenAll(ctx context.Context, addresses ...string) ([]net.Listener, error) {
	var lc net.ListenConfig
	var listeners []net.Listener
	for _, a := range addresses {
		l, err := lc.Listen(ctx, "tcp", a)
		if err != nil {
			for _, open := range listeners {
				open.Close()
			}
			return nil, fmt.Errorf("listen on %s: %w", a, err)
		}
		listeners = append(listeners, l)
	}
	return listeners, nil
}

// URL is an address by which this machine reaches l: one that listens
// everywhere is reached on loopback.
func URL(l net.Listener) string {
	at, err := netip.ParseAddrPort(l.Addr().String())
	if err == nil && at.Addr().IsUnspecified() {
		return fmt.Sprintf("http://127.0.0.1:%d", at.Port())
	}
	return "http://" + l.Addr().String()
}
