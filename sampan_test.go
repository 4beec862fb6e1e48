package sampan_test

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sampanpay/sampan"
)

const testKey = "abcd1234"

// gateway is a server that checks requests by the documented algorithm, written independently of
// the client. It answers with its handlers in turn. The last one answers all further requests.
type gateway struct {
	*sampan.Client
	mu     sync.Mutex
	bodies []string // as received, each after its path
}

// sent returns the requests so far.
func (g *gateway) sent() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.bodies
}

func newGateway(t *testing.T, answers ...http.HandlerFunc) *gateway {
	g := &gateway{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		form, err := url.ParseQuery(string(body))
		if err != nil {
			t.Error(err)
		}
		joined := ""
		for i, name := range slices.Sorted(maps.Keys(form)) {
			if i > 0 {
				joined += "&"
			}
			joined += name + "=" + form.Get(name)
		}
		want := fmt.Sprintf("%X", sha256.Sum256([]byte(joined+testKey)))
		if r.Header.Get("X-QF-SIGNTYPE") == "MD5" {
			want = fmt.Sprintf("%X", md5.Sum([]byte(joined+testKey)))
		}
		if got := r.Header.Get("X-QF-SIGN"); got != want {
			t.Errorf("signature %s, want %s over %s", got, want, joined)
		}
		if r.Method != "POST" || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" ||
			r.Header.Get("X-QF-APPCODE") != "APP1" {
			t.Errorf("%s with %v", r.Method, r.Header)
		}
		g.mu.Lock()
		g.bodies = append(g.bodies, r.URL.Path+" "+string(body))
		turn := min(len(g.bodies), len(answers)) - 1
		g.mu.Unlock()
		answers[turn](w, r)
	}))
	t.Cleanup(server.Close)
	g.Client = &sampan.Client{
		BaseURL: server.URL + "/", AppCode: "APP1", ClientKey: testKey,
		Backoff: func(int) time.Duration { return 0 },
	}
	return g
}

func answer(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

func cut(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) }

const accepted = `{"sysdtm": "2026-01-02 03:04:06", "paydtm": "2026-01-02 03:04:06", "txcurrcd": "HKD", "respmsg": "",
	"pay_type": "801107", "cardcd": "", "udid": "", "txdtm": "2026-01-02 03:04:05", "txamt": "300",
	"resperr": "success", "out_trade_no": "T1", "syssn": "20260102000001123456789012", "respcd": "0000",
	"pay_url": "https://pay.example/pay/x", "chnlsn": ""}`

var order = sampan.PaymentRequest{
	PayType: sampan.Alipay, Amount: 300, Currency: "HKD", OrderNo: "T1",
	Time: time.Date(2026, 1, 1, 19, 4, 5, 0, time.UTC),
}

func TestPayFormAndAnswer(t *testing.T) {
	g := newGateway(t, answer(200, accepted))
	got, err := g.Pay(t.Context(), order)
	if err != nil {
		t.Fatal(err)
	}
	want := sampan.Payment{
		ID: "20260102000001123456789012", OrderNo: "T1", PayType: "801107", Amount: 300, Currency: "HKD",
		PayURL: "https://pay.example/pay/x", CreatedAt: got.CreatedAt,
	}
	if *got != want || !got.CreatedAt.Equal(time.Date(2026, 1, 1, 19, 4, 6, 0, time.UTC)) {
		t.Errorf("got %+v", got)
	}
	const form = "/trade/v1/payment out_trade_no=T1&pay_type=801107&txamt=300&txcurrcd=HKD" +
		"&txdtm=2026-01-02+03%3A04%3A05"
	if g.sent()[0] != form {
		t.Errorf("sent %s, want %s", g.sent()[0], form)
	}
}

