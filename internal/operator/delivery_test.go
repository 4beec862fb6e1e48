package operator

import (
	"errors"
	"testing"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
)

func TestResendSendsOnlyWhatIsNotDue(t *testing.T) {
	each(t, func(t *testing.T, d *Deployment, c pay.Credential) {
		p, _ := paid(t, d, pay.Scope{MerchantID: "100001", AppCode: c.AppCode}, 1, "TEA-1")
		check(t, d.db.Tx(t.Context(), func(tx *store.Tx) error {
			return tx.AddDelivery(store.Delivery{
				MerchantID: "100001", ID: "D1", PaymentID: p.ID, AppCode: c.AppCode, Kind: "payment",
				URL: "http://shop.test/", Receiver: "http://shop.test:80", Body: []byte("{}"),
				CreatedAt: time.Now(),
			})
		}))
		if err := d.By(alice).Resend(t.Context(), "100001", "D1"); err == nil {
			t.Error("a notification that is due is sent again")
		}
		if err := d.By(alice).Resend(t.Context(), "100001", "D2"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("an unknown one: %v", err)
		}
		h, err := d.DeliveryHistory(t.Context(), "100001", "D1")
		check(t, err)
		if h.PaymentID != p.ID || NextAttempt(h.Delivery).IsZero() || len(h.Tries) != 0 {
			t.Errorf("history: %+v", h)
		}
		if _, err := d.DeliveryHistory(t.Context(), "100001", "D2"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the history of an unknown one: %v", err)
		}
	})
}
