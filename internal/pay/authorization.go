package pay

import "time"

// Authorization is a buyer who was sent to a wallet so that it tells a merchant
// who they are. It serves once.
type Authorization struct {
	MerchantID string
	ID         string // the merchant's six digits and 32 random hexadecimal ones; the wallet gives it back
	AppCode    string // whose link it was
	Nonce      string // of the link: a link opens once
	AccountID  string // the wallet account that asks
	ReturnURL  string // where the buyer goes in the end
	State      string // the merchant's own, given back with the buyer
	CreatedAt  time.Time
	ExpiresAt  time.Time
}

// ValidOpenID reports whether s can be a wallet's id of a buyer: Alipay's user
// id, 2088 and twelve digits, or an open id, up to 64 letters, digits, - and _
// that are not digits alone: those would be a user id gone wrong. (Alipay
// documents no alphabet for open ids; these are what they are made of.)
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
