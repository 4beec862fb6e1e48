package api

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sampanpay/sampan/internal/web"
)

// The bytes that Python's requests sends for the sample of "QFPay, Alipay
// WAP/H5, sample request".
func TestTheDocumentsPythonSampleGetsAPayLink(t *testing.T) {
	h := newHarness(t)
	sign := signature(map[string]string{
		"txamt": "10", "txcurrcd": "HKD", "pay_type": "801107", "out_trade_no": "01234567890123",
		"txdtm":      "2026-01-02 03:04:05",
		"goods_name": "test1", "return_url": "https://merchant.example/success",
		"notify_url": "https://merchant.example/notify",
	}, false)
	body := "txamt=10&txcurrcd=HKD&pay_type=801107&out_trade_no=01234567890123" +
		"&txdtm=2026-01-02+03%3A04%3A05&goods_name=test1" +
		"&return_url=https%3A%2F%2Fmerchant.example%2Fsuccess" +
		"&notify_url=https%3A%2F%2Fmerchant.example%2Fnotify"
	conn, err := net.Dial("tcp", strings.TrimPrefix(h.url, "http://"))
	must(t, err)
	defer conn.Close()
	fmt.Fprintf(conn,
		"POST /trade/v1/payment HTTP/1.1\r\nHost: test-openapi-hk.qfapi.com\r\nUser-Agent: "+
			"python-requests/2.31.0\r\n"+
			"Accept-Encoding: gzip, deflate\r\nAccept: */*\r\nConnection: keep-alive\r\n"+
			"X-QF-APPCODE: plain\r\nX-QF-SIGN: %s\r\n"+
			"Content-Length: %d\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\n%s",
		sign, len(body), body)
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	must(t, err)
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	must(t, err)

	got := regexp.MustCompile(`^\{"sysdtm":"2026-01-02 11:04:05",` +
		`"paydtm":"2026-01-02 11:04:05","txcurrcd":"HKD","respmsg":"","pay_type":"801107",` +
		`"cardcd":"","udid":"","txdtm":"2026-01-02 03:04:05","txamt":"10","resperr":"success",` +
		`"out_trade_no":"01234567890123",` +
		`"syssn":"20260102100001\d{12}","respcd":"0000","pay_url":"https://pay\.example/pay/[^"]+","chnlsn":""\}\n$`)
	if response.StatusCode != 200 || !got.Match(raw) {
		t.Errorf("got %s %s", response.Status, raw)
	}
	if ct := response.Header.Get("Content-Type"); ct != "application/json; charset=utf-8" {
		t.Errorf("content type is %q", ct)
	}
	if h.stored(t) != 1 {
		t.Error("the order is not stored")
	}
}

func TestPaymentIsTakenInEveryWayThatClientsSendIt(t *testing.T) {
	h := newHarness(t)
	for i, test := range []struct {
		name string
		make func(params map[string]string) *http.Request
	}{
		{"GET", func(p map[string]string) *http.Request {
			r := h.request(t, "/trade/v1/payment?"+encode(p), "", "plain", signature(p, false))
			r.Method, r.Body = "GET", nil
			return r
		}},
		{"raw join with spaces, as the PHP samples send it", func(p map[string]string) *http.Request {
			var parts []string
			for name, value := range p {
				parts = append(parts, name+"="+value)
			}
			return h.request(t, "/trade/v1/payment", strings.Join(parts, "&"), "plain", signature(p, false))
		}},
		{"signature in small letters", func(p map[string]string) *http.Request {
			return h.request(t, "/trade/v1/payment", encode(p), "plain", strings.ToLower(signature(p, false)))
		}},
		{"SHA256", func(p map[string]string) *http.Request {
			r := h.request(t, "/trade/v1/payment", encode(p), "plain", signature(p, true))
			r.Header.Set("X-QF-SIGNTYPE", "sha256")
			return r
		}},
		{"empty values, signed", func(p map[string]string) *http.Request {
			p["udid"], p["extra"] = "", ""
			return h.request(t, "/trade/v1/payment", encode(p), "plain", signature(p, false))
		}},
		{"empty values, left out of the signature", func(p map[string]string) *http.Request {
			sign := signature(p, false)
			p["udid"], p["extra"] = "", ""
			return h.request(t, "/trade/v1/payment", encode(p), "plain", sign)
		}},
		{"a charset", func(p map[string]string) *http.Request {
			r := h.request(t, "/trade/v1/payment", encode(p), "plain", signature(p, false))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")
			return r
		}},
		{"Chinese, plus and quotes", func(p map[string]string) *http.Request {
			p["goods_name"] = `烏龍 + "tea" = <good>`
			return h.request(t, "/trade/v1/payment", encode(p), "plain", signature(p, false))
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := h.do(t, test.make(order("out_trade_no", fmt.Sprint("way-", i))))
			wantCode(t, got, 200, "0000", "")
		})
	}
}

