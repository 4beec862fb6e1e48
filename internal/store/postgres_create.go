package store

import (
	"context"
	"database/sql"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// insertion is a payment that waits to be stored.
type insertion struct {
	creation
	answer
}

func (e *postgresEngine) insertPayment(ctx context.Context, c creation) (bool, error) {
	if err := checkText(creationTable.fields(&c)); err != nil {
		return false, err
	}
	i := &insertion{creation: c, answer: newAnswer()}
	return submit(ctx, e.deadline, e.creations, i, &i.answer)
}

// insertPayments stores the payments whose ids and order numbers are free, and
// whose accounts have no orphan that their callers have not seen.
func insertPayments(ctx context.Context, conn *sql.Conn, batch []*insertion) error {
	waiting := make(map[insertionKey]*insertion, len(batch))
	rows := creationTable.rows()
	merchants := make([]string, len(batch))
	for n, i := range batch {
		rows.add(n, &i.creation)
		merchants[n] = i.MerchantID
		waiting[insertionKey{i.MerchantID, i.ID, i.AppCode, i.StoreID, i.OrderNo}] = i
	}
	slices.Sort(merchants)
	var stored []insertionKey
	err := conn.Raw(func(driver any) (err error) {
		stored, err = sendPayments(ctx, driver.(*stdlib.Conn).Conn(),
			slices.Compact(merchants), rows.String())
		return err
	})
	if err != nil {
		return err
	}
	for _, key := range stored {
		waiting[key].yes = true
	}
	return nil
}

// sendPayments sends two statements at once, which are one transaction. The second
// needs a snapshot from after the first has its locks: otherwise it would miss a
// refund that has just taken one of the numbers.
func sendPayments(
	ctx context.Context, conn *pgx.Conn, merchants []string, payments string,
) ([]insertionKey, error) {
	var both pgx.Batch
	both.Queue(shareNumbersText, merchants)
	both.Queue(insertManyText, payments)
	results := conn.SendBatch(ctx, &both)
	if _, err := results.Exec(); err != nil {
		return nil, errors.Join(err, results.Close())
	}
	rows, _ := results.Query() // its error is the rows' too
	stored, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (k insertionKey, err error) {
		err = row.Scan(&k.merchantID, &k.id, &k.appCode, &k.storeID, &k.orderNo)
		return k, err
	})
	if closed := results.Close(); err == nil {
		err = closed // of the commit
	}
	return stored, err
}

// insertionKey tells the members of a batch apart, even those whose ids clash.
type insertionKey struct{ merchantID, id, appCode, storeID, orderNo string }

// shareNumbersText holds off refunds and orphans of the merchants, but not other
// payments: see lockNumbers.
const shareNumbersText = "SELECT pg_advisory_xact_lock_shared(" + numbers +
	", hashtext(m)) FROM unnest($1::text[]) AS m"

var insertManyText = insertPaymentText("p", "FROM "+creationTable.recordset("p", 1)) +
	" RETURNING merchant_id, id, app_code, store_id, order_no"
