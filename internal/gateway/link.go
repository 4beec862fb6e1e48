package gateway

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math/big"
	"net/url"

	"github.com/sampanpay/sampan/internal/pay"
)

// A pay link's token is 27 bytes in base64url: the payment's 26 digits as an
// 11-byte number, and a 128-bit MAC over it. The digits include the merchant.
const (
	idBytes     = 11
	macBytes    = 16
	tokenLength = (idBytes + macBytes) / 3 * 4
)

var tokenEncoding = base64.RawURLEncoding.Strict()

// Token returns the token of a payment's links.
func (g *Gateway) Token(paymentID string) string {
	n, ok := new(big.Int).SetString(paymentID, 10)
	if !ok || len(paymentID) != 26 || n.Sign() < 0 || n.BitLen() > idBytes*8 {
		panic("gateway: a payment's id is not 26 digits: " + paymentID)
	}
	id := n.FillBytes(make([]byte, idBytes))
	return tokenEncoding.EncodeToString(append(id, g.tokenMAC(id)...))
}

// parseToken returns the merchant and the payment of a token. It accepts only what
// Token returns, byte for byte.
func (g *Gateway) parseToken(token string) (merchantID, paymentID string, ok bool) {
	if len(token) != tokenLength {
		return "", "", false
	}
	raw, err := tokenEncoding.DecodeString(token)
	if err != nil || len(raw) != idBytes+macBytes { // even a strict decoder skips line breaks
		return "", "", false
	}
	id, mac := raw[:idBytes], raw[idBytes:]
	if !hmac.Equal(mac, g.tokenMAC(id)) {
		return "", "", false
	}
	paymentID = fmt.Sprintf("%026d", new(big.Int).SetBytes(id))
	if len(paymentID) != 26 {
		return "", "", false
	}
	return paymentID[8:14], paymentID, true
}

func (g *Gateway) tokenMAC(id []byte) []byte {
	h := hmac.New(sha256.New, g.LinkKey)
	h.Write([]byte("sampan-pay-link-v1"))
	h.Write(id)
	return h.Sum(nil)[:macBytes]
}

// PayLink returns the address that a merchant gives to its buyer.
func (g *Gateway) PayLink(p pay.Payment) string { return g.BaseURL + "/pay/" + g.Token(p.ID) }

// The addresses that wallets get are ours. They contain no character that has a
// meaning in a signed string: see the connector of Alipay's global gateway.

func (g *Gateway) returnURL(p pay.Payment) string { return g.BaseURL + "/return/" + g.Token(p.ID) }

func (g *Gateway) callbackURL(p pay.Payment) string {
	return g.BaseURL + "/callback/" + url.PathEscape(p.MerchantID) + "/" + url.PathEscape(p.AccountID)
}
