package api

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/sign"
)

// The middle of a month in UTC+8; still the month before in UTC-10.
var queryNow = time.Date(2026, 3, 1, 1, 0, 0, 0, time.FixedZone("", 8*3600))

func TestQueryFilters(t *testing.T) {
	r, err := queryRequest(call{params: sign.Params{
		"syssn": "1,2", "out_trade_no": "A", "pay_type": "801107,801512", "respcd": "0000", "page": "3",
		"page_size": "100", "mchid": "M",
		"start_time": "ignored", "txzone": "ignored",
	}}, queryNow)
	if err != nil {
		t.Fatal(err)
	}
	f := r.Filter
	if r.StoreID != "M" || !slices.Equal(f.IDs, []string{"1", "2", "1,2"}) ||
		!slices.Equal(f.OrderNos, []string{"A"}) ||
		!slices.Equal(f.PayTypes, []pay.PayType{pay.AlipayCrossBorder, pay.AlipayHK}) ||
		!slices.Equal(f.Statuses, []pay.Status{pay.Paid}) ||
		f.Limit != 100 || f.Offset != 200 || !f.From.IsZero() || !f.To.IsZero() {
		t.Errorf("got %+v", r)
	}
}

func TestQueryCodesAreStatuses(t *testing.T) {
	for code, want := range map[string][]pay.Status{
		"": nil, "0000": {pay.Paid}, "1143": {pay.Pending}, "1145": {pay.Created, pay.Pending},
		"1181": {pay.Expired}, "1142": {pay.Closed}, "1205": {pay.Failed}, "9999": {noStatus},
	} {
		r, err := queryRequest(call{params: sign.Params{"respcd": code}}, queryNow)
		if err != nil || !slices.Equal(r.Filter.Statuses, want) {
			t.Errorf("%s: got %v, %v; want %v", code, r.Filter.Statuses, err, want)
		}
	}
}

// Late money that goes back by itself was never a payment to the merchant.
func TestTheCancelFlagTellsWhetherAnOrderStands(t *testing.T) {
	hundred := pay.Amount{Minor: 100, Currency: "HKD"}
	for want, all := range map[string][]pay.Payment{
		"0": {{Status: pay.Pending}, {Status: pay.Paid}, {Status: pay.Paid, Reserved: 100},
			{Status: pay.Paid, Late: true}, {Status: pay.Paid, Late: true, Reserved: 99},
			{Status: pay.Expired}},
		"2": {{Status: pay.Closed}},
		"3": {{Status: pay.Paid, Reserved: 100, Refunded: 100}, {Status: pay.Paid, Late: true, Reserved: 100},
			{Status: pay.Paid, Late: true, Reserved: 100, Refunded: 100}},
		"5": {{Status: pay.Paid, Reserved: 100, Refunded: 1},
			{Status: pay.Paid, Late: true, Reserved: 50, Refunded: 50}},
	} {
		for _, p := range all {
			p.Amount = hundred
			if got := cancelled(p); got != want {
				t.Errorf("%+v: got %s, want %s", p, got, want)
			}
		}
	}
}