func TestBadValuesAreRefusedAndNothingIsStored(t *testing.T) {
	h := newHarness(t)
	for _, test := range badPayments {
		t.Run(test.name, func(t *testing.T) {
			got := h.pay(t, test.field, test.value)
			wantCode(t, got, 200, "1104", test.rule)
			if !strings.HasPrefix(got.get("respmsg"), test.field+": ") {
				t.Errorf("%q does not name %s", got.get("respmsg"), test.field)
			}
			if keys := got.keys(t); !slices.Equal(keys, []string{"respcd", "resperr", "respmsg"}) {
				t.Errorf("keys are %v", keys)
			}
		})
	}
	if n := h.stored(t); n != 0 {
		t.Errorf("%d payments are stored", n)
	}
}

func TestUnreadableRequestsAreRefused(t *testing.T) {
	h := newHarness(t)
	good := encode(order())
	for _, test := range []struct {
		name, path, body string
		change           func(*http.Request)
		status           int
		message          string
	}{
		{"percent error", "/trade/v1/payment", good + "&udid=%zz", nil, 200, "udid"},
		{"invalid UTF-8", "/trade/v1/payment", good + "&udid=%ff", nil, 200, "udid"},
		{"a parameter twice", "/trade/v1/payment", good + "&txamt=1200", nil, 200, "txamt"},
		{"JSON", "/trade/v1/payment", "{}",
			func(r *http.Request) { r.Header.Set("Content-Type", "application/json") }, 200,
			"application/json"},
		{"a query beside the body", "/trade/v1/payment?udid=1", good, nil, 200, "body"},
		{"an oversized body", "/trade/v1/payment", good + "&udid=" + strings.Repeat("x", maxBody),
			nil, 413, "64 KiB"},
		{"an oversized body of unknown length", "/trade/v1/payment", "", func(r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(io.MultiReader(strings.NewReader(good),
				strings.NewReader(strings.Repeat("x", maxBody)))), -1
		}, 413, "64 KiB"},
		{"another method", "/trade/v1/payment", good, func(r *http.Request) { r.Method = "PUT" },
			405, "POST or GET"},
		{"another method on query", "/trade/v1/query", good,
			func(r *http.Request) { r.Method = "DELETE" }, 405, "POST or GET"},
		{"an unknown path", "/trade/v1/nothing", good, nil, 404, "no such path"},
		{"a path below", "/trade/v1/payment/", good, nil, 404, "no such path"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := h.request(t, test.path, test.body, "plain", signature(order(), false))
			if test.change != nil {
				test.change(r)
			}
			got := h.do(t, r)
			wantCode(t, got, test.status, "1103", test.message)
			if (test.status == 405) != (got.header.Get("Allow") == "GET, POST") {
				t.Errorf("Allow is %q", got.header.Get("Allow"))
			}
		})
	}
	if n := h.stored(t); n != 0 {
		t.Errorf("%d payments are stored", n)
	}
}

func TestARepeatGetsTheSameOrder(t *testing.T) {
	h := newHarness(t)
	first := h.pay(t)
	again := h.pay(t, "txdtm", "2026-01-02 04:00:00")
	wantCode(t, again, 200, "0000", "")
	if again.raw != first.raw {
		t.Errorf("first: %s\nagain: %s", first.raw, again.raw)
	}
	other := h.pay(t, "txamt", "1201")
	wantCode(t, other, 200, "2011", "out_trade_no: ")
	if other.get("out_trade_no") != "A-1" || other.get("syssn") != "" {
		t.Errorf("got %s", other.raw)
	}
	if n := h.stored(t); n != 1 {
		t.Errorf("%d payments are stored", n)
	}
}

func TestManyAtOnceMakeOneOrder(t *testing.T) {
	h := newHarness(t)
	var wait sync.WaitGroup
	seen := make([]string, 16)
	for i := range seen {
		wait.Go(func() { seen[i] = h.pay(t).get("syssn") })
	}
	wait.Wait()
	if seen = slices.Compact(seen); len(seen) != 1 || seen[0] == "" {
		t.Errorf("got %v", seen)
	}
}

func TestARepeatOfAPaidOrderSaysSoAndShowsIt(t *testing.T) {
	h := newHarness(t)
	first := h.pay(t)
	h.pass(time.Minute)
	h.callback(t, "100001/main", "SIGNED "+first.get("syssn")+" T1", 200, "success")
	again := h.pay(t)
	wantCode(t, again, 200, "1260", "paid")
	for name, want := range map[string]string{
		"syssn": first.get("syssn"), "out_trade_no": "A-1", "txamt": "1200", "sysdtm": "2026-01-02 11:04:05",
		"paydtm": "2026-01-02 11:05:05", "chnlsn": "T1", "cardcd": "138****0001",
	} {
		if again.get(name) != want {
			t.Errorf("%s is %q, want %q", name, again.get(name), want)
		}
	}
}

