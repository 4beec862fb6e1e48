package delivery

import (
	"fmt"
	"strconv"
	"time"
	"unicode/utf16"

	"github.com/sampanpay/sampan/internal/pay"
)

// Body returns the notification of a paid payment, with times in zone. The bytes
// are final: they are stored with the event, signed and sent unchanged.
//
// They equal the output of Python's json.dumps for the same members in the same
// order. A receiver may follow the vendor's sample: it parses the body, writes it
// again with json.dumps and hashes that. The result must equal the bytes that were
// signed (trade API, notifications).
func Body(p pay.Payment, zone *time.Location) []byte {
	return object(members(p, subject{
		kind: "payment", id: p.ID, orderNo: p.OrderNo, clientTime: p.ClientTime,
		amount: p.Amount, created: p.CreatedAt, done: p.PaidAt,
	}, zone))
}

// RefundBody returns the notification of a refund of p that has succeeded.
func RefundBody(r pay.Refund, p pay.Payment, zone *time.Location) []byte {
	return object(append(members(p, subject{
		kind: "refund", id: r.ID, orderNo: r.OrderNo, clientTime: r.ClientTime,
		amount: r.Amount, created: r.CreatedAt, done: r.DoneAt,
	}, zone),
		[2]string{"orig_syssn", p.ID},
		[2]string{"orig_out_trade_no", p.OrderNo},
		[2]string{"cash_refund_fee", "0"},
		[2]string{"cash_refund_fee_type", ""},
	))
}

// subject is what differs between the notifications of a payment and of its
// refunds.
type subject struct {
	kind, id, orderNo, clientTime string
	amount                        pay.Amount
	created, done                 time.Time
}

func members(p pay.Payment, about subject, zone *time.Location) [][2]string {
	clock := func(t time.Time) string { return t.In(zone).Format(time.DateTime) }
	return [][2]string{
		{"status", "1"},
		{"pay_type", string(p.PayType)},
		{"sysdtm", clock(about.created)},
		{"paydtm", clock(about.done)},
		{"goods_name", p.Goods},
		{"txcurrcd", string(about.amount.Currency)},
		{"txdtm", about.clientTime},
		{"mchid", p.StoreID},
		{"txamt", strconv.FormatInt(about.amount.Minor, 10)},
		{"exchange_rate", ""},
		{"chnlsn2", ""},
		{"out_trade_no", about.orderNo},
		{"syssn", about.id},
		{"cash_fee_type", ""},
		{"cancel", "0"},
		{"respcd", "0000"},
		{"goods_info", ""},
		{"cash_fee", "0"},
		{"notify_type", about.kind},
		{"chnlsn", p.TradeNo},
		{"cardcd", p.BuyerID},
	}
}

// object writes members like json.dumps.
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

// appendString appends s like json.dumps writes a string: printable ASCII
// unchanged, everything else escaped. encoding/json has no option for that: it
// leaves non-ASCII text unchanged, and escapes < > & and U+007F differently. Each
// byte that is not UTF-8 becomes U+FFFD.
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
