package api

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/sampanpay/sampan/internal/pay"
)

func md5Hex(s string) string {
	sum := md5.Sum([]byte(s))
	return hex.EncodeToString(sum[:])
}

// callback posts what a wallet would and checks the answer.
func (o *office) callback(t *testing.T, to, body string, status int, answer string) {
	t.Helper()
	response, err := http.Post(o.url+"/callback/"+to, "application/x-www-form-urlencoded; text/html; charset=UTF-8", strings.NewReader(body))
	must(t, err)
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	must(t, err)
	if response.StatusCode != status || string(got) != answer {
		t.Errorf("%s answered %d %q, want %d %q", to, response.StatusCode, got, status, answer)
	}
	if ct := response.Header.Get("Content-Type"); ct != "text/plain; charset=utf-8" {
		t.Errorf("content type is %q", ct)
	}
}

func TestACallbackIsAnsweredOnceItIsDurable(t *testing.T) {
	o := newOffice(t)
	id := o.pay(t).get("syssn")
	for range 2 { // a replay is harmless, and answered alike
		o.callback(t, "100001/main", "SIGNED "+id+" T1", 200, "success")
		p, err := o.Store.Payment(t.Context(), "100001", id)
		if err != nil || p.Status != pay.Paid || p.TradeNo != "T1" {
			t.Fatalf("got %+v, %v", p, err)
		}
	}
	lines, err := o.Store.Movements(t.Context(), "100001", id)
	if err != nil || len(lines) != 1 {
		t.Errorf("%d lines in the money record, %v", len(lines), err)
	}
}

func TestARefusedCallbackIsLoggedWithItsReason(t *testing.T) {
	o := newOffice(t)
	id := o.pay(t).get("syssn")
	for _, test := range []struct {
		name, to, body string
		status         int
		reason         string
	}{
		{"forged", "100001/main", "FORGED " + id + " T1", 403, "wrong signature on the paper"},
		{"empty", "100001/main", "", 403, "wrong signature"},
		{"of an unknown order", "100001/main", "SIGNED 20260102100001000000000000 T1", 403, "unknown"},
		{"another merchant's account", "100002/main", "SIGNED " + id + " T1", 403, "unknown"},
		{"an account that is none", "100001/other", "SIGNED " + id + " T1", 404, ""},
		{"a merchant that is none", "999999/main", "SIGNED " + id + " T1", 404, ""},
		{"an address of another shape", "100001/a%00b", "SIGNED " + id + " T1", 404, "not an address"},
		{"a merchant of another shape", "..%2f100001/main", "SIGNED " + id + " T1", 404, "not an address"},
		{"oversized", "100001/main", "SIGNED " + id + " T1" + strings.Repeat(" ", maxBody), 413, "64 KiB"},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := len(o.log.lines(t, "callback refused"))
			o.callback(t, test.to, test.body, test.status, "fail")
			lines := o.log.lines(t, "callback refused")
			if len(lines) != before+1 {
				t.Fatalf("%d lines in the log", len(lines)-before)
			}
			if line := lines[before]; line["level"] != "WARN" || !strings.Contains(fmt.Sprint(line["reason"]), test.reason) {
				t.Errorf("logged %v", line)
			}
			if p, err := o.Store.Payment(t.Context(), "100001", id); err != nil || p.Status != pay.Pending {
				t.Errorf("the payment is %s, %v", p.Status, err)
			}
		})
	}
	response, err := http.Get(o.url + "/callback/100001/main")
	must(t, err)
	response.Body.Close()
	if response.StatusCode != 405 || response.Header.Get("Allow") != "POST" {
		t.Errorf("GET answered %s", response.Status)
	}
}

func TestACallbackThatBreaksUsIsSentAgain(t *testing.T) {
	o := newOffice(t)
	o.callback(t, "100001/main", "PANIC", 503, "fail")
	if lines := o.log.lines(t, "request"); len(lines) != 1 || lines[0]["level"] != "ERROR" || !strings.Contains(fmt.Sprint(lines[0]["error"]), "paper jam") {
		t.Errorf("logged %v", lines)
	}
}
