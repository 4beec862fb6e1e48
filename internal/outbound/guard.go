package outbound

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"code.dny.dev/ssrf"
)

// Rules say what a guarded client may connect to. The zero value allows ports 80
// and 443 of public addresses.
type Rules struct {
	Ports    []uint16      // allowed on public addresses; 80 and 443 if empty
	Allow    []Allow       // exceptions: other addresses, other ports
	Resolver *net.Resolver // net.DefaultResolver if nil
}

// ErrMetadata refuses an address at which a cloud serves its machines their
// credentials.
var ErrMetadata = errors.New("address of a cloud's metadata service")

// metadata lists the addresses at which clouds serve a machine's credentials.
// No exception allows them.
var metadata = []netip.Addr{
	netip.MustParseAddr("169.254.169.254"), // AWS, Azure, Google Cloud, Oracle, DigitalOcean, OpenStack …
	netip.MustParseAddr("fd00:ec2::254"),   // AWS
	netip.MustParseAddr("169.254.170.2"),   // AWS, containers' credentials
	netip.MustParseAddr("169.254.170.23"),  // AWS, pods' credentials
	netip.MustParseAddr("fd00:ec2::23"),    // AWS, pods' credentials
	netip.MustParseAddr("fd20:ce::254"),    // Google Cloud
	netip.MustParseAddr("100.100.100.200"), // Alibaba Cloud
	netip.MustParseAddr("169.254.0.23"),    // Tencent Cloud
	netip.MustParseAddr("168.63.129.16"),   // Azure's host, a public address
	netip.MustParseAddr("192.0.0.192"),     // Oracle Cloud
	netip.MustParseAddr("169.254.42.42"),   // Scaleway
	netip.MustParseAddr("fd00:42::42"),     // Scaleway
}

// ipv4Within returns the IPv4 address that a reaches through a NAT64 or 6to4
// gateway, otherwise a itself.
func ipv4Within(a netip.Addr) netip.Addr {
	b := a.As16()
	switch {
	case ssrf.IPv6NAT64Prefix.Contains(a):
		return netip.AddrFrom4([4]byte(b[12:]))
	case a.Is6() && b[0] == 0x20 && b[1] == 0x02:
		return netip.AddrFrom4([4]byte(b[2:]))
	}
	return a
}

// guard applies Rules to one connection.
type guard struct {
	allow  []Allow
	public *ssrf.Guardian
}

func newGuard(r Rules) guard {
	g := guard{allow: r.Allow, public: ssrf.New()}
	if len(r.Ports) > 0 {
		g.public = ssrf.New(ssrf.WithPorts(r.Ports...))
	}
	return g
}

// check returns an error if a connection to the address is not allowed. The
// exceptions are checked here, before the library's rules: its allowed prefixes
// have no ports, and its ports hold for every prefix. Allowing 10.1.2.0/24:8080
// with the library would also allow port 8080 of every public address.
func (g guard) check(to netip.AddrPort) error {
	addr := to.Addr().Unmap().WithZone("")
	if slices.Contains(metadata, addr) || slices.Contains(metadata, ipv4Within(addr)) {
		return fmt.Errorf("%s: %w", addr, ErrMetadata)
	}
	for _, a := range g.allow {
		if a.Prefix.Contains(addr) && a.port(to.Port()) {
			return nil
		}
	}
	return g.public.SafeAddrPort(to)
}

// control implements net.Dialer.Control. It checks the address of the connection
// itself, after the name was resolved. A name that resolves to another address
// than it did earlier cannot get past it.
func (g guard) control(network, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || (network != "tcp4" && network != "tcp6") {
		return fmt.Errorf("%s %s: not a TCP address", network, address)
	}
	return g.check(to)
}

// CheckURL returns an error if the rules forbid an address whatever its name
// resolves to, so that a merchant learns that early. It resolves no names. Each
// connection is checked again.
func (r Rules) CheckURL(address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return errors.New("not an absolute http or https address") // err would repeat the address
	}
	port := map[string]uint16{"http": 80, "https": 443}[u.Scheme]
	switch {
	case port == 0 || u.Host == "" || u.Opaque != "":
		return errors.New("not an absolute http or https address")
	case u.User != nil:
		return errors.New("it holds a user name or password")
	}
	if p := u.Port(); p != "" {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil || n == 0 {
			return errors.New("its port is not a number from 1 to 65535")
		}
		port = uint16(n)
	} else if strings.HasSuffix(u.Host, ":") {
		return errors.New("its port is missing")
	}
	g := newGuard(r)
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	if addr, err := netip.ParseAddr(host); err == nil {
		return g.check(netip.AddrPortFrom(addr, port))
	}
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return g.check(netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port))
	}
	if err := checkName(host); err != nil {
		return err
	}
	// The name may resolve to any public address, or to one that is allowed. Only
	// the port can be judged now.
	if g.check(netip.AddrPortFrom(netip.AddrFrom4([4]byte{1, 1, 1, 1}), port)) == nil ||
		slices.ContainsFunc(r.Allow, func(a Allow) bool { return a.port(port) }) {
		return nil
	}
	return fmt.Errorf("%w: %d", ssrf.ErrProhibitedPort, port)
}

// checkName refuses text that cannot be a host's name, and numbers that some
// resolvers read as IPv4 addresses: they take 2130706433, 0x7f.1 and 0177.0.0.1
// for 127.0.0.1. No top-level domain begins with a digit.
func checkName(host string) error {
	last := host[strings.LastIndexByte(host, '.')+1:]
	if last == "" || (last[0] >= '0' && last[0] <= '9') {
		return errors.New("its host is neither a name nor an address in the usual spelling")
	}
	for _, c := range host {
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '.' || c == '_') {
			return errors.New("its host has characters that a name cannot have; write it in ASCII (punycode)")
		}
	}
	return nil
}
