package pay

import "slices"

// PayType says which wallet an order is to be paid with. The values are the
// codes of the trade API (the document of the Alipay WAP payments, "PayType
// Reference"), since nothing else names them.
type PayType string

// The pay types that Sampan serves.
const (
	AlipayCrossBorder   PayType = "801107" // Alipay, the mainland wallet, paying a merchant abroad
	AlipayHK            PayType = "801512" // AlipayHK, the Hong Kong wallet
	AlipayServiceWindow PayType = "800107" // a page opened inside the Alipay app
)

// payTypes is the one table of pay types. A new one is a row here.
var payTypes = []struct {
	code           PayType
	name           string   // the wallet's, as buyers know it, in English
	alias          string   // on the command line
	currency       Currency // on the command line, where none is given
	needsOpenID    bool     // an order must name the buyer
	excludesCredit bool     // an order can exclude credit cards (limit_pay)
}{
	{code: AlipayCrossBorder, name: "Alipay", alias: "alipay", currency: "HKD"},
	{code: AlipayHK, name: "AlipayHK", alias: "alipayhk", currency: "HKD"},
	{code: AlipayServiceWindow, name: "Alipay", alias: "alipay-window", currency: "CNY", needsOpenID: true, excludesCredit: true},
}

// PayTypes lists the codes in the order in which documents print them.
var PayTypes = func() (all []PayType) {
	for _, row := range payTypes {
		all = append(all, row.code)
	}
	return all
}()

func (t PayType) row() int {
	return slices.Index(PayTypes, t)
}

// Known reports whether t is one of PayTypes.
func (t PayType) Known() bool { return t.row() >= 0 }

// Name is the wallet's name as buyers know it, in English; the code of an unknown
// pay type.
func (t PayType) Name() string {
	if i := t.row(); i >= 0 {
		return payTypes[i].name
	}
	return string(t)
}

// PayTypeNamed returns the pay type of a name on the command line (alipay,
// alipayhk, alipay-window) or of a code, which may be unknown.
func PayTypeNamed(name string) PayType {
	for _, row := range payTypes {
		if row.alias == name {
			return row.code
		}
	}
	return PayType(name)
}

// DefaultCurrency is what an order is in where the command line names no
// currency; HKD for an unknown pay type.
func (t PayType) DefaultCurrency() Currency {
	if i := t.row(); i >= 0 {
		return payTypes[i].currency
	}
	return "HKD"
}

// NeedsOpenID reports whether an order must name the buyer by the wallet's id.
func (t PayType) NeedsOpenID() bool {
	i := t.row()
	return i >= 0 && payTypes[i].needsOpenID
}

// ExcludesCredit reports whether an order can exclude credit cards.
func (t PayType) ExcludesCredit() bool {
	i := t.row()
	return i >= 0 && payTypes[i].excludesCredit
}
