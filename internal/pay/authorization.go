package pay

import "time"

// Authorization is one visit of a buyer at a wallet, which tells a merchant who the
// buyer is. It can be used once.
type Authorization struct {
	MerchantID string
	ID         string // the merchant's six digits and 32 random hexadecimal ones; the wallet gives it back
	AppCode    string // whose link it was
	Nonce      string // of the link, which opens once
	AccountID  string // the wallet account that asks
	ReturnURL  string // where the buyer is sent at the end
	State      string // the merchant's own, returned with the buyer
	CreatedAt  time.Time
	ExpiresAt  time.Time
}

// ValidOpenID reports whether s can be a wallet's id of a buyer. That is Alipay's
// user id, 2088 and twelve digits, or an open id, up to 64 letters, digits, - and
// _. Other strings of digits alone are refused: they are mistyped user ids. (Alipay
// documents no alphabet for open ids. This one fits those that we have seen.)
func ValidOpenID(s string) bool {
	digits := 0
	for i := range len(s) {
		switch c := s[i]; {
		case '0' <= c && c <= '9':
			digits++
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '-', c == '_':
		default:
			return false
		}
	}
	if digits == len(s) {
		return len(s) == 16 && s[:4] == "2088"
	}
	return len(s) <= 64
}
