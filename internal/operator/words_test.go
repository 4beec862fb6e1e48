package operator_test

import (
	"strings"
	"testing"

	"github.com/sampanpay/sampan/internal/operator"
	"github.com/sampanpay/sampan/internal/pay"
)

// Every kind has words of its own, which name all facts that an event of the kind
// has.
func TestDescribe(t *testing.T) {
	const id = "20261129100001123456789012"
	for want, e := range map[string]pay.Event{
		"REF":             {Kind: pay.EventRegistered, Number: "REF"},
		"NO":              {Kind: pay.EventFailed, Code: "NO"},
		id:                {Kind: pay.EventCloseAsked, Number: id},
		"never opened":    {Kind: pay.EventExpired, Reason: pay.ReasonNeverOpened},
		"a note, 100 %s ": {Kind: pay.EventNote, Note: "a note, 100 %s "},
		"not paid within its life; the wallet says waiting": {
			Kind: pay.EventExpired, Reason: pay.ReasonUnpaid, Code: "waiting",
		},
		"called off; the wallet says not_found; closed there": {
			Kind: pay.EventClosed, Reason: pay.ReasonCalledOffClosed, Code: "not_found",
		},
		"closed by the wallet: TRADE_CLOSED": {
			Kind: pay.EventClosed, Reason: pay.ReasonClosedByWallet, Code: "TRADE_CLOSED",
		},
		"the wallet's payment is not the order's": {Kind: pay.EventExpired, Reason: pay.ReasonOtherPayment},
		"12.30 HKD under trade T":                 {Kind: pay.EventPaid, Amount: hkd, TradeNo: "T"},
		"12.30 HKD under trade L":                 {Kind: pay.EventPaidLate, Amount: hkd, TradeNo: "L"},
		"12.30 HKD under trade S":                 {Kind: pay.EventSurplus, Amount: hkd, TradeNo: "S"},
		"trade T was paid, and given back in full at the wallet itself": {
			Kind: pay.EventGivenBack, TradeNo: "T",
		},
		"trade T is 12.30 HKD by the wallet's word now, and was another amount before": {
			Kind: pay.EventAmountsDiffer, TradeNo: "T", Amount: hkd,
		},
		"trade T was paid, and is closed by the wallet's word": {Kind: pay.EventClosedAfterPaid,
			TradeNo: "T"},
		"trade T has paid another order": {Kind: pay.EventForeignTrade, TradeNo: "T"},
		`the order is "O\"D" by the wallet's word, which no document of it lists`: {
			Kind: pay.EventUnlisted, Code: `O"D`,
		},
		`trade T is "ODD" by the wallet's word, which no document of it lists`: {
			Kind: pay.EventUnlisted, Code: "ODD", TradeNo: "T",
		},
		`refund R is "ODD" by the wallet's word, which no document of it lists`: {
			Kind: pay.EventUnlisted, Code: "ODD", RefundID: "R",
		},
		"12.30 HKD as R":       {Kind: pay.EventRefundAsked, Amount: hkd, RefundID: "R"},
		"12.30 HKD as D":       {Kind: pay.EventRefunded, Amount: hkd, RefundID: "D"},
		"12.30 HKD as R: N: O": {Kind: pay.EventRefundFailed, Amount: hkd, RefundID: "R", Code: "N: O"},
		"failed, now succeeded: R": {
			Kind: pay.EventRefundContradicted, RefundID: "R", Reason: pay.ReasonSaidSucceeded,
		},
		"succeeded, now failed: R": {
			Kind: pay.EventRefundContradicted, RefundID: "R", Reason: pay.ReasonSaidFailed,
		},
		"12.30 HKD by the wallet's word: R": {Kind: pay.EventRefundContradicted,
			RefundID: "R", Amount: hkd},
		"given back at the wallet itself, as R": {Kind: pay.EventRefundForeign, RefundID: "R"},
		id + " under trade T":                   {Kind: pay.EventOrphan, Number: id, TradeNo: "T"},
	} {
		if got := operator.Describe(e); got != want {
			t.Errorf("%s: %q, want %q", e.Kind, got, want)
		}
	}
	for _, k := range pay.EventKinds {
		if got := operator.Describe(pay.Event{Kind: k}); strings.Contains(got, "{") {
			t.Errorf("%s has no words: %q", k, got)
		}
	}
}

var hkd = pay.Amount{Minor: 1230, Currency: "HKD"}
