package operator

import (
	"fmt"
	"strconv"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
)

// CameOrWent says which way an orphan's money moved.
func CameOrWent(o pay.Orphan) string {
	if o.IsRefund() {
		return "went back"
	}
	return "came in"
}

// OrphanAmount is an orphan's amount. A wallet need not state that of a refund.
func OrphanAmount(o pay.Orphan) string {
	if o.Amount.Currency == "" {
		return "an amount that the wallet did not say"
	}
	return o.Amount.String()
}

// OrphanSum says what the open orphans of one account, direction and currency
// amount to.
func OrphanSum(s store.OrphanSum) string {
	what, amount := "came in", s.Amount.String()
	if s.Back {
		what = "went back"
	}
	if s.Amount.Currency == "" {
		amount = "amounts that the wallet did not say"
	}
	return fmt.Sprintf("%s open: %s %s under numbers that no order has", Several(s.Orphans, "orphan"), amount, what)
}

// Several is a count with its noun: "1 orphan", "2 orphans".
func Several(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}
