// Package outbound makes the HTTP clients for every request that the program
// sends. There are two kinds, and which one fits depends on who has chosen the
// address:
//
//   - Guarded, for addresses that merchants choose (notify_url). It connects to
//     public addresses only, but for the exceptions that the operator configures.
//   - Plain, for addresses that the operator configures (a wallet's gateway, the
//     deployment's own base_url). These may be private.
//
// Neither uses a proxy from the environment or follows a redirect.
//
// Read this file first, then guard.go (what a guarded client may connect to) and
// allow.go (the exceptions, and the early check of an address).
package outbound

import (
	"cmp"
	"net"
	"net/http"
	"time"
)

// Limits bounds a plain client. A zero field takes the value behind it.
type Limits struct {
	Idle        int           // connections that are kept open to one host; 32
	Connections int           // connections to one host; 256: sixteen accounts at the gateway's bound
	Header      time.Duration // from the end of a request to the end of the answer's header; 10 s
}

// Plain returns a client for addresses that the operator configures. Each
// request's context bounds the exchange as a whole.
func Plain(l Limits) *http.Client {
	const connect = 5 * time.Second
	return &http.Client{
		Transport: &http.Transport{
			DialContext:           (&net.Dialer{Timeout: connect}).DialContext,
			TLSHandshakeTimeout:   connect,
			ResponseHeaderTimeout: cmp.Or(l.Header, 10*time.Second),
			MaxIdleConnsPerHost:   cmp.Or(l.Idle, 32),
			MaxConnsPerHost:       cmp.Or(l.Connections, 256),
			IdleConnTimeout:       60 * time.Second,
			ForceAttemptHTTP2:     true,
		},
		CheckRedirect: stay,
	}
}

// Guarded returns a client for addresses that merchants choose. It applies the
// rules to each connection, after the host's name was resolved. Each request's
// context bounds the exchange as a whole.
func Guarded(r Rules) *http.Client {
	dialer := &net.Dialer{Resolver: r.Resolver, Control: newGuard(r).control}
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                  nil,
			DialContext:            dialer.DialContext,
			MaxIdleConns:           256,
			MaxIdleConnsPerHost:    4,
			IdleConnTimeout:        30 * time.Second,
			MaxResponseHeaderBytes: 16 << 10,
			DisableCompression:     true, // a small answer must not unpack into a big one
		},
		CheckRedirect: stay,
	}
}

// stay returns a redirect to the caller as the answer instead of following it.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
