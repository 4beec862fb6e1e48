package main

import "testing"

func TestAppOpensTakesHostAndPort(t *testing.T) {
	for address, fine := range map[string]bool{
		"127.0.0.1:3000": true, "shop.test:80": true, "[::1]:3001": true,
		"": false, "3000": false, ":3000": false, "127.0.0.1": false, "127.0.0.1:": false, "127.0.0.1:x": false,
		"127.0.0.1:65536": false, "http://127.0.0.1:3000": false, "::1:3000": false,
	} {
		if err := (appOpens{AppOpens: []string{address}}).check(); (err == nil) != fine {
			t.Errorf("%q: %v", address, err)
		}
	}
}