func TestStoresMustBeNamedWhereThereAreAny(t *testing.T) {
	h := newHarness(t)
	for _, test := range []struct{ name, appCode, store, code string }{
		{"needed and named", "chain", "M1", "0000"},
		{"needed and missing", "chain", "", "1242"},
		{"unknown", "chain", "M9", "1241"},
		{"switched off", "chain", "M2", "1243"},
		{"not needed", "plain", "", "0000"},
		{"not needed but named", "plain", "M1", "1241"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := order("mchid", test.store)
			got := h.send(t, "/trade/v1/payment", test.appCode, p)
			wantCode(t, got, 200, test.code, "")
			if test.code != "0000" && !strings.HasPrefix(got.get("respmsg"), "mchid: ") {
				t.Errorf("%q does not name mchid", got.get("respmsg"))
			}
			if test.code == "1243" {
				test.code = "0000" // what there is of its can be asked for
			}
			wantCode(t, h.send(t, "/trade/v1/query", test.appCode, map[string]string{"mchid": test.store}),
				200, test.code, "")
		})
	}
}

func TestWhatIsNotEnabledIsForbidden(t *testing.T) {
	h := newHarness(t)
	for _, changes := range [][]string{
		{"txcurrcd", "THB"},                                  // no account settles in it
		{"pay_type", "801512", "txcurrcd", "JPY"},            // not the account of this pay type
		{"pay_type", "800107", "openid", "2088000000000001"}, // not in this currency
	} {
		wantCode(t, h.pay(t, changes...), 200, "1250", "")
	}
	wantCode(t, h.pay(t, "pay_type", "801512", "out_trade_no", "HK"), 200, "0000", "")
	wantCode(t, h.pay(t, "txcurrcd", "JPY", "out_trade_no", "JP"), 200, "0000", "")
	if n := h.stored(t); n != 2 {
		t.Errorf("%d payments are stored", n)
	}
}

func TestAPanicIsOursAndTellsNothing(t *testing.T) {
	h := newHarness(t)
	handler := h.trade(purpose{},
		func(context.Context, call, *web.Entry) answer { panic("the secret " + clientKey) })
	server := httptest.NewServer(handler)
	defer server.Close()
	r := h.request(t, "/", encode(order()), "plain", signature(order(), false))
	r.URL.Host = strings.TrimPrefix(server.URL, "http://")
	got := h.do(t, r)
	wantCode(t, got, 503, "1252", got.header.Get("X-Request-Id"))
	if strings.Contains(got.raw, "secret") {
		t.Errorf("got %s", got.raw)
	}
	if lines := h.log.lines(t, "request"); len(lines) != 1 || lines[0]["level"] != "ERROR" ||
		!strings.Contains(fmt.Sprint(lines[0]["error"]), "trade_test.go") {
		t.Errorf("the stack is not in the log: %v", lines)
	}
}

func TestEachRequestIsOneLogLineWithoutSecrets(t *testing.T) {
	h := newHarness(t)
	paid := h.pay(t)
	h.pay(t, "txamt", "0")
	h.do(t, h.request(t, "/trade/v1/payment", encode(order()), "nobody\xff"+strings.Repeat("x", 4000), "bad"))
	lines := h.log.lines(t, "request")
	if len(lines) != 3 {
		t.Fatalf("%d lines:\n%s", len(lines), h.log)
	}
	for i, want := range []map[string]any{
		{"method": "POST", "path": "/trade/v1/payment", "app_code": "plain", "respcd": "0000",
			"syssn": paid.get("syssn"), "status": 200.0, "request": paid.header.Get("X-Request-Id")},
		{"respcd": "1104", "code": "bad_parameter", "field": "txamt"},
		{"respcd": "1108", "code": "bad_signature"},
	} {
		for name, value := range want {
			if lines[i][name] != value {
				t.Errorf("line %d: %s is %v, want %v", i, name, lines[i][name], value)
			}
		}
		if _, ok := lines[i]["took"]; !ok {
			t.Errorf("line %d does not tell how long it took", i)
		}
	}
	if log := h.log.String(); strings.Contains(log, clientKey) ||
		strings.Contains(log, signature(order(), false)) ||
		strings.Contains(log, "Oolong") || len(log) > 5000 {
		t.Errorf("the log holds a secret, what was sent, or %d bytes", len(log))
	}
	if paid.header.Get("X-Content-Type-Options") != "nosniff" ||
		paid.header.Get("Cache-Control") != "no-store" {
		t.Errorf("headers are %v", paid.header)
	}
}

