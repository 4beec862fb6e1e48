package storetest

import (
	"encoding/binary"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
)

// CountTrips returns the address of a proxy to a PostgreSQL server that counts
// ReadyForQuery, the server's message that it waits for the client again.
func CountTrips(t testing.TB, dsn string) (string, *atomic.Int64) {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := u.Host
	u.Host = l.Addr().String()
	var trips atomic.Int64
	var all sync.WaitGroup
	all.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", server)
			if err != nil {
				client.Close()
				continue
			}
			all.Go(func() {
				defer server.Close()
				io.Copy(server, client)
			})
			all.Go(func() {
				defer client.Close()
				for {
					var head [5]byte // the message's type, and its length without that
					if _, err := io.ReadFull(server, head[:]); err != nil {
						return
					}
					if head[0] == 'Z' {
						trips.Add(1)
					}
					client.Write(head[:])
					rest := int64(binary.BigEndian.Uint32(head[1:])) - 4
					if _, err := io.CopyN(client, server, rest); err != nil {
						return
					}
				}
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		all.Wait()
	})
	return u.String(), &trips
}
