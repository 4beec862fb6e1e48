package outbound

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Allow is an exception from the guard: some ports of some addresses.
type Allow struct {
	Prefix netip.Prefix
	Ports  []uint16 // every port if empty
}

// ParseAllow reads an exception: a prefix, a colon, and either ports separated
// by commas or a star for every port. Examples: "10.1.2.0/24:8080,8443",
// "127.0.0.0/8:*", "fd00::/8:443".
func ParseAllow(s string) (Allow, error) {
	bad := func(why string) (Allow, error) {
		return Allow{}, fmt.Errorf("allowed receiver %q: %s; write it like 10.1.2.0/24:8080 or 127.0.0.0/8:*",
			s, why)
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

// String writes the exception in the form that ParseAllow reads.
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
