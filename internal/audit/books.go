package audit

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/sampanpay/sampan/internal/pay"
)

// Balance is what an account of the money record holds in one currency.
type Balance struct {
	MerchantID string
	Account    string
	Lines      int        // of the money record
	Recorded   pay.Amount // by the money record: what the wallet owes us, or what we owe
	Stated     pay.Amount // by the states of payments and refunds
}

// books are the balances of one merchant.
type books map[entry]*Balance

// entry names an account of the money record in one currency.
type entry struct {
	account  string
	currency pay.Currency
}

// add adds to both balances of an account.
func (b books) add(account string, currency pay.Currency, recorded, stated int64) *Balance {
	e := entry{account, currency}
	if b[e] == nil {
		b[e] = &Balance{
			Account: account, Recorded: pay.Amount{Currency: currency},
			Stated: pay.Amount{Currency: currency},
		}
	}
	b[e].Recorded.Minor += recorded
	b[e].Stated.Minor += stated
	return b[e]
}

// record adds movements. Each is a double entry: what one account receives the
// other gives.
func (b books) record(movements []pay.Movement) {
	for _, m := range movements {
		b.add(m.Debit, m.Amount.Currency, effect(m.Debit, m.Amount.Minor), 0).Lines++
		b.add(m.Credit, m.Amount.Currency, -effect(m.Credit, m.Amount.Minor), 0).Lines++
	}
}

// effect returns how an amount that an account receives changes its balance. A
// wallet owes us what it has received; we owe the other accounts what they have
// given.
func effect(account string, received int64) int64 {
	if strings.HasPrefix(account, pay.HeldBy("")) {
		return received
	}
	return -received
}

// state adds what the states of a payment and of its refunds come to.
func (b books) state(p pay.Payment, h History) {
	if p.Status == pay.Paid {
		b.add(p.HeldBy(), p.Amount.Currency, 0, p.Amount.Minor-p.Refunded)
		b.add(pay.OwedToMerchant, p.Amount.Currency, 0, p.Amount.Minor-p.Refunded)
	}
	for _, s := range h.Surplus {
		b.add(p.HeldBy(), s.Amount.Currency, 0, s.Amount.Minor)
		b.add(pay.OwedToSomebody, s.Amount.Currency, 0, s.Amount.Minor)
	}
}

// balances returns the balances by account and currency.
func (b books) balances(merchantID string) (all []Balance) {
	for _, e := range slices.SortedFunc(maps.Keys(b), func(x, y entry) int {
		return cmp.Or(cmp.Compare(x.account, y.account), cmp.Compare(x.currency, y.currency))
	}) {
		balance := *b[e]
		balance.MerchantID = merchantID
		all = append(all, balance)
	}
	return all
}
