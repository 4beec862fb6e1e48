package server

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

func TestLoopbackAndLocalhostAreLocal(t *testing.T) {
	for _, host := range []string{
		"127.0.0.1", "127.0.0.1:7702", "127.8.9.10:1", "[::1]", "[::1]:7702", "localhost", "localhost:7702",
		"LocalHost:80",
		"192.168.1.5:7702", // the address that it listens on
	} {
		if !isLocal(host, netip.MustParseAddr("192.168.1.5")) {
			t.Errorf("%q: refused", host)
		}
	}
	for _, host := range []string{
		"", ":7702", "evil.example", "evil.example:7702",
		"127.0.0.1.evil.example", "127.0.0.1.nip.io:7702", "localhost.evil.example", "a.localhost",
		"localhost.", "localhost.:7702", "127.0.0.1.", "127.0.0.1.:7702",
		"127.1", "127.1:7702", "2130706433", "0x7f000001", "0177.0.0.1", "127.000.000.001",
		"127.0.0.1:", "127.0.0.1:x", "127.0.0.1:99999", "127.0.0.1:7702:1",
		"127.0.0.1@evil.example", "evil.example@127.0.0.1",
		"::1", "::1:7702", "[::1", "::1]", "[::1]x", "[::1%25lo]:7702", "[::1%lo]",
		"[::ffff:127.0.0.1]", "[::ffff:7f00:1]:80", "[127.0.0.1]", "[localhost]", "[localhost]:1",
		"0.0.0.0", "0.0.0.0:7702", "[::]", "10.0.0.1", "192.168.1.6", "169.254.169.254",
		"128.0.0.1", "126.255.255.255", "[fe80::1]",
		"127.0.0.1 ", " 127.0.0.1", "localhost\x00", "１２７.0.0.1", "ⓛocalhost", "localhost,evil.example",
		"localhost/evil",
	} {
		if isLocal(host, netip.MustParseAddr("192.168.1.5")) {
			t.Errorf("%q: accepted", host)
		}
	}
	if isLocal("[::]:1", netip.MustParseAddr("::")) || isLocal("0.0.0.0", netip.MustParseAddr("0.0.0.0")) {
		t.Error("the unspecified address is local")
	}
}

// A host in the request's target takes precedence over the Host header.
func TestRequestsForOtherHostsAreMisdirected(t *testing.T) {
	server := httptest.NewUnstartedServer(nil)
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "the page") })
	server.Config.Handler = LocalOnly(server.Listener, page)
	server.Start()
	defer server.Close()
	address := server.Listener.Addr().String()
	for request, want := range map[string]int{
		"GET / HTTP/1.1\r\nHost: " + address + "\r\n":                                  200,
		"GET / HTTP/1.1\r\nHost: localhost\r\n":                                        200,
		"GET http://127.0.0.1/ HTTP/1.1\r\nHost: 127.0.0.1\r\n":                        200,
		"GET / HTTP/1.1\r\nHost: evil.example\r\n":                                     421,
		"POST /faults HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 0\r\n":         421,
		"GET http://evil.example/ HTTP/1.1\r\nHost: 127.0.0.1\r\n":                     421,
		"CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n":              421,
		"GET / HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: localhost\r\n":      421,
		"GET / HTTP/1.1\r\nHost: \r\n":                                                 421,
		"GET / HTTP/1.0\r\n":                                                           421,
		"GET / HTTP/1.1\r\n":                                                           400,
		"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n":                  400,
		"GET / HTTP/1.1\r\nHost: evil.example, 127.0.0.1\r\nConnection: close\r\n":     400,
		"GET / HTTP/1.1\r\nHost: 127.0.0.1.evil.example\r\nConnection: keep-alive\r\n": 421,
	} {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(conn, request+"\r\n")
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("%q: %v", request, err)
		}
		text, _ := io.ReadAll(res.Body)
		res.Body.Close()
		conn.Close()
		if res.StatusCode != want || want != 200 && strings.Contains(string(text), "the page") {
			t.Errorf("%q: %s %q, want %d", request, res.Status, text, want)
		}
	}
}
