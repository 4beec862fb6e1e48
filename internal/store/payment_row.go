package store

import (
	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store/queries"
)

// paymentColumns and paymentFields are the payment table's columns and a row's
// fields, in the same order.
const paymentColumns = `merchant_id, id, app_code, store_id, order_no, fingerprint, pay_type, account_id, amount, currency, goods, client_time,
	device_id, return_url, notify_url, open_id, no_credit, status, checkout, trade_no, buyer_id, failure, late, flagged,
	created_at, expires_at, opened_at, paid_at, closed_at, asked_at, due_at, inquiries, reserved, refunded, lease, claimable_at,
	close_id, close_asked_at, wallet_number, confirmed_at, checkout_ends_at, wallet_id, events`

func paymentFields(p *queries.Payment) []any {
	return []any{
		&p.MerchantID, &p.ID, &p.AppCode, &p.StoreID, &p.OrderNo, &p.Fingerprint, &p.PayType, &p.AccountID,
		&p.Amount, &p.Currency, &p.Goods, &p.ClientTime, &p.DeviceID, &p.ReturnURL, &p.NotifyURL, &p.OpenID, &p.NoCredit,
		&p.Status, &p.Checkout, &p.TradeNo, &p.BuyerID, &p.Failure, &p.Late, &p.Flagged,
		&p.CreatedAt, &p.ExpiresAt, &p.OpenedAt, &p.PaidAt, &p.ClosedAt, &p.AskedAt, &p.DueAt, &p.Inquiries,
		&p.Reserved, &p.Refunded, &p.Lease, &p.ClaimableAt, &p.CloseID, &p.CloseAskedAt, &p.WalletNumber, &p.ConfirmedAt,
		&p.CheckoutEndsAt, &p.WalletID, &p.Events,
	}
}

func fromPayment(p pay.Payment) queries.Payment {
	return queries.Payment{
		MerchantID: p.MerchantID, ID: p.ID, AppCode: p.AppCode, StoreID: p.StoreID,
		OrderNo: p.OrderNo, Fingerprint: p.Fingerprint, PayType: string(p.PayType), AccountID: p.AccountID,
		Amount: p.Amount.Minor, Currency: string(p.Amount.Currency), Goods: p.Goods, ClientTime: p.ClientTime,
		DeviceID: p.DeviceID, ReturnURL: p.ReturnURL, NotifyURL: p.NotifyURL, OpenID: p.OpenID, NoCredit: bit(p.NoCredit),
		Status: string(p.Status), Checkout: p.Checkout, TradeNo: p.TradeNo, BuyerID: p.BuyerID, Failure: p.Failure,
		Late: bit(p.Late), Flagged: bit(p.Flagged),
		CreatedAt: ms(p.CreatedAt), ExpiresAt: ms(p.ExpiresAt), OpenedAt: ms(p.OpenedAt), PaidAt: ms(p.PaidAt),
		ClosedAt: ms(p.ClosedAt), AskedAt: ms(p.AskedAt), DueAt: ms(p.DueAt), Inquiries: int64(p.Inquiries),
		Reserved: p.Reserved, Refunded: p.Refunded, ClaimableAt: ms(p.DueAt),
		CloseID: p.CloseID, CloseAskedAt: ms(p.CloseAskedAt), WalletNumber: p.WalletNumber,
		ConfirmedAt: ms(p.ConfirmedAt), CheckoutEndsAt: ms(p.CheckoutEndsAt), WalletID: p.WalletID, Events: int64(p.Events),
	}
}

func toPayment(r queries.Payment) pay.Payment {
	return pay.Payment{
		Scope: pay.Scope{MerchantID: r.MerchantID, AppCode: r.AppCode, StoreID: r.StoreID},
		ID:    r.ID, OrderNo: r.OrderNo, Fingerprint: r.Fingerprint, PayType: pay.PayType(r.PayType), AccountID: r.AccountID,
		Amount: pay.Amount{Minor: r.Amount, Currency: pay.Currency(r.Currency)}, Goods: r.Goods, ClientTime: r.ClientTime,
		DeviceID: r.DeviceID, ReturnURL: r.ReturnURL, NotifyURL: r.NotifyURL, OpenID: r.OpenID, NoCredit: r.NoCredit != 0,
		Status: pay.Status(r.Status), Checkout: r.Checkout, TradeNo: r.TradeNo, BuyerID: r.BuyerID, Failure: r.Failure,
		Late: r.Late != 0, Flagged: r.Flagged != 0,
		CreatedAt: at(r.CreatedAt), ExpiresAt: at(r.ExpiresAt), OpenedAt: at(r.OpenedAt), PaidAt: at(r.PaidAt),
		ClosedAt: at(r.ClosedAt), AskedAt: at(r.AskedAt), DueAt: at(r.DueAt), Inquiries: int(r.Inquiries),
		Reserved: r.Reserved, Refunded: r.Refunded, CloseID: r.CloseID, CloseAskedAt: at(r.CloseAskedAt),
		WalletNumber: r.WalletNumber, ConfirmedAt: at(r.ConfirmedAt),
		CheckoutEndsAt: at(r.CheckoutEndsAt), WalletID: r.WalletID, Events: int(r.Events),
	}
}
