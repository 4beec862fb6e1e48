package store

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store/queries"
)

// maxOrphanMessage is how many bytes of a wallet's message are stored.
const maxOrphanMessage = 16 << 10

// AddOrphan stores an open orphan with the first 16 KiB of the wallet's message,
// sealed, and reports whether it is new: the same account, trade and refund is the
// same orphan. It returns ErrOrphansFull if the account already has that many open
// orphans.
//
// The transaction must have called LockNumbers. Then every order whose creation has
// not seen this orphan is visible to the transaction.
func (tx *Tx) AddOrphan(o pay.Orphan, message []byte, most int) (isNew bool, err error) {
	open, err := tx.q.CountOpenOrphans(tx.ctx, queries.CountOpenOrphansParams{
		MerchantID: o.MerchantID, AccountID: o.AccountID, Most: int64(most),
	})
	if err != nil {
		return false, wrap("count the open orphans of "+o.MerchantID, err)
	}
	if open >= int64(most) {
		return false, ErrOrphansFull
	}
	row := fromOrphan(o)
	n, err := tx.q.AddOrphan(tx.ctx, queries.AddOrphanParams{
		MerchantID: row.MerchantID, AccountID: row.AccountID, TradeNo: row.TradeNo, RefundID: row.RefundID,
		Number: row.Number,
		Amount: row.Amount, Currency: row.Currency, BuyerID: row.BuyerID, WalletAt: row.WalletAt,
		NoticedAt: row.NoticedAt, DueAt: row.DueAt,
		Message: tx.seal.seal("orphan", orphanRow(row),
			string(message[:min(len(message), maxOrphanMessage)])),
	})
	return n > 0, wrap("add orphan "+o.Number, err)
}

// CountOpenOrphans counts an account's open orphans, up to most.
func (db *DB) CountOpenOrphans(ctx context.Context, merchantID, accountID string, most int) (int, error) {
	n, err := db.read.CountOpenOrphans(ctx, queries.CountOpenOrphansParams{
		MerchantID: merchantID, AccountID: accountID, Most: int64(most),
	})
	return int(n), wrap("count the open orphans of "+merchantID, err)
}

// Orphan returns an orphan, or ErrNotFound. With refundID "" it is a payment's,
// otherwise a refund's.
func (db *DB) Orphan(
	ctx context.Context, merchantID, accountID, tradeNo, refundID string,
) (pay.Orphan, error) {
	row, err := db.read.Orphan(ctx, queries.OrphanParams{
		MerchantID: merchantID, AccountID: accountID, TradeNo: clean(tradeNo), RefundID: clean(refundID)})
	return toOrphan(row), notFound(err)
}

// Orphan is DB.Orphan within a transaction.
func (tx *Tx) Orphan(merchantID, accountID, tradeNo, refundID string) (pay.Orphan, error) {
	row, err := tx.q.Orphan(tx.ctx, queries.OrphanParams{
		MerchantID: merchantID, AccountID: accountID, TradeNo: clean(tradeNo), RefundID: clean(refundID)})
	return toOrphan(row), notFound(err)
}

// OrphansOfNumber lists a merchant's orphans under a number, oldest first.
func (db *DB) OrphansOfNumber(ctx context.Context, merchantID, number string) ([]pay.Orphan, error) {
	return list(toOrphan)(db.read.OrphansOfNumber(ctx, queries.OrphansOfNumberParams{
		MerchantID: merchantID, Number: number,
	}))
}

// OrphansOfTrade lists the orphans of a trade, oldest first: the money that came
// in, and what went back of it.
func (tx *Tx) OrphansOfTrade(merchantID, accountID, tradeNo string) ([]pay.Orphan, error) {
	return list(toOrphan)(tx.q.OrphansOfTrade(tx.ctx, queries.OrphansOfTradeParams{
		MerchantID: merchantID, AccountID: accountID, TradeNo: clean(tradeNo),
	}))
}

