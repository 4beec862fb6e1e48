package operator

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/wallet"
)

// PaymentState says how a payment stands, with what its status leaves open.
func PaymentState(p pay.Payment) string {
	words := []string{string(p.Status)}
	if p.Late {
		words = append(words, "late")
	}
	switch left := (pay.Amount{Minor: p.Reserved - p.Refunded, Currency: p.Amount.Currency}); {
	case p.Refunded == p.Amount.Minor:
		words = append(words, "refunded")
	case p.Refunded > 0:
		words = append(words, pay.Amount{Minor: p.Refunded, Currency: p.Amount.Currency}.String()+" refunded")
		fallthrough
	default:
		if left.Minor > 0 {
			words = append(words, left.String()+" being refunded")
		}
	}
	if p.CloseID != "" && p.Status.Open() {
		words = append(words, "to be closed")
	}
	if p.Failure != "" {
		words = append(words, "the wallet says "+p.Failure)
	}
	if p.Flagged {
		words = append(words, "needs a look")
	}
	return strings.Join(words, ", ")
}

// Enabled says whether something is in use.
func Enabled(disabled bool) string {
	if disabled {
		return "disabled"
	}
	return "enabled"
}

// Standing says whether a merchant or a store is in use, and what it may still
// do if it is not.
func Standing(d pay.Disabling) string {
	if !d.Disabled {
		return Enabled(false)
	}
	links, refunds := "closed", "kept"
	if d.KeepLinks {
		links = "kept"
	}
	if d.StopRefunds {
		refunds = "stopped"
	}
	return Enabled(true) + ": links " + links + ", refunds " + refunds
}

// CredentialStanding says whether a merchant's app code is in use.
func CredentialStanding(m pay.Merchant, c pay.Credential) string {
	if c.Disabled {
		return Enabled(true) + ": calls refused"
	}
	return Standing(m.Disabling)
}

// Algorithms names the algorithms that may sign an app code's requests.
func Algorithms(sha256Only bool) string {
	if sha256Only {
		return "SHA256"
	}
	return "MD5, SHA256"
}

// AgeLimit says how far an app code's requests may be from our time.
func AgeLimit(limit time.Duration) string {
	if limit == 0 {
		return "any"
	}
	return limit.String()
}

// SettingHelp says what a setting of a wallet account is, and whether it may be
// left out.
func SettingHelp(s wallet.Setting) string {
	switch {
	case s.Required:
		return s.Help + " (required)"
	case s.Default != "":
		return s.Help + " (default " + s.Default + ")"
	}
	return s.Help
}

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
	return fmt.Sprintf("%s open: %s %s under numbers that no order has",
		Several(s.Orphans, "orphan"), amount, what)
}

// Several is a count with its noun: "1 orphan", "2 orphans".
func Several(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

// Join lists texts with commas between them.
func Join[T ~string](items []T) string {
	texts := make([]string, len(items))
	for i, item := range items {
		texts[i] = string(item)
	}
	return strings.Join(texts, ",")
}
