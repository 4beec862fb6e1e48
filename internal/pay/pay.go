// Package pay holds the nouns of a payment gateway and their rules: amounts,
// payments, refunds, merchants, statuses and the moves that are legal between
// them, and errors. It does no I/O and knows neither databases nor wallets nor
// the spellings of any API.
package pay

// PayType says which wallet an order is to be paid with. The values are the
// codes of the trade API (the document of the Alipay WAP payments, "PayType
// Reference"), since they name nothing else anywhere.
type PayType string

// The pay types that Sampan serves.
const (
	AlipayCrossBorder   PayType = "801107" // Alipay, the mainland wallet, paying a merchant abroad
	AlipayHK            PayType = "801512" // AlipayHK, the Hong Kong wallet
	AlipayServiceWindow PayType = "800107" // a page opened inside the Alipay app
)

// PayTypes lists them all, in the order in which documents print them.
var PayTypes = []PayType{AlipayCrossBorder, AlipayHK, AlipayServiceWindow}

// Known reports whether t is one of PayTypes.
func (t PayType) Known() bool {
	return t == AlipayCrossBorder || t == AlipayHK || t == AlipayServiceWindow
}

// Name is the wallet's name as buyers know it, in English.
func (t PayType) Name() string {
	switch t {
	case AlipayCrossBorder, AlipayServiceWindow:
		return "Alipay"
	case AlipayHK:
		return "AlipayHK"
	}
	return string(t)
}
