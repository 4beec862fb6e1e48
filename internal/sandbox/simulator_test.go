package sandbox

import (
	"net"
	"slices"
	"testing"
)

func TestAppOpensOwnAndNamedAddresses(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	got := opens([]HostPort{"127.0.0.1:3000", "shop.test:80", "[::1]:3001"}, l)
	slices.Sort(got)
	want := []string{
		"127.0.0.1:" + port, "localhost:" + port, "127.0.0.1:3000", "localhost:3000",
		"shop.test:80", "shop.test", "[::1]:3001",
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestHostPortHasBoth(t *testing.T) {
	for address, fine := range map[string]bool{
		"127.0.0.1:3000": true, "shop.test:80": true, "[::1]:3001": true,
		"": false, "3000": false, ":3000": false, "127.0.0.1": false, "127.0.0.1:": false,
		"127.0.0.1:x": false, "127.0.0.1:65536": false, "http://127.0.0.1:3000": false, "::1:3000": false,
	} {
		if err := new(HostPort).UnmarshalText([]byte(address)); (err == nil) != fine {
			t.Errorf("%q: %v", address, err)
		}
	}
}
