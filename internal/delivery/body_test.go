package delivery

import (
	"bufio"
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sampanpay/sampan/internal/pay"
)

var hongKong = time.FixedZone("HKT", 8*3600)

func examplePayment() pay.Payment {
	return pay.Payment{
		Scope: pay.Scope{MerchantID: "100001", AppCode: "0123456789ABCDEF0123456789ABCDEF",
			StoreID: "ZaMVg12345"},
		ID:      "20260102100001123456789012",
		PayType: pay.AlipayHK, OrderNo: "T-1", Goods: "tea", ClientTime: "2026-01-02 03:04:05",
		Amount:  pay.Amount{Minor: 1230, Currency: "HKD"},
		TradeNo: "2026010222001400000000000001", BuyerID: "852-****1234",
		CreatedAt: time.Date(2026, 1, 1, 19, 4, 6, 0, time.UTC),
		PaidAt:    time.Date(2026, 1, 1, 19, 5, 7, 999e6, time.UTC),
	}
}

func TestBodyHasTheDocumentedMembersInOrder(t *testing.T) {
	const want = `{"status": "1", "pay_type": "801512", "sysdtm": "2026-01-02 03:04:06", ` +
		`"paydtm": "2026-01-02 03:05:07", ` +
		`"goods_name": "tea", "txcurrcd": "HKD", "txdtm": "2026-01-02 03:04:05", "mchid": "ZaMVg12345", ` +
		`"txamt": "1230", ` +
		`"exchange_rate": "", "chnlsn2": "", "out_trade_no": "T-1", "syssn": "20260102100001123456789012", ` +
		`"cash_fee_type": "", "cancel": "0", "respcd": "0000", "goods_info": "", "cash_fee": "0", ` +
		`"notify_type": "payment", ` +
		`"chnlsn": "2026010222001400000000000001", "cardcd": "852-****1234"}`
	if got := string(Body(examplePayment(), hongKong)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestARefundsBodyNamesThePaymentToo(t *testing.T) {
	r := pay.Refund{
		ID: "20260103100001999999999999", OrderNo: "R-1", PaymentID: "20260102100001123456789012",
		ClientTime: "2026-01-03 03:04:05",
		Amount:     pay.Amount{Minor: 30, Currency: "HKD"}, Status: pay.RefundSucceeded,
		CreatedAt: time.Date(2026, 1, 2, 19, 4, 6, 0, time.UTC),
		DoneAt:    time.Date(2026, 1, 2, 19, 5, 7, 0, time.UTC),
	}
	const want = `{"status": "1", "pay_type": "801512", "sysdtm": "2026-01-03 03:04:06", ` +
		`"paydtm": "2026-01-03 03:05:07", ` +
		`"goods_name": "tea", "txcurrcd": "HKD", "txdtm": "2026-01-03 03:04:05", "mchid": "ZaMVg12345", ` +
		`"txamt": "30", ` +
		`"exchange_rate": "", "chnlsn2": "", "out_trade_no": "R-1", "syssn": "20260103100001999999999999", ` +
		`"cash_fee_type": "", "cancel": "0", "respcd": "0000", "goods_info": "", "cash_fee": "0", ` +
		`"notify_type": "refund", ` +
		`"chnlsn": "2026010222001400000000000001", "cardcd": "852-****1234", ` +
		`"orig_syssn": "20260102100001123456789012", ` +
		`"orig_out_trade_no": "T-1", "cash_refund_fee": "0", "cash_refund_fee_type": ""}`
	if got := string(RefundBody(r, examplePayment(), hongKong)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// The right column was printed by Python 3.11: python3 -c 'import json; print(json.dumps("…"))'.
var pythonStrings = []struct{ in, want string }{
	{"", `""`},
	{"plain ~!@#$%^&*()_+ text", `"plain ~!@#$%^&*()_+ text"`},
	{"</script> a=1&b=2 'x' /", `"</script> a=1&b=2 'x' /"`},
	{`"quoted" \ back`, `"\"quoted\" \\ back"`},
	{"\b\f\n\r\t", `"\b\f\n\r\t"`},
	{"\x00\x01\x0b\x1f", `"\u0000\u0001\u000b\u001f"`},
	{"~\x7f\u0080", `"~\u007f\u0080"`},
	{"café", `"caf\u00e9"`},
	{"奶茶", `"\u5976\u8336"`},
	{"\u2028\u2029", `"\u2028\u2029"`},
	{"\ufeff\ufffd\uffff", `"\ufeff\ufffd\uffff"`},
	{"😀𠮷\U0010ffff", `"\ud83d\ude00\ud842\udfb7\udbff\udfff"`},
}

func TestStringsAreWrittenAsPythonWritesThem(t *testing.T) {
	for _, tt := range pythonStrings {
		if got := string(appendString(nil, tt.in)); got != tt.want {
			t.Errorf("%q: got %s, want %s", tt.in, got, tt.want)
		}
	}
}

func TestBytesThatAreNotUTF8AreReplaced(t *testing.T) {
	if got, want := string(appendString(nil, "a\xff\xc3b")), `"a\ufffd\ufffdb"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// hostile fills every member that somebody else chooses.
func hostile(p pay.Payment, draw func(string) string) pay.Payment {
	p.Goods, p.OrderNo, p.ClientTime = draw("goods"), draw("order"), draw("time")
	p.StoreID, p.TradeNo, p.BuyerID = draw("store"), draw("trade"), draw("buyer")
	return p
}

func TestPythonMakesTheSameBytesOfTheParsedBody(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3 here; TestStringsAreWrittenAsPythonWritesThem has what it printed elsewhere")
	}
	cmd := exec.Command(python, "-u", "-c", `
import json, sys
for line in sys.stdin:
    print(json.dumps(json.loads(line)))`)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Skipf("python3 does not start: %v", err)
	}
	defer func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}()
	lines := bufio.NewReader(out)
	again := func(body string) string {
		if _, err := in.Write([]byte(body + "\n")); err != nil {
			t.Fatal(err)
		}
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSuffix(line, "\n")
	}
	for _, tt := range pythonStrings {
		body := string(Body(hostile(examplePayment(), func(string) string { return tt.in }), hongKong))
		if got := again(body); got != body {
			t.Errorf("sent   %s\npython %s", body, got)
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		body := string(Body(hostile(examplePayment(),
			func(label string) string { return rapid.String().Draw(rt, label) }), hongKong))
		if got := again(body); got != body {
			rt.Errorf("sent   %s\npython %s", body, got)
		}
	})
}

func FuzzBody(f *testing.F) {
	for _, tt := range pythonStrings {
		f.Add(tt.in)
	}
	f.Add("\xff\xed\xa0\x80")
	f.Fuzz(func(t *testing.T, s string) {
		body := Body(hostile(examplePayment(), func(string) string { return s }), hongKong)
		for _, c := range body {
			if c < ' ' || c > '~' {
				t.Fatalf("byte %#x in %s", c, body)
			}
		}
		var got map[string]string
		if err := json.Unmarshal(body, &got); err != nil {
			t.Fatalf("%v: %s", err, body)
		}
		if want := string([]rune(s)); len(got) != 21 || got["goods_name"] != want {
			t.Errorf("%q came back as %q of %d members", s, got["goods_name"], len(got))
		}
	})
}