func TestPayWithEveryOptionAndMD5(t *testing.T) {
	g := newGateway(t, answer(200,
		`{"respcd":"0000","txamt":100,"pay_params":{"tradeNO":"2026010222001","url":"https://pay.example/app/x"}}`))
	g.SignType, g.StoreID, g.Zone = sampan.MD5, "S1", time.UTC
	r := order
	r.PayType, r.GoodsName, r.ReturnURL, r.NotifyURL = sampan.AlipayServiceWindow, "凍頂 1+1=2 & 茶",
		"https://m.example/r?a=1&b=2", "https://m.example/n"
	r.OpenID, r.ExpiresIn, r.NoCredit, r.DeviceID = "2088000000000001", 90*time.Minute, true, "till 7"
	got, err := g.Pay(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if got.TradeNo != "2026010222001" || got.PayURL != "https://pay.example/app/x" || got.Amount != 100 {
		t.Errorf("got %+v", got)
	}
	want := map[string]string{
		"pay_type": "800107", "txamt": "300", "txcurrcd": "HKD", "out_trade_no": "T1",
		"txdtm": "2026-01-01 19:04:05", "goods_name": r.GoodsName, "return_url": r.ReturnURL,
		"notify_url": r.NotifyURL, "openid": r.OpenID, "expired_time": "90", "limit_pay": "no_credit",
		"udid": "till 7", "mchid": "S1", "txzone": "+0000",
	}
	form, err := url.ParseQuery(strings.TrimPrefix(g.sent()[0], "/trade/v1/payment "))
	if err != nil || len(form) != len(want) {
		t.Errorf("sent %v, %v", form, err)
	}
	for name, value := range want {
		if form.Get(name) != value {
			t.Errorf("%s = %q, want %q", name, form.Get(name), value)
		}
	}
}

func TestErrorHasTheCode(t *testing.T) {
	g := newGateway(t, answer(200,
		`{"respcd":"1104","resperr":"parameter error","respmsg":"txamt: must be above 0"}`))
	_, err := g.Pay(t.Context(), order)
	var e *sampan.Error
	if !errors.As(err, &e) || e.Code != sampan.CodeBadParameter || e.Message != "parameter error" ||
		e.Detail != "txamt: must be above 0" || e.HTTPStatus != 200 {
		t.Fatalf("got %#v", err)
	}
	if want := "sampan: 1104 parameter error: txamt: must be above 0"; err.Error() != want {
		t.Errorf("text %q, want %q", err, want)
	}
	if len(g.sent()) != 1 {
		t.Errorf("%d attempts", len(g.sent()))
	}
}

func TestTemporaryErrorsAreRetried(t *testing.T) {
	for name, trouble := range map[string]http.HandlerFunc{
		"connection cut":    cut,
		"half an answer":    answer(200, "{", "Content-Length", "100"),
		"bad gateway":       answer(502, "<html>"),
		"unavailable":       answer(503, "<html>"),
		"gateway timeout":   answer(504, ""),
		"in progress":       answer(200, `{"respcd":"1102"}`),
		"wallet slow":       answer(200, `{"respcd":"1296"}`),
		"wallet busy":       answer(200, `{"respcd":"1297"}`),
		"too many requests": answer(429, `{"respcd":"1297"}`, "Retry-After", "0"),
	} {
		t.Run(name, func(t *testing.T) {
			g := newGateway(t, trouble, trouble, answer(200, accepted))
			clock := order.Time
			g.Now = func() time.Time { clock = clock.Add(time.Minute); return clock }
			r := order
			r.Time = time.Time{}
			if _, err := g.Pay(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			if len(g.sent()) != 3 || g.sent()[0] != g.sent()[2] {
				t.Errorf("sent %q", g.sent())
			}
		})
		t.Run(name+", for good", func(t *testing.T) {
			g := newGateway(t, trouble)
			if _, err := g.Query(t.Context(), sampan.QueryRequest{}); err == nil || len(g.sent()) != 3 {
				t.Errorf("%v after %d attempts", err, len(g.sent()))
			}
		})
		t.Run(name+", retries turned off", func(t *testing.T) {
			g := newGateway(t, trouble)
			g.Attempts = 1
			if _, err := g.Pay(t.Context(), order); err == nil || len(g.sent()) != 1 {
				t.Errorf("%v after %d attempts", err, len(g.sent()))
			}
		})
	}
}

func TestPermanentErrorsAreNotRetried(t *testing.T) {
	for name, trouble := range map[string]http.HandlerFunc{
		"unknown outcome":          answer(200, `{"respcd":"1298"}`),
		"wrong signature":          answer(200, `{"respcd":"1108"}`),
		"server error":             answer(500, "oops"),
		"not the API":              answer(200, "<html>"),
		"no code":                  answer(200, "{}"),
		"null":                     answer(200, "null"),
		"a redirect":               answer(307, "", "Location", "/elsewhere"),
		"too much":                 answer(200, accepted+strings.Repeat(" ", 1<<20)),
		"success under status 500": answer(500, accepted),
		"a broken amount":          answer(200, `{"respcd":"0000","txamt":"3.00"}`),
		"long pause":               answer(429, `{"respcd":"1297"}`, "Retry-After", "11"),
	} {
		t.Run(name, func(t *testing.T) {
			g := newGateway(t, trouble)
			got, err := g.Pay(t.Context(), order)
			if err == nil || got != nil || len(g.sent()) != 1 {
				t.Errorf("%v, %v after %d attempts", got, err, len(g.sent()))
			}
		})
	}
}

func TestErrorHasRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"42": 42 * time.Second, now.Add(time.Hour).Format(http.TimeFormat): time.Hour,
		now.Add(-time.Hour).Format(http.TimeFormat): 0, "soon": 0, "-1": 0, "99999999999999": 0,
	} {
		g := newGateway(t, answer(429, `{"respcd":"1297"}`, "Retry-After", value))
		g.Attempts, g.Now = 1, func() time.Time { return now }
		_, err := g.Pay(t.Context(), order)
		var e *sampan.Error
		if !errors.As(err, &e) || e.HTTPStatus != 429 || e.RetryAfter != want {
			t.Errorf("%q: got %#v", value, err)
		}
	}
}

