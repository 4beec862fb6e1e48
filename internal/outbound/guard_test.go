package outbound

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"code.dny.dev/ssrf"
)

func mustAllow(t testing.TB, texts ...string) (list []Allow) {
	t.Helper()
	for _, s := range texts {
		a, err := ParseAllow(s)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, a)
	}
	return list
}

func TestGuardAllowsPublicAddressesAndExceptions(t *testing.T) {
	for _, tt := range []struct {
		to      string
		allow   string
		refused error
	}{
		{"93.184.216.34:443", "", nil},
		{"93.184.216.34:80", "", nil},
		{"[2606:2800:220:1:248:1893:25c8:1946]:443", "", nil},

		{"93.184.216.34:8080", "", ssrf.ErrProhibitedPort},
		{"93.184.216.34:22", "", ssrf.ErrProhibitedPort},
		{"127.0.0.1:80", "", ssrf.ErrProhibitedIP},
		{"127.255.255.254:80", "", ssrf.ErrProhibitedIP},
		{"10.0.0.1:443", "", ssrf.ErrProhibitedIP},
		{"172.16.0.1:443", "", ssrf.ErrProhibitedIP},
		{"172.31.255.255:443", "", ssrf.ErrProhibitedIP},
		{"192.168.1.1:443", "", ssrf.ErrProhibitedIP},
		{"100.64.0.1:443", "", ssrf.ErrProhibitedIP},
		{"169.254.1.1:80", "", ssrf.ErrProhibitedIP},
		{"0.0.0.0:80", "", ssrf.ErrProhibitedIP},
		{"0.1.2.3:80", "", ssrf.ErrProhibitedIP},
		{"224.0.0.1:80", "", ssrf.ErrProhibitedIP},
		{"255.255.255.255:80", "", ssrf.ErrProhibitedIP},
		{"[::]:80", "", ssrf.ErrProhibitedIP},
		{"[::1]:80", "", ssrf.ErrProhibitedIP},
		{"[::7f00:1]:80", "", ssrf.ErrProhibitedIP},
		{"[fe80::1]:80", "", ssrf.ErrProhibitedIP},
		{"[fe80::1%eth0]:80", "", ssrf.ErrProhibitedIP},
		{"[fc00::1]:80", "", ssrf.ErrProhibitedIP},
		{"[fd12::1]:80", "", ssrf.ErrProhibitedIP},
		{"[fec0::1]:80", "", ssrf.ErrProhibitedIP},
		{"[ff02::1]:80", "", ssrf.ErrProhibitedIP},
		{"[::ffff:127.0.0.1]:80", "", ssrf.ErrProhibitedIP},
		{"[::ffff:8.8.8.8]:80", "", ssrf.ErrProhibitedIP},
		{"[64:ff9b::7f00:1]:80", "", ssrf.ErrProhibitedIP},
		{"[64:ff9b:1::7f00:1]:80", "", ssrf.ErrProhibitedIP},
		{"[2002:7f00:1::]:80", "", ssrf.ErrProhibitedIP},
		{"[2001:0:7f00:1::]:80", "", ssrf.ErrProhibitedIP},

		{"10.1.2.3:8080", "10.1.2.0/24:8080", nil},
		{"10.1.2.3:8081", "10.1.2.0/24:8080", ssrf.ErrProhibitedPort},
		{"10.1.2.3:443", "10.1.2.0/24:8080", ssrf.ErrProhibitedIP},
		{"10.1.3.3:8080", "10.1.2.0/24:8080", ssrf.ErrProhibitedPort},
		// a port opened here is not open everywhere
		{"93.184.216.34:8080", "10.1.2.0/24:8080", ssrf.ErrProhibitedPort},
		{"10.1.2.3:443", "10.1.2.0/24:8080,443", nil},
		{"127.0.0.1:5000", "127.0.0.0/8:*", nil},
		{"[::ffff:127.0.0.1]:5000", "127.0.0.0/8:*", nil},
		{"[::1]:5000", "127.0.0.0/8:*", ssrf.ErrProhibitedPort},
		{"[fd12::1]:443", "fd12::/16:443", nil},
		{"[fe80::1%eth0]:80", "fe80::/10:80", nil},

		{"169.254.169.254:80", "", ErrMetadata},
		{"169.254.169.254:80", "0.0.0.0/0:*", ErrMetadata},
		{"169.254.169.254:80", "169.254.169.254/32:80", ErrMetadata},
		{"[::ffff:169.254.169.254]:80", "0.0.0.0/0:*", ErrMetadata},
		{"[64:ff9b::a9fe:a9fe]:80", "64:ff9b::/96:*", ErrMetadata},
		{"[2002:a9fe:a9fe::1]:80", "2002::/16:*", ErrMetadata},
		{"[fd00:ec2::254]:80", "::/0:*", ErrMetadata},
		{"[fd00:ec2::254%eth0]:80", "::/0:*", ErrMetadata},
		{"100.100.100.200:80", "100.64.0.0/10:*", ErrMetadata},
		{"168.63.129.16:80", "", ErrMetadata},
	} {
		c := Rules{}
		if tt.allow != "" {
			c.Allow = mustAllow(t, tt.allow)
		}
		err := newGuard(c).check(netip.MustParseAddrPort(tt.to))
		if !errors.Is(err, tt.refused) || (tt.refused == nil && err != nil) {
			t.Errorf("%s, allowing %q: got %v, want %v", tt.to, tt.allow, err, tt.refused)
		}
	}
}

