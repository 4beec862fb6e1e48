package e2e_test

import (
	"testing"

	"github.com/sampanpay/sampan"
	"github.com/sampanpay/sampan/internal/store/storetest"
	"github.com/sampanpay/sampan/test/harness"
)

// A deployment is set up by the operator's commands. The gateway and the wallet are processes of
// their own, and the merchant is notified. If the gateway is down when the wallet's callback comes,
// it finds out by itself after its restart that the buyer has paid.
func TestServeOnEachDatabase(t *testing.T) {
	storetest.EachDSN(t, func(t *testing.T, dsn string) {
		d := harness.NewDeployment(t, dsn)
		gateway := d.Serve(t, d.Address)
		shop := harness.NewMerchant(t, d.Endpoints)
		payment := d.Pay(t, shop, "FIRST")
		if n := shop.Notification(t); n.ID != payment.ID {
			t.Errorf("the notification is of %s, want %s", n.ID, payment.ID)
		}

		order := shop.Order("SECOND", sampan.Alipay)
		payment, err := shop.Pay(t.Context(), order)
		if err != nil {
			t.Fatal(err)
		}
		harness.OpenLink(t, payment.PayURL)
		gateway.Kill(t)
		d.Act(t, payment.ID, "pay") // the wallet's callback cannot be delivered
		d.Serve(t, d.Address)
		if n := shop.Notification(t); n.ID != payment.ID {
			t.Errorf("the notification is of %s, want %s", n.ID, payment.ID)
		}
	})
}

// An order that was placed at one replica is known to the other, and its merchant is notified once.
func TestReplicasShareOneDatabase(t *testing.T) {
	d := harness.NewDeployment(t, storetest.EmptyPostgresDSN(t))
	other := harness.FreeAddress(t)
	one, _ := d.Serve(t, d.Address), d.Serve(t, other)
	shop := harness.NewMerchant(t, d.Endpoints)
	payment := d.Pay(t, shop, "AT-ONE")
	if n := shop.Notification(t); n.ID != payment.ID {
		t.Errorf("the notification is of %s, want %s", n.ID, payment.ID)
	}
	one.Kill(t)
	shop.BaseURL = "http://" + other
	if code := shop.State(t, "AT-ONE"); code != sampan.CodeSuccess {
		t.Errorf("the other replica says %s, want %s", code, sampan.CodeSuccess)
	}
	again, err := shop.Pay(t.Context(), shop.Order("AT-ONE", sampan.Alipay))
	if !harness.IsCode(err, sampan.CodeAlreadyPaid) {
		t.Errorf("placed once more at the other replica: %+v %v, want code %s", again, err,
			sampan.CodeAlreadyPaid)
	}
	select {
	case n := <-shop.Notifications:
		t.Errorf("notified a second time: %s", n.Raw)
	default:
	}
}
