package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sampanpay/sampan"
	"github.com/sampanpay/sampan/test/harness"
)

// The gateway stops using a database file that it cannot trust. The process stays up and says why.
// Merchants and wallets are asked to repeat, buyers to wait. The background loops do nothing, and
// one line of the log is an error.
func TestAStoppedGatewaySaysSoToEverybody(t *testing.T) {
	for _, c := range []struct {
		name, reason string
		spoil        func(t *testing.T, path string)
	}{
		{"another file is put in its place", "is another file than the one that is open", replaceByCopy},
		{"its log is removed", "-wal is gone", func(t *testing.T, path string) {
			if err := os.Remove(path + "-wal"); err != nil {
				t.Fatal(err)
			}
		}},
		{"its log is cut", "the database is stopped until sampan is restarted",
			func(t *testing.T, path string) {
				if err := os.Truncate(path+"-wal", 0); err != nil {
					t.Fatal(err)
				}
			}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "sampan.db")
			d := harness.NewDeployment(t, "sqlite:"+path)
			gateway := d.Serve(t, d.Address)
			shop := harness.NewMerchant(t, d.Endpoints)
			shop.Attempts = 1
			paid := d.Pay(t, shop, "BEFORE")
			shop.Notification(t)
			open, err := shop.Pay(t.Context(), shop.Order("OPEN", sampan.Alipay))
			if err != nil {
				t.Fatal(err)
			}
			c.spoil(t, path)
			harness.Eventually(t, "the gateway to find it", func() bool {
				// A query reads the file, and can find the fault.
				_, _ = shop.Query(t.Context(), sampan.QueryRequest{OrderNos: []string{"BEFORE"}})
				status, _ := get(t, d.Gateway+"/readyz")
				return status == http.StatusServiceUnavailable
			})
			if status, body := get(t, d.Gateway+"/readyz"); !strings.Contains(body, c.reason) {
				t.Errorf("/readyz: %d %q, want the reason %q", status, body, c.reason)
			}
			if status, body := get(t, d.Gateway+"/livez"); status != http.StatusOK {
				t.Errorf("/livez: %d %q", status, body)
			}
			before := state(t, dir)
			for _, call := range []string{"payment", "query", "refund", "close", "reversal", "add_note"} {
				status, body := post(t, d.Gateway+"/trade/v1/"+call, url.Values{"txamt": {"what"}})
				var answer struct{ RespCd, RespMsg string }
				err := json.Unmarshal([]byte(body), &answer)
				if status != http.StatusServiceUnavailable || err != nil || answer.RespCd != "1297" {
					t.Errorf("%s: %d %s, want 503 and 1297", call, status, body)
				}
			}
			_, err = shop.Pay(t.Context(), shop.Order("AFTER", sampan.Alipay))
			if !harness.IsCode(err, "1297") {
				t.Errorf("an order: %v, want 1297", err)
			}
			refund := sampan.RefundRequest{PaymentID: paid.ID, OrderNo: "R", Amount: 1}
			if _, err := shop.Refund(t.Context(), refund); !harness.IsCode(err, "1297") {
				t.Errorf("a refund: %v, want 1297", err)
			}
			status, body := post(t, d.Gateway+"/callback/100001/alipay",
				url.Values{"out_trade_no": {open.ID}})
			if status != http.StatusServiceUnavailable || body != "fail" {
				t.Errorf("callback: %d %q, want 503 and fail", status, body)
			}
			status, body = get(t, open.PayURL)
			if status != http.StatusServiceUnavailable || strings.Contains(body, "panic") {
				t.Errorf("pay link: %d %q, want 503", status, body)
			}
			time.Sleep(2 * time.Second) // the loops run more often than that
			if after := state(t, dir); after != before {
				t.Errorf("something was written: %s became %s", before, after)
			}
			log := gateway.Log()
			if n := strings.Count(log, `"level":"ERROR"`); n != 1 {
				t.Errorf("%d lines are errors, want 1", n)
			}
			if n := strings.Count(log, "again_in"); n != 0 {
				t.Errorf("the loops tried again %d times", n)
			}
			gateway.End(t)
			if after := state(t, dir); after != before {
				t.Errorf("its shutdown has written something: %s became %s", before, after)
			}
		})
	}
}

// replaceByCopy puts a copy of a file in its place.
func replaceByCopy(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path+".new", text, 0o600)
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// state is which of the database's files exist, their sizes and when they were written to.
func state(t *testing.T, dir string) string {
	t.Helper()
	var all []string
	for _, suffix := range []string{"", "-wal"} {
		info, err := os.Stat(filepath.Join(dir, "sampan.db"+suffix))
		if err != nil {
			all = append(all, "none")
			continue
		}
		s := info.Sys().(*syscall.Stat_t)
		all = append(all, fmt.Sprintf("inode %d of %d bytes, written at %v", s.Ino,
			info.Size(), info.ModTime()))
	}
	return strings.Join(all, "; ")
}

func get(t *testing.T, address string) (int, string) {
	t.Helper()
	res, err := http.Get(address)
	return read(t, res, err)
}

func post(t *testing.T, address string, form url.Values) (int, string) {
	t.Helper()
	res, err := http.PostForm(address, form)
	return read(t, res, err)
}

func read(t *testing.T, res *http.Response, err error) (int, string) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}
