package simulator

// The wallets, as payment_inst names them.
const (
	alipayCN = "ALIPAYCN"
	alipayHK = "ALIPAYHK"
)

// Buyer is a test account.
type Buyer struct {
	ID      string `json:"id"` // as in the cashier's form and the control API
	Name    string `json:"name"`
	Wallet  string `json:"wallet"` // ALIPAYCN or ALIPAYHK
	Balance Money  `json:"balance"`
	BuyerID string `json:"buyer_id"`    // on the wire
	Email   string `json:"buyer_email"` // on the wire, masked
}

// Buyers are the test accounts: in each wallet one with much money and one with little.
var Buyers = []Buyer{
	{"mei", "Mei 美", alipayCN, Money{1_000_000_000, "CNY"}, "2088000000000101", "mei***@mail.example"},
	{"bo", "Bo 波", alipayCN, Money{5000, "CNY"}, "2088000000000102", "bo***@mail.example"},
	{"wing", "Wing 詠", alipayHK, Money{1_000_000_000, "HKD"}, "2088000000000201", "win***@mail.example"},
	{"kit", "Kit 傑", alipayHK, Money{2000, "HKD"}, "2088000000000202", "kit***@mail.example"},
}

// buyersOf returns the accounts that a wallet's cashier offers.
func buyersOf(wallet string) []Buyer {
	var list []Buyer
	for _, b := range Buyers {
		if b.Wallet == wallet {
			list = append(list, b)
		}
	}
	return list
}

// pickBuyer finds an account of a wallet by id. "" picks the wallet's first.
func pickBuyer(wallet, id string) (Buyer, bool) {
	for _, b := range buyersOf(wallet) {
		if id == "" || b.ID == id {
			return b, true
		}
	}
	return Buyer{}, false
}