func TestOtherPortsCanBeConfigured(t *testing.T) {
	g := newGuard(Rules{Ports: []uint16{8443}})
	if err := g.check(netip.MustParseAddrPort("93.184.216.34:8443")); err != nil {
		t.Error(err)
	}
	if err := g.check(netip.MustParseAddrPort("93.184.216.34:443")); !errors.Is(err, ssrf.ErrProhibitedPort) {
		t.Errorf("got %v", err)
	}
	if err := g.check(netip.MustParseAddrPort("10.0.0.1:8443")); !errors.Is(err, ssrf.ErrProhibitedIP) {
		t.Errorf("got %v", err)
	}
}

func TestOnlyTCPIsDialled(t *testing.T) {
	if err := newGuard(Rules{}).control("udp4", "93.184.216.34:443", nil); err == nil {
		t.Error("udp4 was let through")
	}
	if err := newGuard(Rules{}).control("tcp4", "/run/socket", nil); err == nil {
		t.Error("a path was let through")
	}
}

func TestExceptionsAreReadAndWritten(t *testing.T) {
	for _, s := range []string{"127.0.0.0/8:*", "10.1.2.0/24:8080", "10.1.2.3/32:80,443",
		"fd00::/8:443", "::1/128:*"} {
		var a Allow
		if err := a.UnmarshalText([]byte(s)); err != nil {
			t.Error(err)
		}
		if text, err := a.MarshalText(); err != nil || string(text) != s {
			t.Errorf("%s became %s, %v", s, text, err)
		}
	}
	for _, s := range []string{
		"", "*", "10.1.2.3", "10.1.2.3:80", "10.0.0.0/8", "10.0.0.0/8:", "10.0.0.0/8:0", "10.0.0.0/8:65536",
		"10.0.0.0/8:-1",
		"10.0.0.0/8:http", "10.0.0.0/8:80,", "10.0.0.0/8:80 ", "10.0.0.0/33:80",
		"10.1.2.3/24:80", "localhost/8:80", "::ffff:10.0.0.0/104:80", "fe80::%eth0/10:80", "fd00::1/8:*",
	} {
		if a, err := ParseAllow(s); err == nil {
			t.Errorf("%q was read as %s", s, a)
		}
	}
}

