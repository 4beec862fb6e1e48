package server

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
)

// LocalOnly passes requests to h whose Host is this machine: a loopback address,
// localhost, or the address that l listens on. It answers any other host with 421.
//
// This is a security requirement. A hostile page can point its own name at
// 127.0.0.1 after the browser has loaded it (DNS rebinding), and then read and
// write what answers there. The simulator has no password, so only the Host header
// distinguishes such a page from the developer's own.
func LocalOnly(l net.Listener, h http.Handler) http.Handler {
	listening, _ := netip.ParseAddrPort(l.Addr().String())
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isLocal(r.Host, listening.Addr()) {
			text := fmt.Sprintf("%.100q is not served here: ask for localhost or a loopback address", r.Host)
			http.Error(w, text, http.StatusMisdirectedRequest)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// isLocal reports whether a Host header clearly names this machine, which listens on
// the given address. Programs disagree about other spellings, such as 127.1,
// 2130706433, ::ffff:127.0.0.1 or localhost with a final dot. They are not local.
func isLocal(host string, listening netip.Addr) bool {
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
	address, bracketed := strings.CutPrefix(name, "[")
	if bracketed {
		if address, bracketed = strings.CutSuffix(address, "]"); !bracketed {
			return false
		}
	}
	ip, err := netip.ParseAddr(address)
	if err != nil || ip.Is6() != bracketed || ip.Is4In6() || ip.Zone() != "" {
		return false
	}
	return ip.IsLoopback() || ip == listening && !ip.IsUnspecified()
}
