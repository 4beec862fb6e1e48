package operator

import (
	"strings"
	"testing"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
)

func TestSettleOrphansOfOneTrade(t *testing.T) {
	each(t, func(t *testing.T, d *Deployment, _ pay.Credential) {
		const number = "20260102100001500123456789"
		o := pay.Orphan{
			MerchantID: "100001", AccountID: "main", Number: number, TradeNo: "T1",
			Amount: pay.Amount{Minor: 1230, Currency: "HKD"}, NoticedAt: time.Now(), State: pay.OrphanOpen,
		}
		back, second := o, o
		back.RefundID, second.TradeNo = "W1", "T2"
		for _, o := range []pay.Orphan{o, back, second} {
			check(t, d.db.Tx(t.Context(), func(tx *store.Tx) error {
				_, err := tx.AddOrphan(o, []byte("trade_no="+o.TradeNo), 10)
				return err
			}))
		}
		settle := func(trade, note string) ([]pay.Orphan, error) {
			return d.By(alice).SettleOrphans(t.Context(), number, trade, note)
		}
		_, err := settle("", "done")
		wantField(t, err, "trade") // two have it
		_, err = settle("T1", " ")
		wantField(t, err, "note")
		_, err = settle("T1", strings.Repeat("x", 1001))
		wantField(t, err, "note")
		settled, err := settle("T1", "paid out in cash")
		check(t, err)
		if len(settled) != 2 {
			t.Errorf("settled: %+v", settled)
		}
		if _, err := settle("T1", "again"); err == nil ||
			!strings.Contains(err.Error(), "no such orphan is open") {
			t.Errorf("again: %v", err)
		}
		found, err := d.OrphansOf(t.Context(), number)
		check(t, err)
		for _, o := range found {
			want := pay.OrphanSettled
			if o.TradeNo == "T2" {
				want = pay.OrphanOpen
			}
			if o.State != want || want == pay.OrphanSettled &&
				(o.SettledBy != alice || o.Note != "paid out in cash") {
				t.Errorf("trade %s: %s by %v, %q", o.TradeNo, o.State, o.SettledBy, o.Note)
			}
		}
		if found, err := d.OrphansOf(t.Context(), "TEA-1"); len(found) != 0 || err != nil {
			t.Errorf("a number of another form: %v, %v", found, err)
		}
	})
}
