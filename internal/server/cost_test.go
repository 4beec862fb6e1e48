package server

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sampanpay/sampan/internal/config"
	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store/storetest"
)

// BenchmarkHostileRequests measures the processor time of a request whose sender
// has no key. docs/security.md has the figures. They exclude connections and TLS.
//
//	go test -run '^$' -bench HostileRequests ./internal/server
func BenchmarkHostileRequests(b *testing.B) {
	s := assembled(b, func(*config.Config) {})
	defer s.Store.Close()
	m, credential := storetest.Merchant(b, s.Store)
	err := s.Store.PutWalletAccount(b.Context(), pay.WalletAccount{
		MerchantID: m.ID, ID: "main", Wallet: "alipayglobal",
		PayTypes: []pay.PayType{pay.AlipayHK}, Currencies: []pay.Currency{"HKD"},
		Settings: map[string]string{"partner": "2088101122136241", "sign_type": "MD5"},
		Secrets:  map[string]pay.Secret{"md5_key": "hidden"},
	})
	if err != nil {
		b.Fatal(err)
	}

	form := func(names, length int) string {
		var pairs []string
		for n := range names {
			pairs = append(pairs, fmt.Sprintf("n%d=%s", n, strings.Repeat("x", length)))
		}
		return strings.Join(pairs, "&")
	}
	notification := "notify_id=1&notify_type=trade_status_sync&trade_no=2026" +
		"&out_trade_no=20261129100001000000000001&trade_status=TRADE_FINISHED&total_fee=1.00&currency=HKD" +
		"&sign_type=MD5&sign=" + strings.Repeat("0", 32)
	for _, r := range []struct{ name, method, path, body, appCode string }{
		{"a wrong signature", "POST", "/trade/v1/payment", form(10, 10), credential.AppCode},
		{"an unknown app code", "POST", "/trade/v1/payment", form(10, 10), "NOBODY"},
		{"a wrong signature over 64 KiB", "POST", "/trade/v1/payment", form(100, 640), credential.AppCode},
		{"64 KiB of names", "POST", "/trade/v1/payment", form(10_000, 0)[:60_000], credential.AppCode},
		{"a forged notification", "POST", "/callback/100001/main", notification, ""},
		{"a forged notification of 64 KiB", "POST", "/callback/100001/main",
			notification + "&" + form(80, 700), ""},
		{"a notification of 64 KiB of names", "POST", "/callback/100001/main", form(10_000, 0)[:60_000], ""},
		{"a notification for an unknown merchant", "POST", "/callback/999999/main", notification, ""},
		{"a forged pay link", "GET", "/pay/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "", ""},
		{"a connection over the limit", "POST", "/trade/v1/payment", form(10, 10), "over"},
	} {
		b.Run(r.name, func(b *testing.B) {
			var status, n int
			before := processorTime(b)
			for b.Loop() {
				n++
				q := httptest.NewRequest(r.method, r.path, strings.NewReader(r.body))
				// Many addresses, so that no rate limit applies.
				q.RemoteAddr = fmt.Sprintf("10.%d.%d.%d:1", n>>16&255, n>>8&255, n&255)
				if r.method == "POST" {
					q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				}
				if r.appCode != "" {
					q.Header.Set("X-QF-APPCODE", r.appCode)
					q.Header.Set("X-QF-SIGN", strings.Repeat("0", 32))
				}
				w := httptest.NewRecorder()
				if r.appCode == "over" {
					s.overloaded(w, q)
				} else {
					s.Handler.ServeHTTP(w, q)
				}
				if status = w.Code; status == http.StatusTooManyRequests {
					b.Fatal("a rate limit refuses the request")
				}
			}
			b.ReportMetric(float64((processorTime(b)-before).Microseconds())/float64(n), "cpu-µs/op")
			b.ReportMetric(float64(status), "status")
		})
	}
}

// processorTime returns the user and system time of this process.
func processorTime(b *testing.B) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