func TestQueryTellsOfOnesOwnPayments(t *testing.T) {
	h := newHarness(t)
	first := h.pay(t, "udid", "till", "goods_name", "<Tea> & 茶")
	h.pass(time.Minute)
	second := h.pay(t, "out_trade_no", "B,2", "pay_type", "801512")
	h.callback(t, "100001/main", "SIGNED "+first.get("syssn")+" T1", 200, "success")
	query := func(appCode string, params ...string) (syssn []string, r reply) {
		p := map[string]string{}
		for i := 0; i < len(params); i += 2 {
			p[params[i]] = params[i+1]
		}
		r = h.send(t, "/trade/v1/query", appCode, p)
		wantCode(t, r, 200, "0000", "")
		data, ok := r.fields["data"].([]any)
		if !ok {
			t.Fatalf("data is not a list: %s", r.raw)
		}
		for _, d := range data {
			syssn = append(syssn, d.(map[string]any)["syssn"].(string))
		}
		return syssn, r
	}
	one, two := first.get("syssn"), second.get("syssn")
	for _, test := range []struct {
		name    string
		appCode string
		params  []string
		want    []string
	}{
		{"this month, newest first", "plain", nil, []string{two, one}},
		{"by syssn", "plain", []string{"syssn", one}, []string{one}},
		{"by several", "plain", []string{"syssn", one + "," + two + ",20260102100001000000000000"},
			[]string{two, one}},
		{"by number", "plain", []string{"out_trade_no", "A-1"}, []string{one}},
		{"by a number with a comma", "plain", []string{"out_trade_no", "B,2"}, []string{two}},
		{"by either", "plain", []string{"syssn", two, "out_trade_no", "A-1"}, []string{two, one}},
		{"numbers make the time irrelevant", "plain",
			[]string{"syssn", one, "start_time", "2020-01-01 00:00:00"}, []string{one}},
		{"paid", "plain", []string{"respcd", "0000"}, []string{one}},
		{"waiting", "plain", []string{"respcd", "1143"}, []string{two}},
		{"of a code that nothing has", "plain", []string{"respcd", "9999"}, nil},
		{"by pay type", "plain", []string{"pay_type", "801512"}, []string{two}},
		{"first page", "plain", []string{"page_size", "1"}, []string{two}},
		{"second page", "plain", []string{"page", "2", "page_size", "1"}, []string{one}},
		{"past the end", "plain", []string{"page", "3", "page_size", "1"}, nil},
		{"to the second", "plain",
			[]string{"start_time", "2026-01-02 11:05:05", "end_time", "2026-01-02 11:05:05"}, []string{two}},
		{"in another zone", "plain", []string{"start_time", "2026-01-02 03:04:05", "end_time",
			"2026-01-02 03:04:05", "txzone", "+0000"}, []string{one}},
		{"another app code's", "tight", []string{"syssn", one}, nil},
		{"what never was", "tight", []string{"syssn", "20260102100001000000000000"}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			h.pass(time.Second) // the app code "tight" is allowed two a second
			if got, r := query(test.appCode, test.params...); !slices.Equal(got, test.want) {
				t.Errorf("got %s\nwant %v", r.raw, test.want)
			}
		})
	}

	_, r := query("plain", "syssn", one)
	if want := `{"respcd":"0000","resperr":"success","respmsg":"","page":"1","page_size":"10","data":[{"syssn":"` +
		one + `","out_trade_no":"A-1","txamt":"1200",` +
		`"txcurrcd":"HKD","pay_type":"801107","order_type":"payment","respcd":"0000","errmsg":"success",` +
		`"cancel":"0","txdtm":"2026-01-02 03:04:05",` +
		`"sysdtm":"2026-01-02 11:04:05","paydtm":"2026-01-02 11:05:05",` +
		`"chnlsn":"T1","chnlsn2":"","goods_name":"<Tea> & 茶","goods_info":"","udid":"till",` +
		`"cash_fee":"0","cash_fee_type":"","cash_refund_fee":"0","cash_refund_fee_type":"","exchange_rate":"",` +
		`"cardcd":"138****0001"}]}` + "\n"; r.raw != want {
		t.Errorf("got  %s\nwant %s", r.raw, want)
	}
	wantCode(t, h.send(t, "/trade/v1/query", "plain", map[string]string{"page": "0"}), 200, "1104", "page: ")
	h.pass(time.Second)
	_, theirs := query("tight", "syssn", one)
	_, nobodys := query("tight", "syssn", "20260102100001000000000000")
	if theirs.raw != nobodys.raw {
		t.Errorf("another's: %s\nnobody's: %s", theirs.raw, nobodys.raw)
	}
}
