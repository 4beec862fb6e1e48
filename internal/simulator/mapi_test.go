package simulator

import (
	"crypto/md5"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/sampanpay/sampan/internal/wire/mapi"
)

// The vectors' signatures were made with md5sum by the vendor's rule, not by this program.
func TestGatewayAcceptsForeignVectors(t *testing.T) {
	wap := "_input_charset=UTF-8&currency=USD&notify_url=https%3A%2F%2Fshop.example%2Fn%3Fx%3D1%26y%3D2" +
		"&out_trade_no=T-1001&partner=2088000000000001&product_code=NEW_WAP_OVERSEAS_SELLER" +
		"&return_url=https%3A%2F%2Fshop.example%2Fr" +
		"&service=create_forex_trade_wap&subject=Tea+%E8%8C%B6+%26+cake&total_fee=12.34" +
		"&body=&sign_type=MD5&sign="
	jpy := "_input_charset=UTF-8&currency=JPY&out_trade_no=T-1002&partner=2088000000000001" +
		"&product_code=NEW_WAP_OVERSEAS_SELLER&service=create_forex_trade_wap&subject=Book&total_fee=1200" +
		"&sign_type=MD5&sign="
	query := "_input_charset=UTF-8&out_trade_no=T-1001&partner=2088000000000001" +
		"&service=single_trade_query&sign_type=MD5&sign="
	refund := "_input_charset=UTF-8&currency=USD&gmt_return=20260102030405&is_sync=Y&out_return_no=R-1" +
		"&out_trade_no=T-1001" +
		"&partner=2088000000000001&product_code=NEW_WAP_OVERSEAS_SELLER&reason=return&return_amount=2.34" +
		"&service=forex_refund&sign_type=MD5&sign="
	for _, c := range []struct{ name, form, sign, want string }{
		{"A, create", wap, "bcb6021b0eaa1c2676cc278eefc860a6", "302"},
		{"B, create in yen", jpy, "36e9c006fc666595289b389a7af02d90", "302"},
		{"E, refund", refund, "75624c0bf17fcf535c3613e7c4d681c9", "PURCHASE_TRADE_NOT_EXIST"},
		{"F, query", query, "ba29b3e553fcc73ff20a73ac94c860b9", "TRADE_NOT_EXIST"},
		{"A with B's signature", wap, "36e9c006fc666595289b389a7af02d90", "ILLEGAL_SIGN"},
		{"A in capitals", wap, "BCB6021B0EAA1C2676CC278EEFC860A6", "ILLEGAL_SIGN"},
		{"A unsigned", wap, "", "ILLEGAL_SIGN"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHarness(t, nil)
			rec := h.get(h.sim.Wallet(), "/gateway.do?"+c.form+c.sign)
			if got := fmt.Sprint(rec.Code) + rec.Body.String(); !strings.Contains(got, c.want) {
				t.Errorf("got %d %s, want %s", rec.Code, rec.Body, c.want)
			}
			post := httptest.NewRequest("POST", "/gateway.do?_input_charset=UTF-8",
				strings.NewReader(c.form+c.sign))
			rec = httptest.NewRecorder()
			h.sim.Wallet().ServeHTTP(rec, post)
			if got := fmt.Sprint(rec.Code) + rec.Body.String(); !strings.Contains(got, c.want) {
				t.Errorf("posted: got %d %s, want %s", rec.Code, rec.Body, c.want)
			}
		})
	}
}

