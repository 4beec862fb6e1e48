package server

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
)

// LocalOnly lets requests to l pass that are meant for this machine: for a
// loopback address, localhost, or the very address that l listens on.
// Any other host is answered 421.
//
// A page of a stranger's can give its own name the address 127.0.0.1 once the
// browser has loaded it (DNS rebinding), and what then answers has the page's
// origin. A simulator has no password, so the name that the browser asked for is
// all that tells such a page from the developer's.
func LocalOnly(l net.Listener, h http.Handler) http.Handler {
	own, _ := netip.ParseAddrPort(l.Addr().String())
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isLocal(r.Host, own.Addr()) {
			http.Error(w, fmt.Sprintf("%.100q is not served here: ask for localhost or a loopback address", r.Host), http.StatusMisdirectedRequest)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// isLocal reports whether a Host header clearly means this machine. Other ways to
// write an address, such as 127.1, 2130706433, ::ffff:127.0.0.1 or localhost with a
// dot behind it, are names or riddles to one reader or another, and not local.
func isLocal(host string, own netip.Addr) bool {
	name := host
	if strings.LastIndexByte(host, ':') > strings.LastIndexByte(host, ']') {
		var port string
		var err error
		if name, port, err = net.SplitHostPort(host); err != nil || name == "" {
			return false
		}
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return false
		}
		if host[0] == '[' {
			name = "[" + name + "]"
		}
	}
	if strings.EqualFold(name, "localhost") {
		return true
	}
	number, six := strings.CutPrefix(name, "[")
	if six {
		if number, six = strings.CutSuffix(number, "]"); !six {
			return false
		}
	}
	ip, err := netip.ParseAddr(number)
	if err != nil || ip.Is6() != six || ip.Is4In6() || ip.Zone() != "" {
		return false
	}
	return ip.IsLoopback() || ip == own && !ip.IsUnspecified()
}
