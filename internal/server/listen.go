package server

import (
	"context"
	"errors"
	"fmt"
	golog "log"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"time"
)

// drainTimeout is how long a shutdown waits for requests that are being answered.
const drainTimeout = 15 * time.Second

// maxHeader bounds a request's line and header. A GET may have a query of 64 KiB.
const maxHeader = 128 << 10

// ListenAll listens on every address. If one of them fails, it closes the others.
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

// URL returns a URL at which this machine reaches l. A listener on all addresses
// is reached on the loopback address.
func URL(l net.Listener) string {
	at, err := netip.ParseAddrPort(l.Addr().String())
	if err == nil && at.Addr().IsUnspecified() {
		return fmt.Sprintf("http://127.0.0.1:%d", at.Port())
	}
	return "http://" + l.Addr().String()
}

// Serve serves h on l until ctx ends. It then waits up to drainTimeout for the
// requests that are being answered.
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
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	err := srv.Shutdown(drain)
	if served := <-failed; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// RunAll runs all functions at once and waits for them. It ends their context when
// ctx ends or one of them returns an error, and returns all errors.
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