// Each row also has the mistakes of all later rows, so the order of the checks decides.
func TestGatewayChecksInDocumentedOrder(t *testing.T) {
	rows := []struct{ code, field, value string }{
		{"ILLEGAL_SERVICE", "service", "create_gold"},
		{"ILLEGAL_PARTNER", "partner", "2088999999999999"},
		{"ILLEGAL_SIGN_TYPE", "sign_type", "CRC32"},
		{"ILLEGAL_SECURITY_PROFILE", "sign_type", "RSA2"},
		{"ILLEGAL_CHARSET", "_input_charset", "GBK"},
		{"ILLEGAL_SIGN", "sign", "0123456789abcdef0123456789abcdef"},
		{"ILLEGAL_PARTNER_EXTERFACE", "partner", "2088000000000002"},
		{"ILLEGAL_ARGUMENT", "out_trade_no", ""},
		{"ILLEGAL_CURRENCY", "currency", "XYZ"},
	}
	h := newHarness(t, nil)
	for i, row := range rows {
		m := orderFor("T-1")
		var sign, signType string
		for k := len(rows) - 1; k >= i; k-- {
			switch r := rows[k]; r.field {
			case "sign":
				sign = r.value
			case "sign_type":
				signType = r.value
			default:
				m[r.field] = r.value
			}
		}
		m = signed(t, m)
		if sign != "" {
			m["sign"] = sign
		}
		if signType != "" {
			m["sign_type"] = signType
		}
		rec := h.get(h.sim.Wallet(), "/gateway.do?"+m.Encode(), "Accept", "text/html")
		if !strings.Contains(rec.Body.String(), `<code id="error-code">`+row.code+"</code>") {
			t.Errorf("%s: got %d %s", row.code, rec.Code, rec.Body)
		}
		if rec.Code != 200 || !strings.Contains(rec.Body.String(), "Simulator") {
			t.Errorf("%s: status %d, or the page does not say that it is a simulator", row.code, rec.Code)
		}
	}
	if len(h.sim.attempts) != 0 {
		t.Error("a refused request left an order behind")
	}
}