func TestAddressesAreCheckedWhenFirstGiven(t *testing.T) {
	c := Rules{Allow: mustAllow(t, "127.0.0.0/8:7703", "10.1.2.0/24:8080")}
	for _, ok := range []string{
		"https://merchant.example/notify?a=b", "http://merchant.example", "https://merchant.example:443/",
		"HTTPS://Merchant.Example./n",
		"http://merchant.example:8080/", // may lie in 10.1.2.0/24; the connection will tell
		"http://127.0.0.1:7703/n", "http://localhost:7703/n", "https://93.184.216.34/",
		"https://[2606:2800:220:1::1]/", "https://xn--fiq228c.example/", "https://a_b.example/",
	} {
		if err := c.CheckURL(ok); err != nil {
			t.Errorf("%s: %v", ok, err)
		}
	}
	for _, bad := range []string{
		"", "merchant.example", "//merchant.example/", "/notify", "ftp://merchant.example/",
		"javascript:alert(1)", "file:///etc/passwd", "http:merchant.example",
		"https://", "https:///x", "https://user@merchant.example/", "https://user:secret@merchant.example/",
		"https://merchant.example:8443/", "https://merchant.example:0/",
		"https://merchant.example:65536/", "https://merchant.example:/", "https://merchant example/",
		"https://merchant.example\n/", "https://%6c.example/", "https://商店.example/",
		"http://localhost/", "http://LOCALHOST:80/", "http://a.localhost/", "http://localhost./",
		"http://127.0.0.1/", "http://10.0.0.1/", "http://169.254.169.254/latest/", "http://[::1]/",
		"http://[::ffff:127.0.0.1]/", "http://[fe80::1%25eth0]/",
		"http://2130706433/", "http://0x7f.1/", "http://0x7f000001/", "http://0177.0.0.1/", "http://127.1/",
		"http://127.0.0.1./", "http://merchant.example../", "http://./", "http://0/",
	} {
		if err := c.CheckURL(bad); err == nil {
			t.Errorf("%q was let through", bad)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v tells the password", bad, err)
		}
	}
}

// resolver answers every question for an IPv4 address by asking lookup, over
// the protocol of DNS on a pipe.
func resolver(lookup func(name string) []netip.Addr) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go func() {
			defer server.Close()
			for {
				head := make([]byte, 2)
				if _, err := io.ReadFull(server, head); err != nil {
					return
				}
				query := make([]byte, binary.BigEndian.Uint16(head))
				if _, err := io.ReadFull(server, query); err != nil {
					return
				}
				server.Write(dnsAnswer(query, lookup))
			}
		}()
		return client, nil
	}}
}

func dnsAnswer(query []byte, lookup func(string) []netip.Addr) []byte {
	end, labels := 12, []string{}
	for n := int(query[end]); n != 0; n = int(query[end]) {
		labels = append(labels, string(query[end+1:end+1+n]))
		end += 1 + n
	}
	question := query[12 : end+5]
	var addrs []netip.Addr
	if binary.BigEndian.Uint16(question[len(question)-4:]) == 1 { // type A
		addrs = lookup(strings.Join(labels, "."))
	}
	msg := append([]byte{query[0], query[1], 0x81, 0x80, 0, 1, 0, byte(len(addrs)), 0, 0, 0, 0}, question...)
	for _, a := range addrs {
		msg = append(msg, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
		msg = append(msg, a.AsSlice()...)
	}
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(msg))), msg...)
}

// victim is a server on this machine that must not be reached, and its port.
func victim(t *testing.T) (port string, hits *atomic.Int64) {
	hits = new(atomic.Int64)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hits.Add(1)
		io.WriteString(w, "SUCCESS")
	}))
	t.Cleanup(srv.Close)
	u, _ := url.Parse(srv.URL)
	return u.Port(), hits
}

