package servicewindow

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/wallet"
	"github.com/sampanpay/sampan/internal/wire/openapi"
)

// refusedOrders are the codes by which alipay.trade.create says that it created no trade.
// TRADE_HAS_SUCCESS and CONTEXT_INCONSISTENT are not among them: then a trade of this number
// exists, and the buyer's app shows it.
var refusedOrders = map[string]wallet.RejectionKind{
	"ACQ.INVALID_PARAMETER":                     wallet.RejectedOrder,
	"ACQ.ILLEGAL_ARGUMENT":                      wallet.RejectedOrder,
	"ACQ.EXIST_FORBIDDEN_WORD":                  wallet.RejectedOrder,
	"ACQ.TOTAL_FEE_EXCEED":                      wallet.RejectedOrder,
	"ACQ.BEYOND_PER_RECEIPT_SINGLE_RESTRICTION": wallet.RejectedOrder,
	"ACQ.MERCHANT_PERM_RECEIPT_DAY_LIMIT":       wallet.RejectedOrder,
	"ACQ.MERCHANT_PERM_RECEIPT_SINGLE_LIMIT":    wallet.RejectedOrder,
	"ACQ.TRADE_HAS_CLOSE":                       wallet.RejectedOrder,
	"ACQ.BUYER_SELLER_EQUAL":                    wallet.RejectedOrder,
	"ACQ.BUYER_NOT_EXIST":                       wallet.RejectedOrder,
	"ACQ.TRADE_BUYER_NOT_MATCH":                 wallet.RejectedOrder,
	"ACQ.PAYER_UNMATCHED":                       wallet.RejectedOrder,
	"ACQ.OPEN_ID_NOT_TINY_APP":                  wallet.RejectedOrder,
	"ACQ.BUYER_ENABLE_STATUS_FORBID":            wallet.RejectedOrder,
	"ACQ.ERROR_BUYER_CERTIFY_LEVEL_LIMIT":       wallet.RejectedOrder,
	"ACQ.NOW_TIME_AFTER_EXPIRE_TIME_ERROR":      wallet.RejectedOrder,

	"ACQ.ACCESS_FORBIDDEN":                 wallet.RejectedAccount,
	"ACQ.PARTNER_ERROR":                    wallet.RejectedAccount,
	"ACQ.BIZ_PRODUCT_NOT_ALLOWED":          wallet.RejectedAccount,
	"ACQ.PRODUCT_NOT_SUPPORT_IN_TINY_APP":  wallet.RejectedAccount,
	"ACQ.SELLER_BEEN_BLOCKED":              wallet.RejectedAccount,
	"ACQ.SELLER_NOT_EXIST":                 wallet.RejectedAccount,
	"ACQ.INVALID_RECEIVE_ACCOUNT":          wallet.RejectedAccount,
	"ACQ.MERCHANT_STATUS_NOT_NORMAL":       wallet.RejectedAccount,
	"ACQ.ERROR_SELLER_CERTIFY_LEVEL_LIMIT": wallet.RejectedAccount,
	"ACQ.UNBOUND_APPLICATION":              wallet.RejectedAccount,
}

// Pay makes the trade. Ref is its trade_no, which the app's cashier is opened with. The same order
// again gives the same trade, as long as it is not paid.
func (c *connector) Pay(ctx context.Context, o wallet.Order) (wallet.Checkout, error) {
	checkout, err := c.create(ctx, o)
	if err != nil {
		return checkout, fmt.Errorf("servicewindow: pay %s: %w", o.Number, err)
	}
	return checkout, nil
}

func (c *connector) create(ctx context.Context, o wallet.Order) (wallet.Checkout, error) {
	if o.PayType != pay.AlipayServiceWindow || o.Amount.Currency != "CNY" {
		return wallet.Checkout{}, fmt.Errorf("%w: %q does not take %q",
			wallet.ErrNotSent, o.PayType, o.Amount.Currency)
	}
	if strings.ContainsAny(o.CallbackURL, "&=?") {
		return wallet.Checkout{}, fmt.Errorf("%w: the notify address must have no query", wallet.ErrNotSent)
	}
	content := map[string]any{
		"total_amount":         o.Amount.Decimal(),
		"subject":              cmp.Or(wallet.CleanText(o.Subject, 256), o.Number),
		"time_expire":          o.ExpiresAt.In(china).Format(time.DateTime),
		c.buyerField(o.OpenID): o.OpenID,
	}
	for name, value := range map[string]string{"product_code": c.productCode, "op_app_id": c.opApp,
		"seller_id": c.sellerID} {
		if value != "" {
			content[name] = value
		}
	}
	if o.NoCredit {
		content["disable_pay_channels"] = "credit_group" // all kinds of credit
	}
	a, err := c.trade(ctx, "alipay.trade.create", o, openapi.Message{"notify_url": o.CallbackURL}, content)
	if err != nil {
		return wallet.Checkout{}, sorted(err, refusedOrders)
	}
	if a.Fields["trade_no"] == "" {
		return wallet.Checkout{}, fmt.Errorf("%w: no trade_no", wallet.ErrUnknown)
	}
	return wallet.Checkout{Ref: a.Fields["trade_no"], WalletID: a.Fields["trade_no"]}, nil
}

// buyerField returns the name of the field for the buyer's id. An open id belongs to the
// application that learnt it, which is ours. A mini program that is another application has a
// separate field for its open ids.
func (c *connector) buyerField(openID string) string {
	switch {
	case userID(openID):
		return "buyer_id"
	case c.opApp != "" && c.opApp != c.appID:
		return "op_buyer_open_id"
	}
	return "buyer_open_id"
}

// Authorize returns the address of Alipay's authorisation page, for the id only: the buyer is not
// asked anything. (Alipay, "Obtain the user's id".)
func (c *connector) Authorize(redirectURL, state string) (string, error) {
	return c.authorize + "?" + url.Values{
		"app_id": {c.appID}, "scope": {"auth_base"}, "redirect_uri": {redirectURL}, "state": {state},
	}.Encode(), nil
}

// Identify exchanges the code with which the buyer's browser returned.
func (c *connector) Identify(ctx context.Context, query url.Values) (string, error) {
	id, err := c.identify(ctx, query)
	if err != nil {
		return "", fmt.Errorf("servicewindow: identify: %w", err)
	}
	return id, nil
}

func (c *connector) identify(ctx context.Context, query url.Values) (string, error) {
	code := query.Get("auth_code")
	switch {
	case code == "" || len(code) > 128:
		return "", &wallet.Rejection{Code: "auth_code", Text: "there is none", Kind: wallet.RejectedOrder}
	case query.Get("app_id") != c.appID:
		return "", &wallet.Rejection{Code: "app_id", Text: "the code belongs to another application",
			Kind: wallet.RejectedOrder}
	}
	a, err := c.call(ctx, "alipay.system.oauth.token",
		openapi.Message{"grant_type": "authorization_code", "code": code})
	if err != nil {
		return "", sorted(err, nil)
	}
	id := cmp.Or(a.Fields["user_id"], a.Fields["open_id"])
	if !pay.ValidOpenID(id) {
		return "", errors.Join(wallet.ErrUnknown, errors.New("the answer names no buyer"))
	}
	return id, nil
}
