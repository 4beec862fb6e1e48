package store_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/store/storetest"
)

func dossiers(t *testing.T, db *store.DB, merchantID string) map[string]store.Dossier {
	t.Helper()
	found := map[string]store.Dossier{}
	for d, err := range db.Dossiers(t.Context(), merchantID) {
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := found[d.PaymentID]; twice {
			t.Errorf("%s comes twice", d.PaymentID)
		}
		found[d.PaymentID] = d
	}
	return found
}

func TestDossiersHaveEveryRowOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		const payments = 405 // three pages with the others
		rows := func(paymentID string, n int) func(*store.Tx) error {
			return func(tx *store.Tx) error {
				id := fmt.Sprintf("%s-%d", paymentID, n)
				_, err := tx.AddMovement(pay.Movement{MerchantID: scope.MerchantID, ID: id,
					PaymentID: paymentID, Kind: pay.MovementPayment, Debit: "wallet:main", Credit: "merchant",
					Amount: pay.Amount{Minor: 1, Currency: "HKD"}, TradeNo: "T" + id, At: t0})
				if err != nil {
					return err
				}
				if err := tx.AddEvent(pay.Event{MerchantID: scope.MerchantID, PaymentID: paymentID, ID: id,
					At: t0.Add(-time.Duration(n) * time.Second), Kind: "paid"}); err != nil {
					return err
				}
				return tx.AddDelivery(store.Delivery{MerchantID: scope.MerchantID, ID: id,
					PaymentID: paymentID, Receiver: "r", Body: []byte("{}"), CreatedAt: t0})
			}
		}
		var names []string
		for n := range payments {
			names = append(names, create(t, db, payment(n)).ID)
		}
		// Rows that name no existing payment come before, between and after the
		// payments.
		names = append(names, "", "1", payment(7).ID+"x", "9")
		for _, name := range names {
			for n := range 2 {
				if err := db.Tx(t.Context(), rows(name, n)); err != nil {
					t.Fatal(err)
				}
			}
		}
		other := payment(1)
		other.MerchantID, other.ID = "100002", strings.ReplaceAll(other.ID, "100001", "100002")
		create(t, db, other)

		found := dossiers(t, db, scope.MerchantID)
		if len(found) != len(names) {
			t.Errorf("%d dossiers of %d", len(found), len(names))
		}
		for _, name := range names {
			d := found[name]
			if (d.Payment != nil) != (len(name) == 26) || len(d.Movements) != 2 || len(d.Events) != 2 ||
				len(d.Deliveries) != 2 {
				t.Errorf("%q: %+v", name, d)
			}
			if len(d.Events) == 2 && (d.Events[0].Seq != 1 || d.Events[1].Seq != 2) {
				t.Errorf("%q: events by another order than that of writing: %+v", name, d.Events)
			}
		}
		if found := dossiers(t, db, "100002"); len(found) != 1 || found[other.ID].Payment == nil {
			t.Errorf("the other merchant's are %+v", found)
		}
		if found := dossiers(t, db, ""); len(found) != 0 {
			t.Errorf("nobody's are %+v", found)
		}
		var merchants []string
		for id, err := range db.MerchantIDs(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			merchants = append(merchants, id)
		}
		if !slices.Equal(merchants, []string{"", "100001", "100002"}) {
			t.Errorf("merchants %q", merchants)
		}
	})
}

// A dossier is as of one moment: it holds nothing that is written while its page is
// read.
func TestADossierIsOfOneMoment(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		stored := create(t, db, payment(1))
		stop, ended := make(chan struct{}), make(chan error)
		go func() {
			p := stored
			for n := 1; ; n++ {
				select {
				case <-stop:
					ended <- nil
					return
				default:
				}
				c := store.Change{Was: p, Payment: p,
					Events: []pay.Event{{ID: fmt.Sprintf("%05d", n), At: t0}}}
				c.Payment.TradeNo = fmt.Sprint(n)
				err := db.Apply(t.Context(), c)
				p = becomes(c)
				if err != nil {
					ended <- err
					return
				}
			}
		}()
		for most, reads := 0, 0; most < 20 || reads < 20; reads++ {
			d := dossiers(t, db, stored.MerchantID)[stored.ID]
			if most = len(d.Events); most > 0 && d.Payment.TradeNo != fmt.Sprint(most) {
				t.Errorf("%d events of a payment that has seen %s", most, d.Payment.TradeNo)
				break
			}
			select {
			case err := <-ended:
				t.Fatal(err)
			default:
			}
		}
		close(stop)
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
	})
}

