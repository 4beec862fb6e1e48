package audit

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sampanpay/sampan/internal/pay"
)

const payment = "20261129100001123456789012"

func hkd(minor int64) pay.Amount { return pay.Amount{Minor: minor, Currency: "HKD"} }

func paid(kind pay.EventKind, tradeNo string) pay.Event {
	return pay.Event{Kind: kind, Amount: hkd(1230), TradeNo: tradeNo}
}

func refund(kind pay.EventKind, id string, minor int64) pay.Event {
	return pay.Event{Kind: kind, Amount: hkd(minor), RefundID: id}
}

// What a payment is follows from its events.
func TestHistoryApply(t *testing.T) {
	asked := pay.Event{Kind: pay.EventCloseAsked, Number: "C"}
	late := refund(pay.EventRefundAsked, "R", 1230)
	late.By = pay.ByPolicy
	for name, tt := range map[string]struct {
		events []pay.Event
		want   History
	}{
		"nothing": {},
		"registered and paid": {
			[]pay.Event{{Kind: pay.EventRegistered, Number: "REF"}, paid(pay.EventPaid, "T"),
				{Kind: pay.EventNote, Note: "x"}},
			History{Status: pay.Paid, WalletID: "REF", Paid: Money{hkd(1230), "T"}},
		},
		"failed, and paid late": {
			[]pay.Event{{Kind: pay.EventFailed, Code: "NO"}, paid(pay.EventPaidLate, "T")},
			History{Status: pay.Paid, Ended: true, Late: true, Failure: "NO", Paid: Money{hkd(1230), "T"}},
		},
		"expired": {[]pay.Event{{Kind: pay.EventExpired}}, History{Status: pay.Expired, Ended: true}},
		"closed at once": {
			[]pay.Event{{Kind: pay.EventClosed}}, History{Status: pay.Closed, Ended: true, Closing: true},
		},
		"called off, paid late and given back": {
			[]pay.Event{asked, {Kind: pay.EventClosed}, paid(pay.EventPaidLate, "T"), late,
				refund(pay.EventRefunded, "R", 1230)},
			History{
				Status: pay.Paid, Ended: true, Late: true, Closing: true, CloseID: "C",
				Paid: Money{hkd(1230), "T"}, Reserved: 1230, Returned: 1230,
				Refunds: map[string]*Refund{"R": {Amount: hkd(1230), Automatic: true,
					Status: pay.RefundSucceeded}},
			},
		},
		"a failed refund that nobody asked for is flagged": {
			[]pay.Event{asked, {Kind: pay.EventClosed}, paid(pay.EventPaidLate, "T"), late, {
				Kind: pay.EventRefundFailed, Amount: hkd(1230), RefundID: "R", Code: "NO",
			}},
			History{
				Status: pay.Paid, Ended: true, Late: true, Closing: true, CloseID: "C", Flagged: true,
				Paid: Money{hkd(1230), "T"},
				Refunds: map[string]*Refund{"R": {Amount: hkd(1230), Automatic: true,
					Status: pay.RefundFailed, Failure: "NO"}},
			},
		},
		"a failed refund of a merchant's is not": {
			[]pay.Event{paid(pay.EventPaid, "T"), refund(pay.EventRefundAsked, "R", 30),
				refund(pay.EventRefundFailed, "R", 30)},
			History{
				Status: pay.Paid, Paid: Money{hkd(1230), "T"},
				Refunds: map[string]*Refund{"R": {Amount: hkd(30), Status: pay.RefundFailed}},
			},
		},
		"surplus": {
			[]pay.Event{paid(pay.EventPaid, "T"), paid(pay.EventSurplus, "U")},
			History{Status: pay.Paid, Flagged: true, Paid: Money{hkd(1230), "T"}, Surplus: []Money{{hkd(1230), "U"}}},
		},
		"surplus stays flagged when it is paid": {
			[]pay.Event{paid(pay.EventSurplus, "U"), paid(pay.EventPaid, "T")},
			History{Status: pay.Paid, Flagged: true, Paid: Money{hkd(1230), "T"}, Surplus: []Money{{hkd(1230), "U"}}},
		},
		"an unlisted status of the trade that pays": {
			[]pay.Event{{Kind: pay.EventUnlisted, TradeNo: "T"}, {Kind: pay.EventUnlisted},
				paid(pay.EventPaid, "T")},
			History{Status: pay.Paid, Paid: Money{hkd(1230), "T"}},
		},
		"an unlisted status of another trade": {
			[]pay.Event{{Kind: pay.EventUnlisted, TradeNo: "U"}, paid(pay.EventPaid, "T")},
			History{Status: pay.Paid, Flagged: true, Paid: Money{hkd(1230), "T"}},
		},
		"an unlisted status after it was paid": {
			[]pay.Event{paid(pay.EventPaid, "T"), {Kind: pay.EventUnlisted, TradeNo: "T"}},
			History{Status: pay.Paid, Flagged: true, Paid: Money{hkd(1230), "T"}},
		},
		"an orphan's money": {
			[]pay.Event{paid(pay.EventPaid, "T"), {
				Kind: pay.EventOrphan, MerchantID: "100001", PaymentID: payment,
				Number: "20261128100001123456789012", TradeNo: "T",
			}},
			History{
				Status: pay.Paid, Paid: Money{hkd(1230), "T"},
				Numbers: []string{"20261128100001123456789012"}, WalletNumber: "20261128100001123456789012",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got History
			for _, e := range tt.events {
				if want := got.Apply(e); want != "" {
					t.Errorf("%s should be %s", e.Kind, want)
				}
			}
			if diff := cmp.Diff(tt.want, got, cmpopts.IgnoreUnexported(History{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Each kind of event is known, and the seven that only flag a payment do.
func TestHistoryKnowsEveryKind(t *testing.T) {
	for _, k := range pay.EventKinds {
		var h History
		want := h.Apply(pay.Event{Kind: k})
		if want == "an event of a known kind" {
			t.Errorf("%s is not known", k)
		}
		if h.Flagged != k.Flags() {
			t.Errorf("%s flags: %t", k, h.Flagged)
		}
	}
	var h History
	if want := h.Apply(pay.Event{Kind: "forgotten"}); want != "an event of a known kind" {
		t.Errorf("an unknown kind should be %q", want)
	}
}

// What cannot follow is found.
func TestHistoryApplyFindsWhatCannotFollow(t *testing.T) {
	one := paid(pay.EventPaid, "T")
	for _, tt := range []struct {
		events []pay.Event
		want   string
	}{
		{[]pay.Event{one, {Kind: pay.EventRegistered}}, "an open order"},
		{[]pay.Event{one, {Kind: pay.EventExpired}}, "paid cannot become expired"},
		{[]pay.Event{{Kind: pay.EventCloseAsked}, {Kind: pay.EventExpired}},
			"closed, since it was called off"},
		{[]pay.Event{one, {Kind: pay.EventCloseAsked}}, "not called off yet"},
		{[]pay.Event{{Kind: pay.EventCloseAsked}, {Kind: pay.EventCloseAsked}}, "not called off yet"},
		{[]pay.Event{paid(pay.EventPaidLate, "T")}, "not late: it was open"},
		{[]pay.Event{{Kind: pay.EventExpired}, one}, "paid_late: it was expired"},
		{[]pay.Event{one, one}, "paid_late: it was paid"},
		{[]pay.Event{paid(pay.EventPaid, "")}, "an amount under a trade"},
		{[]pay.Event{{Kind: pay.EventPaid, TradeNo: "T"}}, "an amount under a trade"},
		{[]pay.Event{{Kind: pay.EventSurplus, TradeNo: "T", Amount: pay.Amount{Minor: 1, Currency: "XXX"}}},
			"an amount under a trade"},
		{[]pay.Event{{Kind: pay.EventOrphan, MerchantID: "100001", Number: "1", TradeNo: "T"}},
			"a number of the merchant's"},
		{[]pay.Event{refund(pay.EventRefundAsked, "R", 1)}, "of an order that is paid"},
		{[]pay.Event{one, refund(pay.EventRefundAsked, "", 1)}, "the refund's number"},
		{[]pay.Event{one, refund(pay.EventRefundAsked, "R", 0)}, "an amount"},
		{[]pay.Event{one, refund(pay.EventRefundAsked, "R", 1231)}, "at most what was left of 12.30 HKD"},
		{[]pay.Event{one, {Kind: pay.EventRefundAsked, RefundID: "R",
			Amount: pay.Amount{Minor: 1, Currency: "JPY"}}},
			"at most what was left"},
		{[]pay.Event{one, refund(pay.EventRefundAsked, "R", 1), refund(pay.EventRefundAsked, "R", 1)},
			"not asked for before"},
		{[]pay.Event{one, refund(pay.EventRefunded, "R", 1)}, "that was asked for"},
		{[]pay.Event{one, refund(pay.EventRefundAsked, "R", 1), refund(pay.EventRefunded, "R", 2)},
			"of the same amount"},
		{[]pay.Event{one, refund(pay.EventRefundAsked, "R", 1), refund(pay.EventRefundFailed, "R", 2)},
			"the failure of a refund"},
		{
			[]pay.Event{one, refund(pay.EventRefundAsked, "R", 1), refund(pay.EventRefunded, "R", 1),
				refund(pay.EventRefundFailed, "R", 1)},
			"the failure of a refund that is pending",
		},
	} {
		var h History
		var found []string
		for _, e := range tt.events {
			if want := h.Apply(e); want != "" {
				found = append(found, want)
			}
		}
		if len(found) != 1 || !strings.Contains(found[0], tt.want) {
			t.Errorf("%v: found %q, want %q", slices.Collect(kinds(tt.events)), found, tt.want)
		}
	}
}

func kinds(events []pay.Event) func(func(pay.EventKind) bool) {
	return func(yield func(pay.EventKind) bool) {
		for _, e := range events {
			if !yield(e.Kind) {
				return
			}
		}
	}
}
