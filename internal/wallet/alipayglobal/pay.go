package alipayglobal

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/wallet"
	"github.com/sampanpay/sampan/internal/wire/mapi"
)

// Pay signs the address that opens the cashier. It does not call the wallet, which learns of the
// order when the buyer's browser arrives.
func (c *connector) Pay(_ context.Context, o wallet.Order) (wallet.Checkout, error) {
	if !slices.Contains(currencies[o.PayType], o.Amount.Currency) {
		return wallet.Checkout{}, fmt.Errorf("%w: alipayglobal: pay %s: %q does not take %q",
			wallet.ErrNotSent,
			o.Number, o.PayType, o.Amount.Currency)
	}
	if !plainURL(o.CallbackURL) || !plainURL(o.ReturnURL) {
		return wallet.Checkout{}, fmt.Errorf("%w: alipayglobal: pay %s: the notify or return address %s",
			wallet.ErrNotSent, o.Number, rules["refer_url"].Text)
	}
	m := maps.Clone(c.order)
	m["out_trade_no"] = o.Number
	m["currency"] = string(o.Amount.Currency)
	m["total_fee"] = o.Amount.Decimal()
	m["subject"] = cmp.Or(wallet.CleanText(o.Subject, 255), o.Number)
	m["notify_url"] = o.CallbackURL
	m["return_url"] = o.ReturnURL
	if o.PayType == pay.AlipayHK {
		m["payment_inst"] = "ALIPAYHK"
	}
	if c.secondary {
		m["secondary_merchant_id"] = wallet.CleanText(o.SubMerchant.ID, 64)
		m["secondary_merchant_name"] = wallet.CleanText(o.SubMerchant.Name, 128)
		m["secondary_merchant_industry"] = wallet.CleanText(o.SubMerchant.MCC, 4)
	}
	if err := c.sign("create_forex_trade_wap", m); err != nil {
		return wallet.Checkout{}, fmt.Errorf("%w: alipayglobal: pay %s: %w", wallet.ErrNotSent, o.Number, err)
	}
	return wallet.Checkout{URL: c.gateway + "?" + m.Encode()}, nil
}

// sign adds the common fields and the signature to a request.
func (c *connector) sign(service string, m mapi.Message) error {
	m["service"] = service
	m["partner"] = c.partner
	m["_input_charset"] = "UTF-8"
	return m.Sign(c.keys)
}