// Rows of the money record and of the events are only ever added. The database
// itself enforces that.
func TestTheMoneyRecordAndTheEventsCannotBeChanged(t *testing.T) {
	storetest.EachDSN(t, func(t *testing.T, dsn string) {
		db := storetest.Open(t, dsn)
		p := create(t, db, payment(1))
		err := db.Tx(t.Context(), func(tx *store.Tx) error {
			line := pay.Movement{MerchantID: p.MerchantID, ID: "m", PaymentID: p.ID,
				Kind: pay.MovementPayment, Debit: "wallet:main", Credit: "merchant", Amount: p.Amount,
				TradeNo: "T", At: t0}
			for range 2 { // the second is known already
				if _, err := tx.AddMovement(line); err != nil {
					return err
				}
			}
			return tx.AddEvent(pay.Event{MerchantID: p.MerchantID, PaymentID: p.ID, ID: "e",
				At: t0, Kind: "paid"})
		})
		if err != nil {
			t.Fatal(err)
		}
		driver, address := "pgx", dsn
		texts := []string{
			"UPDATE movement SET amount = 1", "DELETE FROM movement", "UPDATE event SET note = 'x'",
			"DELETE FROM event",
			// An INSERT that would take a row's place.
			"INSERT INTO movement " +
				"SELECT * FROM movement WHERE true ON CONFLICT (merchant_id, id) DO UPDATE SET amount = 1",
			"INSERT INTO event " +
				"SELECT * FROM event WHERE true ON CONFLICT (merchant_id, payment_id, id) " +
				"DO UPDATE SET note = 'x'",
		}
		if path, ok := strings.CutPrefix(dsn, "sqlite:"); ok {
			driver, address = "sqlite", path
			texts = append(texts, // as the sqlite3 shell does it, with no pragma set
				"INSERT OR REPLACE INTO movement "+
					"SELECT merchant_id, id, payment_id, 'R', kind, debit, credit, 1, "+
					"currency, 'U', at FROM movement",
				"REPLACE INTO movement "+
					"SELECT merchant_id, 'other', payment_id, refund_id, kind, "+
					"debit, credit, 1, currency, trade_no, at "+
					"FROM movement",
				"REPLACE INTO movement (rowid, merchant_id, id, "+
					"payment_id, refund_id, kind, debit, credit, amount, currency, trade_no, at) "+
					"SELECT rowid, merchant_id, 'other', payment_id, 'R', kind, "+
					"debit, credit, 1, currency, 'U', at FROM movement",
				"UPDATE OR REPLACE movement SET amount = 1",
				"INSERT OR REPLACE INTO event (merchant_id, payment_id, id, seq, at, kind, actor, note) "+
					"SELECT merchant_id, payment_id, id, 7, at, kind, actor, 'x' FROM event",
				"REPLACE INTO event (merchant_id, payment_id, id, seq, at, kind, actor, note) "+
					"SELECT merchant_id, payment_id, 'other', seq, at, kind, actor, 'x' FROM event",
				"REPLACE INTO event (rowid, merchant_id, payment_id, id, seq, at, kind, actor, note) "+
					"SELECT rowid, merchant_id, payment_id, 'other', 7, at, kind, actor, 'x' FROM event",
			)
			for table, text := range map[string]string{ // a row that would refuse all later ones
				"movement": "INSERT INTO movement (rowid, merchant_id, id, " +
					"payment_id, refund_id, kind, debit, credit, amount, currency, trade_no, at) " +
					"SELECT -1, merchant_id, 'other', payment_id, 'R', kind, " +
					"debit, credit, 1, currency, 'U', at FROM movement",
				"event": "INSERT INTO event (rowid, merchant_id, payment_id, id, seq, " +
					"at, kind, actor, note) SELECT -1, merchant_id, payment_id, 'other', 7, at, " +
					"kind, actor, 'x' FROM event",
			} {
				if _, err := open(t, driver, address).ExecContext(t.Context(), text); err == nil ||
					!strings.Contains(err.Error(), table+" are numbered from 1") {
					t.Errorf("%s: %v", text, err)
				}
			}
		} else {
			texts = append(texts, "TRUNCATE movement", "TRUNCATE event",
				"MERGE INTO movement m USING movement n ON m.id = n.id WHEN MATCHED "+
					"THEN UPDATE SET amount = 1",
				"MERGE INTO event m USING event n ON m.id = n.id WHEN MATCHED THEN DELETE")
		}
		shell := open(t, driver, address)
		for _, text := range texts {
			if _, err := shell.ExecContext(t.Context(), text); err == nil ||
				!strings.Contains(err.Error(), "are only ever added") {
				t.Errorf("%s: %v", text, err)
			}
		}
		if d := dossiers(t, db, p.MerchantID)[p.ID]; len(d.Movements) != 1 ||
			d.Movements[0].Amount != p.Amount || len(d.Events) != 1 || d.Events[0].Note != "" {
			t.Errorf("got %+v", d)
		}
	})
}