// OpenOrphans lists an account's open orphans, oldest first.
func (db *DB) OpenOrphans(ctx context.Context, merchantID, accountID string) ([]pay.Orphan, error) {
	return list(toOrphan)(db.read.OpenOrphans(ctx, queries.OpenOrphansParams{
		MerchantID: merchantID, AccountID: accountID,
	}))
}

// OrphanFilter selects orphans. Zero fields select everything.
type OrphanFilter struct {
	MerchantID string
	State      pay.OrphanState
	Limit      int
}

// Orphans lists orphans, newest first.
func (db *DB) Orphans(ctx context.Context, f OrphanFilter) ([]pay.Orphan, error) {
	var w where
	if f.MerchantID != "" {
		w.and("merchant_id = ?", f.MerchantID)
	}
	if f.State != "" {
		w.and("state = ?", string(f.State))
	}
	rows, err := db.pool().QueryContext(ctx,
		"SELECT "+orphanTable.list("")+" FROM orphan"+
			w.page("noticed_at DESC, seq DESC", f.Limit, 0), w.args...)
	return list(toOrphan)(collect(rows, err, orphanTable.fields))
}

// OrphanMessage returns the wallet's message of an orphan, unsealed; "" if it was
// dropped.
func (db *DB) OrphanMessage(ctx context.Context, o pay.Orphan) (string, error) {
	row, err := db.read.Orphan(ctx, queries.OrphanParams{
		MerchantID: o.MerchantID, AccountID: o.AccountID, TradeNo: o.TradeNo, RefundID: o.RefundID,
	})
	if err = notFound(err); err != nil || row.Message == "" {
		return "", err
	}
	return db.seal.open("orphan", orphanRow(row), row.Message)
}

// MoveOrphan writes o's State, PaymentID, SettledAt, SettledBy and Note if the
// stored orphan is open, and reports whether it did. It does not check that the
// move is legal. The orphan is no longer due.
func (tx *Tx) MoveOrphan(o pay.Orphan) (bool, error) {
	n, err := tx.q.MoveOrphan(tx.ctx, queries.MoveOrphanParams{
		MerchantID: o.MerchantID, AccountID: o.AccountID, TradeNo: o.TradeNo, RefundID: o.RefundID,
		State: string(o.State), PaymentID: o.PaymentID, At: ms(o.SettledAt),
		SettledBy: string(o.SettledBy.Role), SettledByName: clean(o.SettledBy.Name), Note: clean(o.Note),
	})
	return n > 0, wrap("move orphan "+o.Number, err)
}

// ClaimOrphans claims open orphans that are due, in the order of their Seq. An
// orphan has no lease: a claim sets its DueAt to the lease's end.
func (db *DB) ClaimOrphans(ctx context.Context, c Claim) ([]pay.Orphan, error) {
	return list(toOrphan)(claim(ctx, db, orphanQueue, c))
}

// NextOrphans returns when the first orphan of each wallet account can be
// claimed.
func (db *DB) NextOrphans(ctx context.Context) (map[string]time.Time, error) {
	return nextByKey(ctx, db, orphanQueue)
}

// RescheduleOrphan sets the time of an open orphan's next inquiry; zero for none.
func (db *DB) RescheduleOrphan(ctx context.Context, o pay.Orphan, due time.Time) error {
	_, err := db.changed(ctx, "reschedule orphan "+o.Number, func(tx *Tx) (int64, error) {
		return tx.q.RescheduleOrphan(tx.ctx, queries.RescheduleOrphanParams{
			MerchantID: o.MerchantID, AccountID: o.AccountID,
			TradeNo: o.TradeNo, RefundID: o.RefundID, Due: ms(due)})
	})
	return err
}

// DropOrphanMessages deletes the messages of orphans that were settled before the
// given time, and returns how many.
func (db *DB) DropOrphanMessages(ctx context.Context, before time.Time) (dropped int, err error) {
	_, err = db.changed(ctx, "drop messages of orphans", func(tx *Tx) (int64, error) {
		n, err := tx.q.DropOrphanMessages(tx.ctx, ms(before))
		dropped = int(n)
		return n, err
	})
	return dropped, err
}

