package servicewindow

import (
	"errors"
	"fmt"

	"github.com/sampanpay/sampan/internal/wallet"
	"github.com/sampanpay/sampan/internal/wire/openapi"
)

// maxCallback limits a callback's body. Genuine ones have a few kilobytes.
const maxCallback = 64 << 10

// Callback reads a notice of a payment or of a refund. Its signature is sufficient proof: Alipay
// signs an application's notices with a key that it uses for no other application.
func (c *connector) Callback(posted wallet.Callback) (wallet.Notice, error) {
	n, err := c.notice(posted.Body)
	if err != nil {
		return wallet.Notice{}, fmt.Errorf("servicewindow: callback: %w", err)
	}
	return n, nil
}

func (c *connector) notice(body []byte) (wallet.Notice, error) {
	if len(body) > maxCallback {
		return wallet.Notice{}, fmt.Errorf("more than %d bytes", maxCallback)
	}
	m, err := openapi.ReadNotification(body, c.keys)
	if err != nil {
		return wallet.Notice{}, err
	}
	if err := c.isNotice(m); err != nil {
		return wallet.Notice{}, err
	}
	n := wallet.Notice{
		Number: m["out_trade_no"], ID: m["notify_id"], Reply: wallet.Reply{Body: []byte("success")},
	}
	if m["out_biz_no"] != "" && m["gmt_refund"] != "" {
		// refund_fee is the sum of all refunds so far, so the notice has no amount of its own.
		n.RefundID = m["out_biz_no"]
		n.State = wallet.State{Outcome: wallet.Succeeded, TradeNo: m["trade_no"], At: when(m, "gmt_refund"),
			Code: m["trade_status"]}
		return n, nil
	}
	if n.State, err = tradeState(m, "gmt_payment"); err != nil {
		return wallet.Notice{}, err
	}
	n.State.BuyerID = buyer(m)
	return n, nil
}

// isNotice refuses correctly signed messages that are not notices to this account. The deciding
// fields must be plain ASCII, whatever the charset.
func (c *connector) isNotice(m openapi.Message) error {
	if err := wallet.Plain(m, "notify_id", "notify_type",
		"app_id", "auth_app_id", "seller_id", "out_trade_no",
		"out_biz_no", "trade_no", "trade_status", "total_amount", "refund_fee"); err != nil {
		return err
	}
	for _, name := range []string{"notify_id", "out_trade_no", "trade_no"} {
		if m[name] == "" {
			return fmt.Errorf("it has no %s", name)
		}
	}
	switch {
	case m["notify_type"] != "trade_status_sync":
		return fmt.Errorf("unlisted notify_type %.64q", m["notify_type"])
	case m["method"] != "" || m["biz_content"] != "":
		return errors.New("this is a request")
	case m["app_id"] != c.appID && m["auth_app_id"] != c.appID:
		return errors.New("it is about another application")
	case c.sellerID != "" && m["seller_id"] != c.sellerID:
		return errors.New("it is about another seller")
	}
	return nil
}
