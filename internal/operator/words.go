package operator

import (
	"fmt"

	"github.com/sampanpay/sampan/internal/pay"
)

// endWords are the reasons why an order ended unpaid.
var endWords = map[pay.Reason]string{
	pay.ReasonNeverOpened:     "never opened",
	pay.ReasonUnpaid:          "not paid within its life; the wallet says %s",
	pay.ReasonUnpaidClosed:    "not paid within its life; the wallet says %s; closed there",
	pay.ReasonCalledOff:       "called off; the wallet says %s",
	pay.ReasonCalledOffClosed: "called off; the wallet says %s; closed there",
	pay.ReasonClosedByWallet:  "closed by the wallet: %s",
	pay.ReasonOtherPayment:    "the wallet's payment is not the order's",
}

// Describe returns an event's facts in words, for people. The words are made
// here and stored nowhere, so nothing may be decided by them.
func Describe(e pay.Event) string {
	switch e.Kind {
	case pay.EventRegistered, pay.EventCloseAsked:
		return e.Number
	case pay.EventFailed:
		return e.Code
	case pay.EventExpired, pay.EventClosed:
		return endOf(e)
	case pay.EventPaid, pay.EventPaidLate, pay.EventSurplus:
		return fmt.Sprintf("%s under trade %s", e.Amount, e.TradeNo)
	case pay.EventGivenBack:
		return fmt.Sprintf("trade %s was paid, and given back in full at the wallet itself", e.TradeNo)
	case pay.EventAmountsDiffer:
		return fmt.Sprintf("trade %s is %s by the wallet's word now, and was another amount before",
			e.TradeNo, e.Amount)
	case pay.EventClosedAfterPaid:
		return fmt.Sprintf("trade %s was paid, and is closed by the wallet's word", e.TradeNo)
	case pay.EventForeignTrade:
		return fmt.Sprintf("trade %s has paid another order", e.TradeNo)
	case pay.EventUnlisted:
		return fmt.Sprintf("%s is %q by the wallet's word, which no document of it lists",
			subjectOf(e), e.Code)
	case pay.EventRefundAsked, pay.EventRefunded:
		return fmt.Sprintf("%s as %s", e.Amount, e.RefundID)
	case pay.EventRefundFailed:
		return fmt.Sprintf("%s as %s: %s", e.Amount, e.RefundID, e.Code)
	case pay.EventRefundForeign:
		return fmt.Sprintf("given back at the wallet itself, as %s", e.RefundID)
	case pay.EventRefundContradicted:
		return contradictionOf(e)
	case pay.EventOrphan:
		return fmt.Sprintf("%s under trade %s", e.Number, e.TradeNo)
	case pay.EventNote:
		return e.Note
	}
	return fmt.Sprintf("%+v", e)
}

func endOf(e pay.Event) string {
	words, ok := endWords[e.Reason]
	switch {
	case !ok:
		return string(e.Reason)
	case e.Reason == pay.ReasonNeverOpened, e.Reason == pay.ReasonOtherPayment:
		return words
	}
	return fmt.Sprintf(words, e.Code)
}

// subjectOf says what an unlisted status is of.
func subjectOf(e pay.Event) string {
	switch {
	case e.RefundID != "":
		return "refund " + e.RefundID
	case e.TradeNo != "":
		return "trade " + e.TradeNo
	}
	return "the order"
}

func contradictionOf(e pay.Event) string {
	switch e.Reason {
	case pay.ReasonSaidSucceeded:
		return "failed, now succeeded: " + e.RefundID
	case pay.ReasonSaidFailed:
		return "succeeded, now failed: " + e.RefundID
	}
	return fmt.Sprintf("%s by the wallet's word: %s", e.Amount, e.RefundID)
}
