package pay

import "slices"

// PayType says which wallet an order is paid with. The values are the codes of the
// trade API (the document of the Alipay WAP payments, "PayType Reference"), which
// have no other names.
type PayType string

// The pay types that Sampan serves.
const (
	AlipayCrossBorder   PayType = "801107" // Alipay, the mainland wallet, paying a merchant abroad
	AlipayHK            PayType = "801512" // AlipayHK, the Hong Kong wallet
	AlipayServiceWindow PayType = "800107" // a page opened inside the Alipay app
)

// payTypes is the one table of pay types. A new pay type is a new row.
var payTypes = []struct {
	code           PayType
	name           string   // of the wallet, as buyers know it, in English
	alias          string   // on the command line
	currency       Currency // on the command line, by default
	needsOpenID    bool     // an order must name the buyer
	excludesCredit bool     // an order can exclude credit cards (limit_pay)
}{
	{code: AlipayCrossBorder, name: "Alipay", alias: "alipay", currency: "HKD"},
	{code: AlipayHK, name: "AlipayHK", alias: "alipayhk", currency: "HKD"},
	{code: AlipayServiceWindow, name: "Alipay", alias: "alipay-window", currency: "CNY",
		needsOpenID: true, excludesCredit: true},
}

// PayTypes lists the codes in the order of the documents.
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

// Name returns the wallet's name as buyers know it, in English. For an unknown pay
// type it returns the code.
func (t PayType) Name() string {
	if i := t.row(); i >= 0 {
		return payTypes[i].name
	}
	return string(t)
}

// PayTypeNamed returns the pay type with a name of the command line (alipay,
// alipayhk, alipay-window). It takes any other name for a code.
func PayTypeNamed(name string) PayType {
	for _, row := range payTypes {
		if row.alias == name {
			return row.code
		}
	}
	return PayType(name)
}

// DefaultCurrency returns the currency of an order for which the command line names
// none: HKD for an unknown pay type.
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
