package api

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/wallet"
)

func md5Hex(s string) string {
	sum := md5.Sum([]byte(s))
	return hex.EncodeToString(sum[:])
}

// callback posts what a wallet would and checks the answer.
func (h *harness) callback(t *testing.T, to, body string, status int, answer string) {
	t.Helper()
	response, err := http.Post(h.url+"/callback/"+to,
		"application/x-www-form-urlencoded; text/html; charset=UTF-8", strings.NewReader(body))
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
	h := newHarness(t)
	id := h.pay(t).get("syssn")
	for range 2 { // a replay is harmless, and answered alike
		h.callback(t, "100001/main", "SIGNED "+id+" T1", 200, "success")
		p, err := h.Store.Payment(t.Context(), "100001", id)
		if err != nil || p.Status != pay.Paid || p.TradeNo != "T1" {
			t.Fatalf("got %+v, %v", p, err)
		}
	}
	lines, err := h.Store.Movements(t.Context(), "100001", id)
	if err != nil || len(lines) != 1 {
		t.Errorf("%d lines in the money record, %v", len(lines), err)
	}
}

func TestARefusedCallbackIsLoggedWithItsReason(t *testing.T) {
	h := newHarness(t)
	id := h.pay(t).get("syssn")
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
			before := len(h.log.lines(t, "callback refused"))
			h.callback(t, test.to, test.body, test.status, "fail")
			lines := h.log.lines(t, "callback refused")
			if len(lines) != before+1 {
				t.Fatalf("%d lines in the log", len(lines)-before)
			}
			if line := lines[before]; line["level"] != "WARN" ||
				!strings.Contains(fmt.Sprint(line["reason"]), test.reason) {
				t.Errorf("logged %v", line)
			}
			if p, err := h.Store.Payment(t.Context(), "100001", id); err != nil || p.Status != pay.Pending {
				t.Errorf("the payment is %s, %v", p.Status, err)
			}
		})
	}
	response, err := http.Get(h.url + "/callback/100001/main")
	must(t, err)
	response.Body.Close()
	if response.StatusCode != 405 || response.Header.Get("Allow") != "POST" {
		t.Errorf("GET answered %s", response.Status)
	}
}

// A wallet may sign the path, and want a signed answer, to what is taken and to
// what is not.
func TestCallbackGoesInAndOutAsItIs(t *testing.T) {
	h := newHarness(t)
	id := h.payInApp(t).get("syssn")
	for name, test := range map[string]struct {
		path, body string
		reply      wallet.Reply
		want       wallet.Reply
	}{
		"taken": {
			"/callback/100001/window?from=a%2Fb&c", "SIGNED " + id + " T1",
			wallet.Reply{Header: http.Header{"Signature": {"s=1"}}, ContentType: "application/json",
				Body: []byte(`{"ok":1}`)},
			wallet.Reply{Status: 200, Header: http.Header{"Signature": {"s=1"}},
				ContentType: "application/json",
				Body:        []byte(`{"ok":1}`)},
		},
		"taken, with another status": {
			"/callback/100001/window", "SIGNED " + id + " T1", wallet.Reply{Status: 204},
			wallet.Reply{Status: 204, ContentType: "text/plain; charset=utf-8"},
		},
		"refused": {
			"/callback/100001/%77indow", "FORGED",
			wallet.Reply{Header: http.Header{"Signature": {"s=2"}}, ContentType: "application/json"},
			wallet.Reply{Status: 403, Header: http.Header{"Signature": {"s=2"}},
				ContentType: "application/json", Body: []byte("bad_signature")},
		},
		"refused, with a status of its own": {
			"/callback/100001/window", "FORGED", wallet.Reply{Status: 200},
			wallet.Reply{Status: 200, ContentType: "text/plain; charset=utf-8",
				Body: []byte("bad_signature")},
		},
		"about another order": {
			"/callback/100001/window", "SIGNED 20260102100001000000000000 T1", wallet.Reply{},
			wallet.Reply{Status: 403, ContentType: "text/plain; charset=utf-8",
				Body: []byte("bad_signature")},
		},
	} {
		t.Run(name, func(t *testing.T) {
			h.window.mu.Lock()
			h.window.reply, h.window.posted = test.reply, wallet.Callback{}
			h.window.mu.Unlock()
			r, err := http.NewRequest("POST", h.url+test.path, strings.NewReader(test.body))
			must(t, err)
			r.Header.Set("Request-Time", "now")
			response, err := http.DefaultClient.Do(r)
			must(t, err)
			defer response.Body.Close()
			body, err := io.ReadAll(response.Body)
			must(t, err)
			got := wallet.Reply{Status: response.StatusCode, ContentType: response.Header.Get("Content-Type"),
				Body: body}
			if s := response.Header.Values("Signature"); len(s) > 0 {
				got.Header = http.Header{"Signature": s}
			}
			if diff := cmp.Diff(test.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
			posted := h.window.posted
			if posted.Method != "POST" || posted.Path != test.path ||
				posted.Header.Get("Request-Time") != "now" || string(posted.Body) != test.body {
				t.Errorf("the connector was given %+v", posted)
			}
		})
	}
	// What never reaches the wallet's connector is refused in our own words.
	h.callback(t, "100001/window", strings.Repeat("x", maxBody+1), 413, "fail")
	h.callback(t, "100001/other", "SIGNED", 404, "fail")
}

func TestACallbackThatBreaksUsIsSentAgain(t *testing.T) {
	h := newHarness(t)
	h.callback(t, "100001/main", "PANIC", 503, "fail")
	if lines := h.log.lines(t, "request"); len(lines) != 1 || lines[0]["level"] != "ERROR" ||
		!strings.Contains(fmt.Sprint(lines[0]["error"]), "paper jam") {
		t.Errorf("logged %v", lines)
	}
}
