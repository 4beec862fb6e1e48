package main

import (
	"net"
	"slices"
	"testing"
)

func TestTheAppOpensWhatTheSandboxServesAndWhatIsNamed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	got, err := appOpens{AppOpens: []string{"127.0.0.1:3000", "shop.test:80", "[::1]:3001"}}.with(l)
	slices.Sort(got)
	want := []string{"127.0.0.1:" + port, "localhost:" + port, "127.0.0.1:3000", "localhost:3000", "shop.test:80", "shop.test", "[::1]:3001"}
	slices.Sort(want)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
	for _, bad := range []string{"", "3000", ":3000", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", "http://127.0.0.1:3000", "::1:3000"} {
		if got, err := (appOpens{AppOpens: []string{bad}}).with(l); err == nil {
			t.Errorf("%q: opens %q", bad, got)
		}
	}
}
