package store

import (
	"fmt"
	"strings"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store/queries"
)

// creation is a payment to be stored, and the Seq of the last of its account's
// orphans that it was compared with.
type creation struct {
	queries.Payment
	OrphansSeen int64 `db:"orphans_seen"`
}

var creationTable = tableOf[creation]()

// insertPaymentText returns the statement that stores creations from a source of
// rows, or one creation from the statement's arguments if source is "". It skips a
// creation whose id or order number is taken, and one whose account has an open
// orphan that it was not compared with.
func insertPaymentText(source, from string) string {
	p := creationTable.reference(source)
	values := make([]string, len(paymentTable.columns))
	for i, column := range paymentTable.columns {
		values[i] = p(column)
	}
	return fmt.Sprintf(`INSERT INTO payment (%s) SELECT %s %s
		WHERE NOT EXISTS (SELECT 1 FROM refund r
			WHERE r.merchant_id = %s AND r.app_code = %s AND r.store_id = %s AND r.order_no = %s)
		AND NOT EXISTS (SELECT 1 FROM orphan o
			WHERE o.merchant_id = %s AND o.account_id = %s AND o.state = 'open' AND o.seq > %s)
		ON CONFLICT DO NOTHING`,
		paymentTable.list(""), strings.Join(values, ", "), from,
		p("merchant_id"), p("app_code"), p("store_id"), p("order_no"),
		p("merchant_id"), p("account_id"), p("orphans_seen"))
}

func fromPayment(p pay.Payment) queries.Payment {
	return queries.Payment{
		MerchantID: p.MerchantID, ID: p.ID, AppCode: p.AppCode, StoreID: p.StoreID,
		OrderNo: p.OrderNo, Fingerprint: p.Fingerprint, PayType: string(p.PayType), AccountID: p.AccountID,
		Amount: p.Amount.Minor, Currency: string(p.Amount.Currency), Goods: p.Goods, ClientTime: p.ClientTime,
		DeviceID: p.DeviceID, ReturnURL: p.ReturnURL, NotifyURL: p.NotifyURL, OpenID: p.OpenID,
		NoCredit: bit(p.NoCredit),
		Status:   string(p.Status), Checkout: p.Checkout,
		TradeNo: p.TradeNo, BuyerID: p.BuyerID, Failure: p.Failure,
		Late: bit(p.Late), Flagged: bit(p.Flagged),
		CreatedAt: ms(p.CreatedAt), ExpiresAt: ms(p.ExpiresAt),
		OpenedAt: ms(p.OpenedAt), PaidAt: ms(p.PaidAt),
		ClosedAt: ms(p.ClosedAt), AskedAt: ms(p.AskedAt), DueAt: ms(p.DueAt), Inquiries: int64(p.Inquiries),
		Reserved: p.Reserved, Refunded: p.Refunded, ClaimableAt: ms(p.DueAt),
		CloseID: p.CloseID, CloseAskedAt: ms(p.CloseAskedAt), WalletNumber: p.WalletNumber,
		ConfirmedAt: ms(p.ConfirmedAt), CheckoutEndsAt: ms(p.CheckoutEndsAt), WalletID: p.WalletID,
		Events: int64(p.Events),
	}
}

func toPayment(r queries.Payment) pay.Payment {
	return pay.Payment{
		Scope: pay.Scope{MerchantID: r.MerchantID, AppCode: r.AppCode, StoreID: r.StoreID},
		ID:    r.ID, OrderNo: r.OrderNo, Fingerprint: r.Fingerprint, PayType: pay.PayType(r.PayType),
		AccountID: r.AccountID,
		Amount:    pay.Amount{Minor: r.Amount, Currency: pay.Currency(r.Currency)}, Goods: r.Goods,
		ClientTime: r.ClientTime,
		DeviceID:   r.DeviceID, ReturnURL: r.ReturnURL, NotifyURL: r.NotifyURL, OpenID: r.OpenID,
		NoCredit: r.NoCredit != 0,
		Status:   pay.Status(r.Status), Checkout: r.Checkout, TradeNo: r.TradeNo, BuyerID: r.BuyerID,
		Failure: r.Failure,
		Late:    r.Late != 0, Flagged: r.Flagged != 0,
		CreatedAt: at(r.CreatedAt), ExpiresAt: at(r.ExpiresAt),
		OpenedAt: at(r.OpenedAt), PaidAt: at(r.PaidAt),
		ClosedAt: at(r.ClosedAt), AskedAt: at(r.AskedAt), DueAt: at(r.DueAt), Inquiries: int(r.Inquiries),
		Reserved: r.Reserved, Refunded: r.Refunded, CloseID: r.CloseID, CloseAskedAt: at(r.CloseAskedAt),
		WalletNumber: r.WalletNumber, ConfirmedAt: at(r.ConfirmedAt),
		CheckoutEndsAt: at(r.CheckoutEndsAt), WalletID: r.WalletID, Events: int(r.Events),
	}
}
