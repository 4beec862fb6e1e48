package api

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/sign"
)

// fingerprinted are the parameters that must be the same in two requests with one order
// number: all that the payment stores except txdtm, which may differ in a repeat.
var fingerprinted = []string{
	"txamt", "txcurrcd", "pay_type", "out_trade_no", "goods_name", "return_url", "notify_url",
	"openid", "expired_time", "limit_pay", "mchid", "udid",
}

// fingerprintedOfRefunds are the same for a refund.
var fingerprintedOfRefunds = []string{"syssn", "out_trade_no", "txamt", "mchid", "udid"}

// fingerprint distinguishes requests by what they ask for. It is the SHA-256, in hex,
// of each name whose value is not empty and that value, each preceded by its length.
// So "sent but empty" equals "not sent", and no value can pass for another
// parameter's.
func fingerprint(params sign.Params, names ...string) string {
	h := sha256.New()
	for _, name := range names {
		if value := params[name]; value != "" {
			fmt.Fprintf(h, "%d:%s,%d:%s,", len(name), name, len(value), value)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Asked reports whether a payment has the values of the request that made it, by its
// fingerprint. Values that a request may leave out are tried both ways.
func Asked(p pay.Payment) bool {
	params := sign.Params{
		"txamt": strconv.FormatInt(p.Amount.Minor, 10), "txcurrcd": string(p.Amount.Currency),
		"pay_type": string(p.PayType), "out_trade_no": p.OrderNo,
		"goods_name": p.Goods, "return_url": p.ReturnURL,
		"openid": p.OpenID, "mchid": p.StoreID, "udid": p.DeviceID,
	}
	if p.NoCredit {
		params["limit_pay"] = "no_credit"
	}
	asked := p.ExpiresAt.Sub(p.CreatedAt)
	if asked%time.Minute != 0 {
		return false
	}
	lives := []string{strconv.FormatInt(int64(asked/time.Minute), 10)}
	if asked == defaultLife {
		lives = append(lives, "")
	}
	for _, life := range lives {
		for _, address := range []string{"", p.NotifyURL} {
			params["expired_time"], params["notify_url"] = life, address
			if fingerprint(params, fingerprinted...) == p.Fingerprint {
				return true
			}
		}
	}
	return false
}

// RefundAsked is Asked for a merchant's refund of the payment with this syssn.
func RefundAsked(r pay.Refund, syssn string) bool {
	return r.Fingerprint == fingerprint(sign.Params{
		"syssn": syssn, "out_trade_no": r.OrderNo, "txamt": strconv.FormatInt(r.Amount.Minor, 10),
		"mchid": r.StoreID, "udid": r.DeviceID,
	}, fingerprintedOfRefunds...)
}
