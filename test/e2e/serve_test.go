package e2e_test

import (
	"testing"

	"github.com/sampanpay/sampan"
	"github.com/sampanpay/sampan/internal/store/storetest"

	"github.com/sampanpay/sampan/test/harness"
)

// A deployment as its operator makes it, by the commands of the manual: the
// gateway and the wallet's side are processes of their own, and the merchant is
// notified. When the gateway dies before the wallet tells it that a buyer has
// paid, it finds out by itself once it is back.
func TestServeOnEachDatabase(t *testing.T) {
	storetest.EachDSN(t, func(t *testing.T, dsn string) {
		d := harness.NewDeployment(t, dsn)
		gateway := d.Serve(t, d.Address)
		shop := harness.NewMerchant(t, d.Endpoints)
		payment := d.Pay(t, shop, "FIRST")
		if told := shop.Notification(t); told.ID != payment.ID {
			t.Errorf("told of %s, want %s", told.ID, payment.ID)
		}

		order := shop.Order("SECOND", sampan.Alipay)
		payment, err := shop.Pay(t.Context(), order)
		if err != nil {
			t.Fatal(err)
		}
		harness.OpenLink(t, payment.PayURL)
		gateway.Kill(t)
		d.Act(t, payment.ID, "pay") // the wallet's notification finds nobody
		d.Serve(t, d.Address)
		if told := shop.Notification(t); told.ID != payment.ID {
			t.Errorf("told of %s, want %s", told.ID, payment.ID)
		}
	})
}

// Replicas keep nothing to themselves: an order placed at one is known to the
// other, can be paid there, and is the merchant's only notification.
func TestReplicasShareOneDatabase(t *testing.T) {
	d := harness.NewDeployment(t, storetest.EmptyPostgresDSN(t))
	other := harness.FreeAddress(t)
	one, _ := d.Serve(t, d.Address), d.Serve(t, other)
	shop := harness.NewMerchant(t, d.Endpoints)
	payment := d.Pay(t, shop, "AT-ONE")
	if told := shop.Notification(t); told.ID != payment.ID {
		t.Errorf("told of %s, want %s", told.ID, payment.ID)
	}
	one.Kill(t)
	shop.BaseURL = "http://" + other
	if code := shop.State(t, "AT-ONE"); code != sampan.CodeSuccess {
		t.Errorf("the other replica says %s, want %s", code, sampan.CodeSuccess)
	}
	if again, err := shop.Pay(t.Context(), shop.Order("AT-ONE", sampan.Alipay)); !harness.IsCode(err, sampan.CodeAlreadyPaid) {
		t.Errorf("placed once more at the other replica: %+v %v, want code %s", again, err, sampan.CodeAlreadyPaid)
	}
	select {
	case n := <-shop.Notifications:
		t.Errorf("notified a second time: %s", n.Raw)
	default:
	}
}
