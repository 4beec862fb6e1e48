package delivery

import (
	"fmt"
	"strconv"
	"time"
	"unicode/utf16"

	"github.com/sampanpay/sampan/internal/pay"
)

// Body writes the notification of a paid payment, with times in zone. The bytes
// are final: they are stored with the event and sent, and signed, as they are.
//
// They are what Python's json.dumps makes of the same members in the same
// order. A receiver may follow the vendor's sample, which parses the body and
// hashes what json.dumps makes of that again, and must arrive at the bytes that
// were signed (trade API, notifications).
func Body(p pay.Payment, zone *time.Location) []byte {
	return object(members(p, told{
		kind: "payment", id: p.ID, orderNo: p.OrderNo, clientTime: p.ClientTime, amount: p.Amount, created: p.CreatedAt, done: p.PaidAt,
	}, zone))
}

// RefundBody is Body for a refund of p that has succeeded.
func RefundBody(r pay.Refund, p pay.Payment, zone *time.Location) []byte {
	return object(append(members(p, told{
		kind: "refund", id: r.ID, orderNo: r.OrderNo, clientTime: r.ClientTime, amount: r.Amount, created: r.CreatedAt, done: r.DoneAt,
	}, zone),
		[2]string{"orig_syssn", p.ID},
		[2]string{"orig_out_trade_no", p.OrderNo},
		[2]string{"cash_refund_fee", "0"},
		[2]string{"cash_refund_fee_type", ""},
	))
}

// told is what the notifications of a payment and of its refunds differ in.
type told struct {
	kind, id, orderNo, clientTime string
	amount                        pay.Amount
	created, done                 time.Time
}

func members(p pay.Payment, t told, zone *time.Location) [][2]string {
	clock := func(t time.Time) string { return t.In(zone).Format(time.DateTime) }
	return [][2]string{
		{"status", "1"},
		{"pay_type", string(p.PayType)},
		{"sysdtm", clock(t.created)},
		{"paydtm", clock(t.done)},
		{"goods_name", p.Goods},
		{"txcurrcd", string(t.amount.Currency)},
		{"txdtm", t.clientTime},
		{"mchid", p.StoreID},
		{"txamt", strconv.FormatInt(t.amount.Minor, 10)},
		{"exchange_rate", ""},
		{"chnlsn2", ""},
		{"out_trade_no", t.orderNo},
		{"syssn", t.id},
		{"cash_fee_type", ""},
		{"cancel", "0"},
		{"respcd", "0000"},
		{"goods_info", ""},
		{"cash_fee", "0"},
		{"notify_type", t.kind},
		{"chnlsn", p.TradeNo},
		{"cardcd", p.BuyerID},
	}
}

// object writes members as json.dumps does.
func object(members [][2]string) []byte {
	b := []byte{'{'}
	for i, member := range members {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = appendString(b, member[0])
		b = append(b, ": "...)
		b = appendString(b, member[1])
	}
	return append(b, '}')
}

// appendString appends s as json.dumps writes a string: printable ASCII as it
// is, everything else escaped. encoding/json cannot be told to do that: it
// leaves what is not ASCII alone, and escapes < > & and U+007F differently.
// Bytes that are not UTF-8 become U+FFFD, one each.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r >= ' ' && r <= '~':
			b = append(b, byte(r))
		case r == '\n':
			b = append(b, `\n`...)
		case r == '\r':
			b = append(b, `\r`...)
		case r == '\t':
			b = append(b, `\t`...)
		case r == '\b':
			b = append(b, `\b`...)
		case r == '\f':
			b = append(b, `\f`...)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			b = fmt.Appendf(b, `\u%04x\u%04x`, high, low)
		default:
			b = fmt.Appendf(b, `\u%04x`, r)
		}
	}
	return append(b, '"')
}