// OrphanSum is the sum of an account's open orphans in one currency and direction.
type OrphanSum struct {
	MerchantID, AccountID string
	Back                  bool // money that went back; otherwise money that came in
	Orphans               int
	Amount                pay.Amount
}

// OpenOrphanSums sums up all open orphans.
func (db *DB) OpenOrphanSums(ctx context.Context) ([]OrphanSum, error) {
	return list(func(r queries.OpenOrphanSumsRow) OrphanSum {
		return OrphanSum{
			MerchantID: r.MerchantID, AccountID: r.AccountID, Back: r.Back != 0,
			Orphans: int(r.Orphans), Amount: pay.Amount{Minor: r.Minor, Currency: pay.Currency(r.Currency)},
		}
	})(db.read.OpenOrphanSums(ctx))
}

// PaymentsOfAnySlot returns a merchant's payments whose ids are begin, any three
// digits and end.
func (db *DB) PaymentsOfAnySlot(ctx context.Context, merchantID, begin, end string) ([]pay.Payment, error) {
	ids := make([]string, 1000) // by the primary key: a day may have a million orders
	for i := range ids {
		ids[i] = fmt.Sprintf("%s%03d%s", begin, i, end)
	}
	var w where
	w.and("merchant_id = ?", merchantID)
	w.and(in("id", ids), anys(ids)...)
	rows, err := db.pool().QueryContext(ctx,
		"SELECT "+paymentTable.list("")+" FROM payment"+w.page("id", 0, 0),
		w.args...)
	return list(toPayment)(collect(rows, err, paymentTable.fields))
}

// NewestPayments looks at so many (most) of a merchant's newest payments whose ids
// are above aboveID. It returns those with this account and amount, newest first.
func (db *DB) NewestPayments(ctx context.Context, merchantID, aboveID, accountID string, a pay.Amount,
	most int) ([]pay.Payment, error) {
	return list(toPayment)(db.read.NewestPayments(ctx, queries.NewestPaymentsParams{
		MerchantID: merchantID, Above: aboveID, Most: int64(most),
		AccountID: accountID, Amount: a.Minor, Currency: string(a.Currency),
	}))
}

// orphanRow names an orphan's row for the sealer.
func orphanRow(o queries.Orphan) string {
	return o.MerchantID + "/" + o.AccountID + "/" + strconv.Quote(o.TradeNo) + "/" + strconv.Quote(o.RefundID)
}

func fromOrphan(o pay.Orphan) queries.Orphan {
	return queries.Orphan{
		MerchantID: o.MerchantID, AccountID: o.AccountID,
		TradeNo: clean(o.TradeNo), RefundID: clean(o.RefundID),
		Number: o.Number,
		Amount: o.Amount.Minor, Currency: string(o.Amount.Currency), BuyerID: clean(o.BuyerID),
		WalletAt: ms(o.At), NoticedAt: ms(o.NoticedAt), DueAt: ms(o.DueAt),
	}
}

func toOrphan(r queries.Orphan) pay.Orphan {
	return pay.Orphan{
		MerchantID: r.MerchantID, AccountID: r.AccountID, TradeNo: r.TradeNo, RefundID: r.RefundID,
		Number: r.Number, Seq: r.Seq,
		Amount: pay.Amount{Minor: r.Amount, Currency: pay.Currency(r.Currency)}, BuyerID: r.BuyerID,
		At: at(r.WalletAt), NoticedAt: at(r.NoticedAt), DueAt: at(r.DueAt),
		State: pay.OrphanState(r.State), PaymentID: r.PaymentID, SettledAt: at(r.SettledAt),
		SettledBy: pay.Actor{Role: pay.Role(r.SettledBy), Name: r.SettledByName}, Note: r.Note,
	}
}