func TestCreateChecksEveryParameter(t *testing.T) {
	long := strings.Repeat("x", 7000)
	for _, c := range []struct {
		name, code string
		pairs      []string
	}{
		{"no subject", "ILLEGAL_ARGUMENT", []string{"subject", ""}},
		{"no currency", "ILLEGAL_ARGUMENT", []string{"currency", ""}},
		{"no product code", "ILLEGAL_ARGUMENT", []string{"product_code", ""}},
		{"the PC's product code", "ILLEGAL_ARGUMENT", []string{"product_code", "NEW_OVERSEAS_SELLER"}},
		{"a subject of 256 bytes", "ILLEGAL_ARGUMENT", []string{"subject", long[:256]}},
		{"a subject of 258 bytes in 86 characters", "ILLEGAL_ARGUMENT",
			[]string{"subject", strings.Repeat("茶", 86)}},
		{"a subject of two lines", "ILLEGAL_ARGUMENT", []string{"subject", "a\nb"}},
		{"an order number of 65", "ILLEGAL_ARGUMENT", []string{"out_trade_no", long[:65]}},
		{"a body of 401", "ILLEGAL_ARGUMENT", []string{"body", long[:401]}},
		{"a script as return_url", "ILLEGAL_ARGUMENT", []string{"return_url", "javascript:alert(1)"}},
		{"a path as return_url", "ILLEGAL_ARGUMENT", []string{"return_url", "/r"}},
		{"a notify_url of 201", "ILLEGAL_ARGUMENT",
			[]string{"notify_url", "https://shop.example/" + long[:180]}},
		{"both prices", "ILLEGAL_ARGUMENT", []string{"rmb_fee", "80.00"}},
		{"no price", "ILLEGAL_ARGUMENT", []string{"total_fee", ""}},
		{"nothing", "ILLEGAL_ARGUMENT", []string{"total_fee", "0.00"}},
		{"less than nothing", "ILLEGAL_ARGUMENT", []string{"total_fee", "-1.00"}},
		{"three decimals", "ILLEGAL_ARGUMENT", []string{"total_fee", "1.234"}},
		{"an exponent", "ILLEGAL_ARGUMENT", []string{"total_fee", "1e3"}},
		{"more than a million", "ILLEGAL_ARGUMENT", []string{"total_fee", "1000000.01"}},
		{"yen with decimals", "ILLEGAL_ARGUMENT", []string{"currency", "JPY", "total_fee", "1200.00"}},
		{"an unknown wallet", "ILLEGAL_ARGUMENT", []string{"payment_inst", "ALIPAYMO"}},
		{"an unknown currency", "ILLEGAL_CURRENCY", []string{"currency", "XYZ"}},
		{"yuan as settlement currency", "ILLEGAL_CURRENCY", []string{"currency", "CNY"}},
		{"a currency outside the contract", "FOREX_MERCHANT_NOT_SUPPORT_THIS_CURRENCY",
			[]string{"currency", "GBP"}},
		{"AlipayHK in dollars of the US", "FOREX_MERCHANT_NOT_SUPPORT_THIS_CURRENCY",
			[]string{"payment_inst", "ALIPAYHK"}},
		{"AlipayHK priced in yuan", "ILLEGAL_ARGUMENT",
			[]string{"payment_inst", "ALIPAYHK", "currency", "HKD", "total_fee", "", "rmb_fee", "1.00"}},
		{"AlipayHK above its limit", "ILLEGAL_ARGUMENT",
			[]string{"payment_inst", "ALIPAYHK", "currency", "HKD", "total_fee", "50000.01"}},
		{"a timeout that is not enabled", "ILLEGAL_TIMEOUT_RULE", []string{"timeout_rule", "1d"}},
		{"an acquirer without its merchant", "ILLEGAL_ARGUMENT", []string{"partner", "2088000000000003"}},
		{"PC, validity too short", "ILLEGAL_ARGUMENT",
			[]string{"service", createPC, "order_gmt_create", "2026-01-02 03:00:00",
				"order_valid_time", "60"}},
		{"PC, validity without its beginning", "ILLEGAL_ARGUMENT",
			[]string{"service", createPC, "order_valid_time", "600"}},

		{"fine: the least", "", []string{"total_fee", "0.01"}},
		{"fine: one decimal", "", []string{"total_fee", "12.3"}},
		{"fine: the most", "", []string{"total_fee", "1000000.00"}},
		{"fine: yen", "", []string{"currency", "JPY", "total_fee", "1200"}},
		{"fine: priced in yuan", "", []string{"total_fee", "", "rmb_fee", "80.00"}},
		{"fine: AlipayHK", "", []string{"payment_inst", "ALIPAYHK", "currency", "HKD",
			"total_fee", "50000.00"}},
		{"fine: the default timeout", "", []string{"timeout_rule", "12h"}},
		{"fine: an enabled timeout", "", []string{"timeout_rule", "5m"}},
		{"fine: an acquirer", "", []string{"partner", "2088000000000003", "secondary_merchant_id", "M1",
			"secondary_merchant_name", "Tea", "secondary_merchant_industry", "5812"}},
		{"fine: parameters nobody knows", "", []string{"sendFormat", "normal", "x_y", "1"}},
		{"fine: PC", "", []string{"service", createPC, "order_gmt_create", "2026-01-02 03:00:00",
			"order_valid_time", "600"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHarness(t, nil)
			rec := h.call(orderFor("T-1", c.pairs...))
			if c.code == "" {
				if rec.Code != http.StatusFound {
					t.Fatalf("refused: %s", rec.Body)
				}
				return
			}
			if !strings.Contains(rec.Body.String(), `<code id="error-code">`+c.code+"</code>") {
				t.Errorf("want %s, got %d %s", c.code, rec.Code, rec.Body)
			}
		})
	}
}

func TestGatewayRefusesHostileInput(t *testing.T) {
	h := newHarness(t, nil)
	good := signed(t, orderFor("T-1")).Encode()
	for _, c := range []struct {
		name, query, body string
		status            int
	}{
		{"a percent sign alone", good + "&x=%", "", 200},
		{"text that is not UTF-8, and not signed", good + "&x=%ff", "", 200},
		{"a parameter twice", good + "&total_fee=0.01", "", 200},
		{"a parameter twice, the same", good + "&total_fee=12.34", "", 200},
		{"a parameter differing in body and address", "total_fee=0.01", good, 200},
		{"a semicolon", good + ";x=1", "", 200},
		{"no name", good + "&=1", "", 200},
		{"a long address", strings.Repeat("x", requestLimit+1), "", 413},
		{"a long body", "", strings.Repeat("x", requestLimit+1), 413},
	} {
		t.Run(c.name, func(t *testing.T) {
			method := "GET"
			if c.body != "" {
				method = "POST"
			}
			r := httptest.NewRequest(method, "/gateway.do", strings.NewReader(c.body))
			r.URL.RawQuery = c.query
			rec := httptest.NewRecorder()
			h.sim.Wallet().ServeHTTP(rec, r)
			want := "ILLEGAL_ARGUMENT"
			if c.name == "a semicolon" || strings.HasPrefix(c.name, "text that is not") {
				want = "ILLEGAL_SIGN" // part of a value for this parser
			}
			if rec.Code != c.status || !strings.Contains(rec.Body.String(), want) {
				t.Errorf("got %d %s, want %d %s", rec.Code, rec.Body, c.status, want)
			}
		})
	}
}

