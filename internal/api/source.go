package api

import (
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// source returns the address that a request comes from. X-Forwarded-For is read from
// its end, as long as the proxy that wrote the entry is trusted. For IPv6 the result is
// the /64, since one customer has that many addresses.
func (a *API) source(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	addr := peer.Addr().Unmap()
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && a.trusts(addr); i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		addr = hop.Unmap().WithZone("")
	}
	if addr.Is6() {
		return netip.PrefixFrom(addr, 64).Masked().Addr()
	}
	return addr
}

func (a *API) trusts(addr netip.Addr) bool {
	for _, p := range a.TrustedProxies {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// Limits on failed signatures from one address. They are generous, since a whole
// company, or a proxy that is not trusted, may use one address.
const (
	failuresPerSecond = 10
	failuresAtOnce    = 200
	maxSources        = 4096
)

// failures counts failed signatures by source. Only a request with a wrong signature is
// ever refused for them: a correct one is served however many wrong ones come from the
// same address. Replicas count for themselves.
type failures struct {
	now func() time.Time

	mu sync.Mutex
	of map[netip.Addr]*rate.Limiter
}

// count counts a failure and reports whether it is within the limit, or after what time
// the next one would be.
func (f *failures) count(source netip.Addr) (retry time.Duration, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	l := f.of[source]
	if l == nil {
		f.makeRoom(now)
		l = rate.NewLimiter(failuresPerSecond, failuresAtOnce)
		f.of[source] = l
	}
	if l.AllowN(now, 1) {
		return 0, true
	}
	return time.Second, false
}

// makeRoom keeps the table bounded: it removes the sources that have not failed lately,
// or all if every one has.
func (f *failures) makeRoom(now time.Time) {
	if f.of != nil && len(f.of) < maxSources {
		return
	}
	for source, l := range f.of {
		if l.TokensAt(now) >= failuresAtOnce {
			delete(f.of, source)
		}
	}
	if f.of == nil || len(f.of) >= maxSources {
		f.of = map[netip.Addr]*rate.Limiter{}
	}
}
