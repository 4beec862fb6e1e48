package outbound

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"code.dny.dev/ssrf"
)

// GuardConfig says where notifications may go. Its zero value lets them go to
// ports 80 and 443 of public addresses.
type GuardConfig struct {
	Ports    []uint16      // of public addresses; 80 and 443 if empty
	Allow    []Allow       // exceptions: other addresses, other ports
	Resolver *net.Resolver // net.DefaultResolver if nil
}

// Allow is an exception from the guard: some ports of some addresses.
type Allow struct {
	Prefix netip.Prefix
	Ports  []uint16 // every port if empty
}

// ParseAllow reads an exception: a prefix, a colon, and ports between commas or
// a star for all, as in "10.1.2.0/24:8080,8443", "127.0.0.0/8:*", "fd00::/8:443".
func ParseAllow(s string) (Allow, error) {
	bad := func(why string) (Allow, error) {
		return Allow{}, fmt.Errorf("allowed receiver %q: %s; write it like 10.1.2.0/24:8080 or 127.0.0.0/8:*", s, why)
	}
	slash := strings.LastIndexByte(s, '/')
	colon := strings.LastIndexByte(s, ':')
	if slash < 0 || colon < slash {
		return bad("it is not a prefix and ports")
	}
	var a Allow
	var err error
	if a.Prefix, err = netip.ParsePrefix(s[:colon]); err != nil {
		return bad("it is not a prefix and ports")
	}
	if a.Prefix != a.Prefix.Masked() {
		return bad("the address has bits beyond the prefix; did you mean " + a.Prefix.Masked().String() + "?")
	}
	if a.Prefix.Addr().Is4In6() {
		return bad("write the IPv4 prefix itself")
	}
	if s[colon+1:] == "*" {
		return a, nil
	}
	for port := range strings.SplitSeq(s[colon+1:], ",") {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return bad("a port is a number from 1 to 65535")
		}
		a.Ports = append(a.Ports, uint16(n))
	}
	return a, nil
}

// UnmarshalText is ParseAllow, for configuration files.
func (a *Allow) UnmarshalText(text []byte) (err error) {
	*a, err = ParseAllow(string(text))
	return err
}

// MarshalText is String, for configuration files.
func (a Allow) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// String writes the exception as ParseAllow reads it.
func (a Allow) String() string {
	if len(a.Ports) == 0 {
		return a.Prefix.String() + ":*"
	}
	ports := make([]string, len(a.Ports))
	for i, p := range a.Ports {
		ports[i] = strconv.Itoa(int(p))
	}
	return a.Prefix.String() + ":" + strings.Join(ports, ",")
}

func (a Allow) port(p uint16) bool { return len(a.Ports) == 0 || slices.Contains(a.Ports, p) }

// ErrMetadata is why an address is refused that serves a cloud's machines their
// own credentials.
var ErrMetadata = errors.New("address of a cloud's metadata service")

// metadata lists the addresses at which clouds serve a machine's credentials.
// No exception opens them.
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

// ipv4Within returns the IPv4 address that an IPv6 address leads to through a
// NAT64 or 6to4 gateway, or a itself.
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

// guard decides what may be connected to.
type guard struct {
	allow  []Allow
	public *ssrf.Guardian
}

func newGuard(c GuardConfig) guard {
	g := guard{allow: c.Allow, public: ssrf.New()}
	if len(c.Ports) > 0 {
		g.public = ssrf.New(ssrf.WithPorts(c.Ports...))
	}
	return g
}

// check returns nil if to may be connected to, or why not. The exceptions are
// our own check, in front of the library's: its allowed prefixes know no ports,
// and its ports hold for every prefix, so that opening 10.1.2.0/24:8080 with it
// would open port 8080 of the whole Internet too.
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

// control is a net.Dialer's Control. It sees the address that is about to be
// connected to, after names were resolved, so that what a name meant when it
// was first looked at, or means the next moment, plays no part.
func (g guard) control(network, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || (network != "tcp4" && network != "tcp6") {
		return fmt.Errorf("%s %s: not an address of TCP", network, address)
	}
	return g.check(to)
}

// NewClient returns a client for addresses that merchants choose: guarded when
// it connects, through no proxy, following no redirect. How long an exchange
// may take is left to each request's context.
func NewClient(c GuardConfig) *http.Client {
	dialer := &net.Dialer{Resolver: c.Resolver, Control: newGuard(c).control}
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
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// CheckURL returns nil if notifications could be sent to an address, and why
// not otherwise. It resolves no names: it is for telling a merchant early, and
// what it lets through is checked again at each connection.
func (c GuardConfig) CheckURL(address string) error {
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
	g := newGuard(c)
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
	// Any public address stands for the name: what counts is the port.
	if g.check(netip.AddrPortFrom(netip.AddrFrom4([4]byte{1, 1, 1, 1}), port)) == nil ||
		slices.ContainsFunc(c.Allow, func(a Allow) bool { return a.port(port) }) {
		return nil
	}
	return fmt.Errorf("%w: %d", ssrf.ErrProhibitedPort, port)
}

// checkName refuses what cannot be a host's name, and the numbers that some
// resolvers take for IPv4 addresses: 2130706433, 0x7f.1 and 0177.0.0.1 are all
// 127.0.0.1 to them. No top-level domain begins with a digit.
func checkName(host string) error {
	last := host[strings.LastIndexByte(host, '.')+1:]
	if last == "" || (last[0] >= '0' && last[0] <= '9') {
		return errors.New("its host is neither a name nor an address in the usual spelling")
	}
	for _, r := range host {
		if !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '.' || r == '_') {
			return errors.New("its host has characters that a name cannot have; write it in ASCII (punycode)")
		}
	}
	return nil
}
