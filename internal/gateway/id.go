package gateway

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
)

// Our numbers have 26 digits (trade API, syssn): eight of a date in the
// deployment's zone, the merchant's six, three of the time of day in slots of
// 86.4 seconds, nine of a MAC. They sort by time. Whoever asks for the same
// again gets the same nine digits, from a restored database too.
const (
	numberLength = 26
	dateDigits   = 8
	timeDigits   = 17 // date, merchant and slot

	// numberTries is how many numbers one order may try: the MAC counts on
	// where another order has its number.
	numberTries = 4
)

// paymentNumber is the number of an order that is made at the given time.
func (g *Gateway) paymentNumber(s pay.Scope, orderNo, fingerprint string, at time.Time, try int) string {
	at = at.In(g.Zone)
	date := at.Format("20060102")
	// By the clock on the wall, so that there are a thousand slots on each day.
	ofDay := time.Duration(at.Hour())*time.Hour + time.Duration(at.Minute())*time.Minute +
		time.Duration(at.Second())*time.Second + time.Duration(at.Nanosecond())
	slot := int(ofDay / (24 * time.Hour / 1000))
	return fmt.Sprintf("%s%s%03d%s", date, s.MerchantID, slot, g.orderDigits(s, orderNo, fingerprint, date, try))
}

// orderDigits are the nine digits of an order's number of the given date.
func (g *Gateway) orderDigits(s pay.Scope, orderNo, fingerprint, date string, try int) string {
	return g.macDigits("payment", s, orderNo, fingerprint, date, try)
}

// numberUnder is the number of what is done to a payment: a refund, a closing.
// It begins as the number that the wallet knows the payment by, and its MAC covers
// that one. So a refund that a restored database has lost gets the same number when
// the merchant asks again, whatever number the payment has by then; and the wallet,
// which gives money back once for each number, does not give it back twice.
func (g *Gateway) numberUnder(p pay.Payment, kind, orderNo, values string, try int) string {
	number := cmp.Or(p.WalletNumber, p.ID)
	return number[:timeDigits] + g.macDigits(kind, p.Scope, orderNo, values, number, try)
}

// macDigits makes nine digits of values, each with its length in front.
func (g *Gateway) macDigits(kind string, s pay.Scope, orderNo, fingerprint, of string, try int) string {
	h := hmac.New(sha256.New, g.numberKey)
	var length [4]byte
	for _, value := range []string{kind, s.MerchantID, s.AppCode, s.StoreID, orderNo, fingerprint, of} {
		binary.BigEndian.PutUint32(length[:], uint32(len(value))) //nolint:gosec // a request has 64 KiB at most
		h.Write(length[:])
		io.WriteString(h, value)
	}
	if try > 0 {
		h.Write([]byte{byte(try)}) //nolint:gosec // a few tries
	}
	return fmt.Sprintf("%09d", binary.BigEndian.Uint64(h.Sum(nil))%1_000_000_000)
}

// newRowID is an id for rows that nobody outside has to name. It sorts by time,
// and what this process writes within a millisecond by the order of writing.
func (g *Gateway) newRowID(now time.Time) (string, error) {
	var b [8]byte
	if _, err := io.ReadFull(g.Rand, b[:]); err != nil {
		return "", fmt.Errorf("gateway: draw an id: %w", err)
	}
	return fmt.Sprintf("%012x%08x%x", now.UnixMilli(), g.rows.Add(1), b), nil
}