func TestQueryRangeOfTime(t *testing.T) {
	for _, test := range []struct {
		name, start, end, zone string
		from, to               string // to: the last second, or the field that is named
	}{
		{"the current month", "", "", "", "2026-03-01T00:00:00+08:00", "2026-03-31T23:59:59+08:00"},
		{"the current month elsewhere", "", "", "-1000", "2026-02-01T00:00:00-10:00",
			"2026-02-28T23:59:59-10:00"},
		{"both", "2026-01-01 00:00:00", "2026-01-31 12:00:00", "", "2026-01-01T00:00:00+08:00",
			"2026-01-31T12:00:00+08:00"},
		{"both, half-hour zone", "2026-01-01 00:00:00", "2026-01-31 12:00:00", "-0330",
			"2026-01-01T00:00:00-03:30", "2026-01-31T12:00:00-03:30"},
		{"start within the month", "2026-03-02 00:00:00", "", "", "2026-03-02T00:00:00+08:00",
			"2026-03-31T23:59:59+08:00"},
		{"end within the month", "", "2026-03-02 00:00:00", "", "2026-03-01T00:00:00+08:00",
			"2026-03-02T00:00:00+08:00"},
		{"92 days", "2026-01-01 00:00:00", "2026-04-03 00:00:00", "", "2026-01-01T00:00:00+08:00",
			"2026-04-03T00:00:00+08:00"},
		{"one moment", "2026-01-01 00:00:00", "2026-01-01 00:00:00", "", "2026-01-01T00:00:00+08:00",
			"2026-01-01T00:00:00+08:00"},
		{"92 days and a second", "2026-01-01 00:00:00", "2026-04-03 00:00:01", "", "", "end_time"},
		{"start before the month alone", "2026-02-28 23:59:59", "", "", "", "end_time"},
		{"start after the month alone", "2026-04-01 00:00:00", "", "", "", "end_time"},
		{"end before the month alone", "", "2026-02-28 23:59:59", "", "", "start_time"},
		{"end after the month alone", "", "2026-04-01 00:00:00", "", "", "start_time"},
		{"backwards", "2026-01-02 00:00:00", "2026-01-01 00:00:00", "", "", "end_time"},
		{"malformed start", "2026-01-02", "2026-01-01 00:00:00", "", "", "start_time"},
		{"malformed end", "2026-01-01 00:00:00", "tomorrow", "", "", "end_time"},
		{"malformed zone", "", "", "8", "", "txzone"},
		{"zone out of range", "", "", "+1500", "", "txzone"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, err := queryRequest(call{params: sign.Params{"start_time": test.start, "end_time": test.end,
				"txzone": test.zone}}, queryNow)
			if test.from == "" {
				wantRefusal(t, err, pay.BadParameter, test.to, "")
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := r.Filter.From.Format(time.RFC3339); got != test.from {
				t.Errorf("from is %s, want %s", got, test.from)
			}
			if got := r.Filter.To.Format(time.RFC3339); got != test.to ||
				r.Filter.To.Nanosecond() != 999_000_000 {
				t.Errorf("to is %s, want the whole of %s", r.Filter.To, test.to)
			}
		})
	}
}

func TestQueryValuesAreRefusedByName(t *testing.T) {
	for _, test := range []struct{ name, field, value string }{
		{"page zero", "page", "0"}, {"page negative", "page", "-1"},
		{"page huge", "page", "99999999999999999999"},
		{"page size zero", "page_size", "0"}, {"page size over 100", "page_size", "101"},
		{"page size in words", "page_size", "ten"},
		{"pay type unknown", "pay_type", "801107,1"},
		{"pay types without end", "pay_type", strings.Repeat("801107,", 100)},
		{"respcd too long", "respcd", "00000"}, {"too many numbers", "syssn", strings.Repeat("1,", 101)},
		{"too many order numbers", "out_trade_no", strings.Repeat("1,", 101)},
		{"number too long", "out_trade_no", "1," + strings.Repeat("x", 129)},
		{"number with a control character", "syssn", "1\x00"},
		{"store too long", "mchid", strings.Repeat("M", 17)},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := queryRequest(call{params: sign.Params{test.field: test.value}}, queryNow)
			wantRefusal(t, err, pay.BadParameter, test.field, "")
		})
	}
}

func TestTransactionTellsTheStanding(t *testing.T) {
	a := &API{Config: Config{Zone: time.FixedZone("", 8*3600)}}
	hkd := func(n int64) pay.Amount { return pay.Amount{Minor: n, Currency: "HKD"} }
	at := time.Date(2026, 1, 1, 20, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		name           string
		payment        pay.Payment
		respcd, cancel string
	}{
		{"created", pay.Payment{Status: pay.Created}, "1145", "0"},
		{"pending", pay.Payment{Status: pay.Pending}, "1143", "0"},
		{"paid", pay.Payment{Status: pay.Paid}, "0000", "0"},
		{"failed", pay.Payment{Status: pay.Failed}, "1205", "0"},
		{"closed", pay.Payment{Status: pay.Closed}, "1142", "2"},
		{"expired", pay.Payment{Status: pay.Expired}, "1181", "0"},
		{"refunded in part", pay.Payment{Status: pay.Paid, Refunded: 1}, "0000", "5"},
		{"refunded in full", pay.Payment{Status: pay.Paid, Refunded: 10}, "0000", "3"},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.payment.Amount, test.payment.CreatedAt = hkd(10), at
			got := a.transaction(test.payment)
			if got.RespCd != test.respcd || got.Cancel != test.cancel || got.ErrMsg == "" ||
				got.SysDtm != "2026-01-02 04:00:00" || got.PayDtm != got.SysDtm {
				t.Errorf("got %+v", got)
			}
		})
	}
}