func get(t *testing.T, c *http.Client, address string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(req)
	if err == nil {
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	return err
}

func TestThisMachineIsReachedUnderNoName(t *testing.T) {
	port, hits := victim(t)
	n, _ := strconv.ParseUint(port, 10, 16)
	client := Guarded(Rules{
		Ports: []uint16{uint16(n)}, // so that only the address can be why
		Resolver: resolver(func(string) []netip.Addr {
			return []netip.Addr{netip.MustParseAddr("127.0.0.1")}
		}),
	})
	for _, host := range []string{"127.0.0.1", "localhost", "rebound.example", "0x7f.1",
		"0x7f000001", "0.0.0.0", "[::1]", "[::]", "[::ffff:127.0.0.1]"} {
		if err := get(t, client, "http://"+host+":"+port+"/"); !errors.Is(err, ssrf.ErrProhibitedIP) {
			t.Errorf("%s: got %v, want %v", host, err, ssrf.ErrProhibitedIP)
		}
	}
	// Go's own resolver refuses these, the C library's takes them for 127.0.0.1.
	for _, host := range []string{"2130706433", "0177.0.0.1", "127.1", "0"} {
		if err := get(t, client, "http://"+host+":"+port+"/"); err == nil {
			t.Errorf("%s was reached", host)
		}
	}
	if hits.Load() != 0 {
		t.Errorf("the server was reached %d times", hits.Load())
	}
}

func TestNameIsCheckedAtEachConnection(t *testing.T) {
	port, hits := victim(t)
	addrs := []netip.Addr{netip.MustParseAddr("127.0.0.2")} // nobody listens there, but it is allowed
	c := Rules{
		Allow:    mustAllow(t, "127.0.0.2/32:*"),
		Resolver: resolver(func(string) []netip.Addr { return addrs }),
	}
	client := Guarded(c)
	address := "http://rebound.example:" + port + "/"
	if err := c.CheckURL(address); err != nil {
		t.Fatal(err)
	}
	if err := get(t, client, address); errors.Is(err, ssrf.ErrProhibitedIP) ||
		errors.Is(err, ssrf.ErrProhibitedPort) {
		t.Errorf("the first meaning is allowed, but: %v", err)
	}
	addrs = []netip.Addr{netip.MustParseAddr("127.0.0.1")}
	if err := get(t, client, address); !errors.Is(err, ssrf.ErrProhibitedPort) {
		t.Errorf("got %v, want %v", err, ssrf.ErrProhibitedPort)
	}
	if hits.Load() != 0 {
		t.Error("the second meaning was reached")
	}
}

func TestAllowedReceiverIsReachedWithoutRedirects(t *testing.T) {
	port, hits := victim(t)
	redirecting := httptest.NewServer(http.RedirectHandler("http://127.0.0.1:"+port+"/",
		http.StatusTemporaryRedirect))
	defer redirecting.Close()
	for name, client := range map[string]*http.Client{
		"guarded": Guarded(Rules{Allow: mustAllow(t, "127.0.0.0/8:*")}),
		"plain":   Plain(Limits{}), // a private address needs no exception
	} {
		hits.Store(0)
		defer client.CloseIdleConnections()
		if err := get(t, client, redirecting.URL); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if hits.Load() != 0 {
			t.Errorf("%s: the redirect was followed", name)
		}
		if err := get(t, client, "http://127.0.0.1:"+port+"/"); err != nil || hits.Load() != 1 {
			t.Errorf("%s: got %v and %d hits", name, err, hits.Load())
		}
	}
}

func TestNoClientUsesAProxyOrAnotherScheme(t *testing.T) {
	for name, client := range map[string]*http.Client{"guarded": Guarded(Rules{}), "plain": Plain(Limits{})} {
		t.Run(name, func(t *testing.T) { wantHTTPOnly(t, client) })
	}
}

func wantHTTPOnly(t *testing.T, client *http.Client) {
	for _, address := range []string{"ftp://merchant.example/", "file:///etc/passwd", "unix:///run/socket"} {
		if err := get(t, client, address); err == nil {
			t.Errorf("%s was fetched", address)
		}
	}
	// Looked at rather than tried: net/http reads the environment once per process.
	if client.Transport.(*http.Transport).Proxy != nil {
		t.Error("a proxy may be asked")
	}
}
