package gateway

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
)

// Our numbers have 26 digits (trade API, syssn): eight of a date in the
// deployment's zone, the merchant's six, three of the time of day in slots of
// 86.4 seconds, and nine of a MAC. They sort by time. The same request always gets
// the same nine digits, also after a restore of the database.
const (
	numberLength = 26
	dateDigits   = 8
	timeDigits   = 17 // date, merchant and slot

	// numberTries is how many numbers are tried for one order. Each try gives other
	// digits, in case another order has the number.
	numberTries = 4
)

// paymentNumber returns the number of an order that is made at the given time.
func (g *Gateway) paymentNumber(s pay.Scope, orderNo, fingerprint string, at time.Time, try int) string {
	at = at.In(g.Zone)
	date := at.Format("20060102")
	// Slots follow the local clock, so that each day has a thousand of them.
	ofDay := time.Duration(at.Hour())*time.Hour + time.Duration(at.Minute())*time.Minute +
		time.Duration(at.Second())*time.Second + time.Duration(at.Nanosecond())
	slot := int(ofDay / (24 * time.Hour / 1000))
	return fmt.Sprintf("%s%s%03d%s",
		date, s.MerchantID, slot, g.orderDigits(s, orderNo, fingerprint, date, try))
}

// orderDigits returns the nine digits of an order's number on the given date.
func (g *Gateway) orderDigits(s pay.Scope, orderNo, fingerprint, date string, try int) string {
	return g.macDigits("payment", s, orderNo, fingerprint, date, try)
}

// numberUnder returns the number of a refund or a closing of a payment. It begins
// like the payment's number at the wallet, and its MAC covers that number. So a refund
// that was lost by a restore gets the same number when the merchant sends it again,
// even if the payment has another number by then. The wallet refunds once for each
// number, so it does not refund twice.
func (g *Gateway) numberUnder(p pay.Payment, kind, orderNo, values string, try int) string {
	number := cmp.Or(p.WalletNumber, p.ID)
	return number[:timeDigits] + g.macDigits(kind, p.Scope, orderNo, values, number, try)
}

// macDigits returns nine digits of a MAC over the values, each after its length.
func (g *Gateway) macDigits(kind string, s pay.Scope, orderNo, fingerprint, of string, try int) string {
	h := hmac.New(sha256.New, g.numberKey)
	var length [4]byte
	for _, value := range []string{kind, s.MerchantID, s.AppCode, s.StoreID, orderNo, fingerprint, of} {
		binary.BigEndian.PutUint32(length[:], uint32(len(value))) //nolint:gosec // at most 64 KiB
		h.Write(length[:])
		io.WriteString(h, value)
	}
	if try > 0 {
		h.Write([]byte{byte(try)}) //nolint:gosec // a few tries
	}
	return fmt.Sprintf("%09d", binary.BigEndian.Uint64(h.Sum(nil))%1_000_000_000)
}

// newRowID returns an id for a row that no merchant or wallet names. Ids sort by time,
// and those of one process within a millisecond by the order of writing.
func (g *Gateway) newRowID(now time.Time) (string, error) {
	var b [8]byte
	if _, err := io.ReadFull(g.Rand, b[:]); err != nil {
		return "", fmt.Errorf("gateway: draw an id: %w", err)
	}
	return fmt.Sprintf("%012x%08x%x", now.UnixMilli(), g.rows.Add(1), b), nil
}

// tryNumbers calls write until the number of a new refund is free, at most numberTries
// times. try counts the calls before. Each call needs its own transaction, since a
// change that fails ends its transaction.
func tryNumbers(write func(try int) error) (err error) {
	for try := range numberTries {
		if err = write(try); !errors.Is(err, store.ErrIDClash) {
			break
		}
	}
	return err
}
