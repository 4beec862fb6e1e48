package sampan

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// answer is an object of the trade API. The API writes every value as a string;
// numbers are understood too. The first amount that cannot be read is kept in
// err, so that callers check once.
type answer struct {
	fields map[string]json.RawMessage
	zone   *time.Location
	err    error
}

// text is the value of a string or a number, and "" for anything else.
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

// object is the object of that name, nil if there is none.
func (a *answer) object(name string) *answer {
	b := &answer{zone: a.zone}
	if json.Unmarshal(a.fields[name], &b.fields) != nil || b.fields == nil {
		return nil
	}
	return b
}

// minor is an amount in minor units; 0 where there is none.
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

// time is a clock time in the gateway's zone; zero where there is none.
func (a *answer) time(name string) time.Time {
	t, err := time.ParseInLocation(clockTime, a.text(name), a.zone)
	if err != nil {
		return time.Time{}
	}
	return t
}

// Transaction is a payment or a refund as the gateway knows it.
type Transaction struct {
	ID           string // syssn: the gateway's number
	OrderNo      string // out_trade_no: the merchant's own
	Refund       bool   // a refund, else a payment
	OriginalID   string // ID of the payment that a refund is of
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
	Cancel       string    // "0" no, "2" closed, "3" refunded in full, "5" in part
	ClientTime   time.Time // txdtm: the merchant's time of the order
	CreatedAt    time.Time // sysdtm
	PaidAt       time.Time // paydtm; zero unless Code is CodeSuccess
	CashFee      int64     // what the buyer paid, where the wallet tells
	CashCurrency string
	ExchangeRate string
}

// Paid reports whether it is a payment whose money has arrived. It stays so
// when the money is given back: see Cancel.
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
	// Until it is paid, the gateway repeats sysdtm here.
	if t.Code == CodeSuccess {
		t.PaidAt = a.time("paydtm")
	}
	return t
}