// trip is a transport without a network, for tests with a fake clock.
type trip func(*http.Request) (*http.Response, error)

func (f trip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func busy(retryAfter string) trip {
	return func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 503, Header: http.Header{"Retry-After": {retryAfter}},
			Body: http.NoBody}, nil
	}
}

func TestPauseBetweenAttempts(t *testing.T) {
	for name, c := range map[string]struct {
		retryAfter string
		deadline   time.Duration
		min, max   time.Duration
	}{
		"back off":                       {min: 300 * time.Millisecond, max: 600 * time.Millisecond},
		"as long as the gateway asks":    {retryAfter: "3", min: 6 * time.Second, max: 6 * time.Second},
		"not past the caller's deadline": {retryAfter: "3", deadline: 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := sampan.Client{BaseURL: "http://gateway", AppCode: "A", ClientKey: testKey,
					HTTPClient: &http.Client{Transport: busy(c.retryAfter)}}
				ctx := t.Context()
				if c.deadline > 0 {
					var cancel func()
					ctx, cancel = context.WithTimeout(ctx, c.deadline)
					defer cancel()
				}
				start := time.Now()
				_, err := client.Pay(ctx, order)
				if took := time.Since(start); took < c.min || took > c.max {
					t.Errorf("took %v, want %v to %v", took, c.min, c.max)
				}
				if e := (*sampan.Error)(nil); !errors.As(err, &e) || e.HTTPStatus != 503 {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}

func TestCancelledCallEndsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		client := sampan.Client{BaseURL: "http://gateway", AppCode: "A", ClientKey: testKey,
			HTTPClient: &http.Client{Transport: busy("9")}}
		time.AfterFunc(time.Second, cancel)
		start := time.Now()
		if _, err := client.Pay(ctx, order); err == nil || time.Since(start) != time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

func TestIncompleteClientIsRefused(t *testing.T) {
	for name, c := range map[string]sampan.Client{
		"no address": {AppCode: "A", ClientKey: "k"},
		"no app":     {BaseURL: "http://127.0.0.1:1", ClientKey: "k"},
		"no key":     {BaseURL: "http://127.0.0.1:1", AppCode: "A"},
		"sign type":  {BaseURL: "http://127.0.0.1:1", AppCode: "A", ClientKey: "k", SignType: "SHA1"},
		"address":    {BaseURL: ":", AppCode: "A", ClientKey: "k"},
	} {
		c.Backoff = func(int) time.Duration { t.Errorf("%s: tried again", name); return 0 }
		if _, err := c.Pay(t.Context(), order); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	g, r := newGateway(t, answer(200, accepted)), order
	r.ExpiresIn = 90 * time.Second
	if _, err := g.Pay(t.Context(), r); err == nil || len(g.sent()) > 0 {
		t.Errorf("half a minute: %v", err)
	}
}

func TestKeyIsNotPrinted(t *testing.T) {
	c := sampan.Client{BaseURL: "http://127.0.0.1:1", AppCode: "A", ClientKey: "sesame", Attempts: 1}
	_, err := c.Pay(t.Context(), order)
	for _, s := range []string{fmt.Sprintf("%v %+v %#v %s %q %d", c, c, c, c, c, c),
		fmt.Sprintf("%v %+v %#v", &c, &c, &c), err.Error(), fmt.Sprintf("%#v", err)} {
		if strings.Contains(s, "sesame") {
			t.Errorf("printed %s", s)
		}
	}
}

func TestQueryFormAndAnswer(t *testing.T) {
	g := newGateway(t, answer(200, `{"respcd":"0000","resperr":"success","respmsg":"","page":"2","page_size":"50",
		"data":[
		{"syssn":"1","out_trade_no":"T1","txamt":"300","txcurrcd":"HKD","pay_type":"801107","order_type":"payment",
		 "respcd":"0000","errmsg":"success","cancel":"5","txdtm":"2026-01-02 03:04:05",
		 "sysdtm":"2026-01-02 03:04:06","paydtm":"2026-01-02 03:05:07","chnlsn":"W1","goods_name":"茶","udid":"u",
		 "cash_fee":"280","cash_fee_type":"CNY","exchange_rate":"0.93","cardcd":"2088***","mchid":"S1",
		 "brand_new":{"x":[1]}},
		{"syssn":2,"out_trade_no":"R1","txamt":100,"txcurrcd":"HKD","order_type":"refund","respcd":"1143",
		 "origssn":"1","paydtm":"2026-01-02 03:05:07"}]}`))
	g.StoreID = "S0"
	hour := time.Date(2026, 1, 31, 18, 0, 0, 0, time.UTC)
	got, err := g.Query(t.Context(), sampan.QueryRequest{
		IDs: []string{"1", "2"}, OrderNos: []string{"T1"},
		PayTypes: []sampan.PayType{sampan.Alipay, sampan.AlipayHK}, Code: sampan.CodeSuccess,
		From: hour, To: hour.Add(time.Hour), Page: 2, PageSize: 50, StoreID: "S1",
	})
	if err != nil {
		t.Fatal(err)
	}
	sent, _ := url.QueryUnescape(g.sent()[0])
	const form = "/trade/v1/query end_time=2026-02-01 03:00:00&mchid=S1&out_trade_no=T1&page=2&page_size=50" +
		"&pay_type=801107,801512&respcd=0000&start_time=2026-02-01 02:00:00&syssn=1,2"
	if sent != form {
		t.Errorf("sent %s,\nwant %s", sent, form)
	}
	if got.Page != 2 || got.PageSize != 50 || len(got.Transactions) != 2 {
		t.Fatalf("got %+v", got)
	}
	paid, refund := got.Transactions[0], got.Transactions[1]
	at := func(m, s int) time.Time { return time.Date(2026, 1, 1, 19, m, s, 0, time.UTC) }
	if !paid.ClientTime.Equal(at(4, 5)) || !paid.CreatedAt.Equal(at(4, 6)) || !paid.PaidAt.Equal(at(5, 7)) {
		t.Errorf("times of %+v", paid)
	}
	paid.ClientTime, paid.CreatedAt, paid.PaidAt = time.Time{}, time.Time{}, time.Time{}
	if want := (sampan.Transaction{
		ID: "1", OrderNo: "T1", StoreID: "S1", PayType: "801107", Amount: 300,
		Currency: "HKD", GoodsName: "茶", DeviceID: "u", WalletNo: "W1",
		BuyerID: "2088***", Code: "0000", Message: "success", Cancel: "5", CashFee: 280, CashCurrency: "CNY",
		ExchangeRate: "0.93",
	}); paid != want || !paid.Paid() {
		t.Errorf("got %+v", paid)
	}
	want := sampan.Transaction{
		ID: "2", OrderNo: "R1", Refund: true, OriginalID: "1", Amount: 100, Currency: "HKD", Code: "1143",
	}
	if refund != want || refund.Paid() || !refund.Code.Pending() {
		t.Errorf("got %+v", refund)
	}
}

func TestQueryWithoutFiltersSendsAnEmptyForm(t *testing.T) {
	g := newGateway(t, answer(200, `{"respcd":"0000","data":[]}`))
	got, err := g.Query(t.Context(), sampan.QueryRequest{})
	if err != nil || len(got.Transactions) != 0 || g.sent()[0] != "/trade/v1/query " {
		t.Errorf("%+v, %v, sent %q", got, err, g.sent())
	}
}

func TestQueryRefusesAnAnswerWithoutItsData(t *testing.T) {
	for _, body := range []string{`{"respcd":"0000"}`, `{"respcd":"0000","data":"x"}`,
		`{"respcd":"0000","data":[{"txamt":"1e3"}]}`} {
		g := newGateway(t, answer(200, body))
		if got, err := g.Query(t.Context(), sampan.QueryRequest{}); err == nil || got != nil {
			t.Errorf("%s: %+v, %v", body, got, err)
		}
	}
}

// signed returns a notification with this body, signed as documented.
func signed(body, key string) *http.Request {
	sum := md5.Sum([]byte(body + key))
	r := httptest.NewRequest("POST", "/notify", strings.NewReader(body))
	r.Header.Set("X-QF-SIGN", strings.ToUpper(hex.EncodeToString(sum[:])))
	return r
}
