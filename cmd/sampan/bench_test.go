package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/sampanpay/sampan/internal/sign"
)

const benchKey = "0F1E2D3C4B5A69788796A5B4C3D2E1F0"

// benchServer accepts signed orders, refuses the nth order if fails(n), and counts
// how often each order number is placed.
func benchServer(t *testing.T, fails func(n int) bool) (base string, numbers map[string]int) {
	numbers = map[string]int{}
	var mu sync.Mutex
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		p := sign.Params{}
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		for name, values := range r.PostForm {
			p[name] = values[0]
		}
		if !sign.VerifyRequest(p, benchKey, sign.SHA256, r.Header.Get("X-QF-SIGN")) {
			t.Error("an order is not signed")
		}
		numbers[p["out_trade_no"]]++
		if fails(len(numbers)) {
			io.WriteString(w, `{"respcd": "1250", "resperr": "not today", "respmsg": ""}`)
			return
		}
		const accepted = `{"respcd": "0000", "out_trade_no": %q, "syssn": "1", "pay_url": "http://x/", ` +
			`"txamt": "100", "txcurrcd": "HKD"}`
		fmt.Fprintf(w, accepted, p["out_trade_no"])
	}))
	t.Cleanup(s.Close)
	return s.URL, numbers
}

// runBench runs the command with 1 and with 4 connections, and 20 orders each.
func runBench(t *testing.T, base string) (out string, err error) {
	t.Setenv("BENCH_KEY", benchKey)
	var b strings.Builder
	err = run(t.Context(), []string{"bench", "--server", base, "--app-code", "A",
		"--client-key", "env:BENCH_KEY", "--connections", "1,4", "--requests", "20", "--duration", "1m"},
		strings.NewReader(""), &b, io.Discard)
	return b.String(), err
}

func TestBenchPlacesOrdersOnceAndPrintsRows(t *testing.T) {
	base, numbers := benchServer(t, func(int) bool { return false })
	out, err := runBench(t, base)
	if err != nil {
		t.Fatal(err)
	}
	if len(numbers) != 40 {
		t.Errorf("%d order numbers, want 40", len(numbers))
	}
	for number, times := range numbers {
		if times != 1 {
			t.Errorf("%s was placed %d times", number, times)
		}
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	for i, want := range []string{"1", "4"} {
		cells := strings.Fields(lines[len(lines)-2+i])
		if len(cells) != 6 || cells[0] != want || cells[4] != "20" || cells[5] != "0" {
			t.Errorf("row %q, want %s connections, 20 orders, no errors", cells, want)
		}
	}
}

func TestBenchCountsFailures(t *testing.T) {
	base, _ := benchServer(t, func(n int) bool { return n%2 == 0 })
	out, err := runBench(t, base)
	if err == nil || !strings.Contains(err.Error(), "not today") {
		t.Errorf("error %v, want the server's reason", err)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if cells := strings.Fields(lines[len(lines)-1]); len(cells) != 6 || cells[4] != "10" || cells[5] != "10" {
		t.Errorf("row %q, want 10 orders and 10 errors", cells)
	}
}