func FuzzGatewayNeverBreaks(f *testing.F) {
	f.Add("service=single_trade_query&partner=2088000000000001&sign_type=MD5&sign=x")
	f.Add("service=notify_verify&partner=2088000000000001&notify_id=%00")
	f.Add("service=create_forex_trade_wap&partner=2088000000000001&_input_charset=UTF-8&total_fee=9999999")
	sim, err := New(Config{Partners: []Partner{{ID: testPartner, SignType: mapi.MD5, MD5Key: testKey,
		Currencies: []string{"USD", "JPY"}}}})
	if err != nil {
		f.Fatal(err)
	}
	h := sim.Wallet()
	f.Fuzz(func(t *testing.T, form string) {
		if m, err := mapi.Parse(form); err == nil && m["sign"] == "sign" {
			m.Sign(testKeys) // lets some requests pass the signature check
			form = m.Encode()
		}
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, httptest.NewRequest("POST", "/gateway.do", strings.NewReader(form)))
		if rec.Code != 200 && rec.Code != 302 && rec.Code != 413 {
			t.Errorf("status %d: %s", rec.Code, rec.Body)
		}
	})
}

// answer is the query's answer in the form of the vendor's page.
type answer struct {
	Success  string `xml:"is_success"`
	Error    string `xml:"error"`
	Sign     string `xml:"sign"`
	SignType string `xml:"sign_type"`
	Params   []struct {
		Name  string `xml:"name,attr"`
		Value string `xml:",chardata"`
	} `xml:"request>param"`
	Trade struct {
		Fields []struct {
			XMLName xml.Name
			Text    string `xml:",chardata"`
		} `xml:",any"`
	} `xml:"response>trade"`
}

func decode(t *testing.T, doc string) (answer, map[string]string) {
	t.Helper()
	var a answer
	d := xml.NewDecoder(strings.NewReader(doc))
	d.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil }
	if err := d.Decode(&a); err != nil {
		t.Fatalf("%v in %q", err, doc)
	}
	fields := map[string]string{}
	for _, f := range a.Trade.Fields {
		fields[f.XMLName.Local] = f.Text
	}
	return a, fields
}

