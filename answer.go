package sampan

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// answer is a JSON object of the trade API. The API writes every value as a string; numbers are
// accepted too. err keeps the first amount that cannot be read, so that callers check once.
type answer struct {
	fields map[string]json.RawMessage
	zone   *time.Location
	err    error
}

// text returns the value of a string or a number, and "" for anything else.
func (a *answer) text(name string) string {
	raw := a.fields[name]
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	var n json.Number
	if json.Unmarshal(raw, &n) == nil {
		return n.String()
	}
	return ""
}

// object returns the object with this name, or nil.
func (a *answer) object(name string) *answer {
	b := &answer{zone: a.zone}
	if json.Unmarshal(a.fields[name], &b.fields) != nil || b.fields == nil {
		return nil
	}
	return b
}

// minor returns an amount in minor units, or 0 if it is missing.
func (a *answer) minor(name string) int64 {
	s := a.text(name)
	if s == "" {
		return 0
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if (err != nil || n < 0) && a.err == nil {
		a.err = fmt.Errorf("sampan: %s %.40q is not an amount", name, s)
	}
	return n
}

// time returns a clock time in the gateway's zone, or the zero time if it is missing.
func (a *answer) time(name string) time.Time {
	t, err := time.ParseInLocation(time.DateTime, a.text(name), a.zone)
	if err != nil {
		return time.Time{}
	}
	return t
}

// Transaction is a payment or a refund in the gateway's records.
type Transaction struct {
	ID           string // syssn: the gateway's number
	OrderNo      string // out_trade_no: the merchant's own
	Refund       bool   // whether it is a refund; otherwise it is a payment
	OriginalID   string // of a refund: ID of its payment
	StoreID      string // mchid
	PayType      PayType
	Amount       int64  // minor units
	Currency     string // ISO 4217
	GoodsName    string
	DeviceID     string    // udid
	WalletNo     string    // chnlsn: the wallet's number of the trade
	BuyerID      string    // cardcd: the wallet's masked id of the buyer
	Code         Code      // state: CodeSuccess is paid, or refunded
	Message      string    // errmsg
	Cancel       string    // "0" no, "2" closed, "3" refunded in full, "5" refunded in part
	ClientTime   time.Time // txdtm: the merchant's time of the order
	CreatedAt    time.Time // sysdtm
	PaidAt       time.Time // paydtm; zero unless Code is CodeSuccess
	CashFee      int64     // what the buyer paid, if the wallet reports it
	CashCurrency string
	ExchangeRate string
}

// Paid reports whether t is a payment whose money has arrived. It remains true after a refund: see
// Cancel.
func (t Transaction) Paid() bool { return t.Code == CodeSuccess && !t.Refund }

func (a *answer) transaction() Transaction {
	t := Transaction{
		ID:           a.text("syssn"),
		OrderNo:      a.text("out_trade_no"),
		StoreID:      a.text("mchid"),
		PayType:      PayType(a.text("pay_type")),
		Amount:       a.minor("txamt"),
		Currency:     a.text("txcurrcd"),
		GoodsName:    a.text("goods_name"),
		DeviceID:     a.text("udid"),
		WalletNo:     a.text("chnlsn"),
		BuyerID:      a.text("cardcd"),
		Code:         Code(a.text("respcd")),
		Message:      a.text("errmsg"),
		Cancel:       a.text("cancel"),
		ClientTime:   a.time("txdtm"),
		CreatedAt:    a.time("sysdtm"),
		CashFee:      a.minor("cash_fee"),
		CashCurrency: a.text("cash_fee_type"),
		ExchangeRate: a.text("exchange_rate"),
	}
	// Before the payment, the gateway repeats sysdtm here.
	if t.Code == CodeSuccess {
		t.PaidAt = a.time("paydtm")
	}
	return t
}