func TestQueryAnswersLikeTheVendor(t *testing.T) {
	h := newHarness(t, nil)
	h.does(h.open(orderFor("T-1", "subject", `Tea <茶> & "cake"`)), Pay, "mei")
	m := mapi.Message{"service": singleQuery, "partner": testPartner, "_input_charset": "UTF-8",
		"out_trade_no": "T-1"}
	rec := h.call(m)
	doc := rec.Body.String()
	if !strings.HasPrefix(doc, `<?xml version="1.0" encoding="utf-8"?>`) ||
		rec.Header().Get("Content-Type") != "text/xml" {
		t.Errorf("wrong head: %q %q", rec.Header(), doc[:40])
	}
	a, fields := decode(t, doc)
	for name, want := range map[string]string{
		"out_trade_no": "T-1", "trade_status": "TRADE_FINISHED", "total_fee": "12.34", "price": "12.34",
		"payment_type": "100",
		"subject":      `Tea <茶> & "cake"`, "buyer_id": "2088000000000101", "seller_id": testPartner,
		"gmt_payment": "2026-01-02 03:04:05", "is_total_fee_adjust": "F", "use_coupon": "F",
	} {
		if fields[name] != want {
			t.Errorf("%s is %q, want %q", name, fields[name], want)
		}
	}
	if no := fields["trade_no"]; len(no) != 28 || !strings.HasPrefix(no, "20260102") {
		t.Errorf("trade_no is %q, want 28 digits beginning with the day", no)
	}
	if _, has := fields["currency"]; has {
		t.Error("the query has no currency element")
	}
	var echo []string
	for _, p := range a.Params {
		echo = append(echo, p.Name+"="+p.Value)
	}
	if got, want := strings.Join(echo, " "),
		"_input_charset=UTF-8 out_trade_no=T-1 partner="+testPartner+
			" service=single_trade_query"; got != want {
		t.Errorf("request echoes %q, want %q", got, want)
	}
	// The signature, computed here by the vendor's rule.
	sum := md5.Sum([]byte(mapi.Message(fields).Canonical() + testKey))
	if a.SignType != "MD5" || a.Sign != hex.EncodeToString(sum[:]) {
		t.Errorf("signature %s %q does not cover the trade's children", a.SignType, a.Sign)
	}

	m["trade_no"], m["out_trade_no"] = fields["trade_no"], "another"
	if _, byNo := decode(t, h.call(m).Body.String()); byNo["out_trade_no"] != "T-1" {
		t.Error("trade_no does not take precedence over out_trade_no")
	}
	m["partner"] = "2088000000000003" // has the same order number
	h.open(orderFor("T-1", "partner", m["partner"], "secondary_merchant_id", "1",
		"secondary_merchant_name", "1", "secondary_merchant_industry", "1"))
	if a, _ := decode(t, h.call(m).Body.String()); a.Error != "TRADE_NOT_EXIST" {
		t.Errorf("another partner's trade answers %q", a.Error)
	}
	for _, c := range []struct{ tradeNo, number, code string }{
		{"", "", "ILLEGAL_ARGUMENT"}, {"123", "", "ILLEGAL_ARGUMENT"}, {"", "T-2", "TRADE_NOT_EXIST"},
		{"2026010200000000000000000000", "", "TRADE_NOT_EXIST"},
	} {
		rec := h.call(mapi.Message{"service": singleQuery, "partner": testPartner, "_input_charset": "UTF-8",
			"trade_no": c.tradeNo, "out_trade_no": c.number})
		want := `<?xml version="1.0" encoding="GBK"?>` +
			"\n<alipay><is_success>F</is_success><error>" + c.code +
			"</error></alipay>"
		if rec.Body.String() != want {
			t.Errorf("%q %q: got %s, want %s", c.tradeNo, c.number, rec.Body, want)
		}
	}
}

func TestReturnURLKeepsQueryAndAddsResult(t *testing.T) {
	h := newHarness(t, nil)
	page := h.does(h.open(orderFor("T-1")), Pay, "mei")
	_, rest, ok := strings.Cut(page, `id="return" href="`)
	if !ok {
		t.Fatalf("no link back:\n%s", page)
	}
	link, _, _ := strings.Cut(rest, `"`)
	link = strings.NewReplacer("&amp;", "&", "&#43;", "+").Replace(link)
	query, ok := strings.CutPrefix(link, "https://shop.example/r?table=7&")
	if !ok {
		t.Fatalf("the shop's own query is lost: %s", link)
	}
	var names []string
	m := mapi.Message{}
	for pair := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		names = append(names, name)
		m[name], _ = url.QueryUnescape(value)
	}
	if got := strings.Join(names, " "); got != "out_trade_no total_fee trade_status sign "+
		"trade_no currency sign_type" {
		t.Errorf("the fields' order is %s", got)
	}
	if err := m.Verify(testKeys); err != nil {
		t.Errorf("%v: %v", err, m)
	}
	if m["trade_status"] != "TRADE_FINISHED" || m["total_fee"] != "12.34" || m["currency"] != "USD" ||
		m["out_trade_no"] != "T-1" {
		t.Errorf("got %v", m)
	}
	if !strings.Contains(page, `<meta http-equiv="refresh" content="1;url=https://shop.example/r?`) {
		t.Errorf("the page does not redirect by itself:\n%s", page)
	}
}
