package e2e_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sampanpay/sampan"
	"github.com/sampanpay/sampan/internal/store/storetest"
	"github.com/sampanpay/sampan/test/harness"
)

// The database is restored from a backup that is older than an order, and then the buyer pays that
// order. Whether the wallet's callback or the merchant's repeat of the order comes first, the order
// is paid once, and its merchant is notified.
func TestARestoreLosesNoPayment(t *testing.T) {
	storetest.EachDSN(t, func(t *testing.T, dsn string) {
		d := harness.NewDeployment(t, dsn)
		addWallets(t, d)
		backup := storetest.Copy(t, dsn)
		lost := d.Serve(t, d.Address)
		shop := harness.NewMerchant(t, d.Endpoints)

		orders := map[string]sampan.PaymentRequest{}
		payments := map[string]*sampan.Payment{}
		for _, wallet := range []sampan.PayType{sampan.Alipay, sampan.AlipayHK, sampan.AlipayServiceWindow} {
			for _, first := range []string{"callback", "order"} {
				name := string(wallet) + "-" + first
				order := shop.Order(name, wallet)
				if wallet == sampan.AlipayServiceWindow {
					order.Currency, order.OpenID = "CNY", "2088000000000101"
				}
				payment, err := shop.Pay(t.Context(), order)
				if err != nil {
					t.Fatal(err)
				}
				if wallet != sampan.AlipayServiceWindow {
					harness.OpenLink(t, payment.PayURL)
				}
				orders[name], payments[name] = order, payment
			}
		}
		lost.Kill(t)
		config, err := os.ReadFile(d.Config)
		if err != nil {
			t.Fatal(err)
		}
		// In another zone, payments get other numbers.
		restored := "zone = \"Asia/Tokyo\"\n" + strings.ReplaceAll(string(config), dsn, backup)
		d.Config = filepath.Join(d.Dir, "restored.toml")
		if err := os.WriteFile(d.Config, []byte(restored), 0o600); err != nil {
			t.Fatal(err)
		}
		gateway := d.Serve(t, d.Address)

		for name, payment := range payments {
			t.Run(name, func(t *testing.T) {
				order := orders[name]
				if strings.HasSuffix(name, "-order") {
					again, err := shop.Pay(t.Context(), order)
					if err != nil || again.ID == payment.ID {
						t.Fatalf("placed again before the callback: %+v, %v, was %s", again, err, payment.ID)
					}
					payUntilTaken(t, d, payment.ID)
				} else {
					payUntilTaken(t, d, payment.ID)
					shown := harness.Program(t, "payment", "show", payment.ID, "--config", d.Config)
					if !strings.Contains(shown, "no order has this number") {
						t.Errorf("the operator is shown\n%s", shown)
					}
					printed, inOrder := harness.Audit(t, d.Config)
					if !inOrder || !strings.Contains(printed, "not in the books: 100001/") {
						t.Errorf("with an orphan:\n%s", printed)
					}
					if again, err := shop.Pay(t.Context(), order); !harness.IsCode(err,
						sampan.CodeAlreadyPaid) {
						t.Errorf("placed again after the callback: %+v, %v", again, err)
					}
				}
				paid := shop.Notification(t)
				if paid.OrderNo != order.OrderNo || paid.Code != sampan.CodeSuccess ||
					paid.Amount != order.Amount {
					t.Errorf("the notification is %+v", paid)
				}
				// The wallet refunds it under the number that it knows.
				refund := sampan.RefundRequest{PaymentID: paid.ID, OrderNo: name + "-R", Amount: 230}
				back, err := shop.Refund(t.Context(), refund)
				if err != nil {
					t.Fatal(err)
				}
				if order.PayType == sampan.AlipayServiceWindow && paid.ID != payment.ID {
					harness.Eventually(t, "the other trade to be closed", func() bool {
						return tradeStatus(t, d, paid.ID) == "TRADE_CLOSED"
					})
				}
				if n := shop.Notification(t); n.ID != back.ID ||
					n.Code != sampan.CodeSuccess || n.Amount != 230 {
					t.Errorf("the notification is %+v, want refund %s", n, back.ID)
				}
				shown := harness.Program(t, "orphan", "show", payment.ID, "--config", d.Config)
				if !strings.Contains(shown, "state     matched") ||
					!strings.Contains(shown, "out_trade_no="+payment.ID) {
					t.Errorf("the orphan is shown as\n%s", shown)
				}
			})
		}
		printed, inOrder := harness.Audit(t, d.Config)
		if !inOrder || strings.Contains(printed, "not in the books") || strings.Contains(printed, "surplus") {
			t.Errorf("in the end:\n%s", printed)
		}
		if n := strings.Count(gateway.Log(), `"reason":"orphan"`); n != len(orders) {
			t.Errorf("%d lines about orphans, want %d", n, len(orders))
		}
	})
}

// payUntilTaken lets the buyer pay, and the wallet repeat its callback until it is taken: for each
// account the gateway asks about one unknown order a second.
func payUntilTaken(t *testing.T, d *harness.Deployment, trade string) {
	t.Helper()
	d.Act(t, trade, "pay")
	harness.Eventually(t, "the callback to be taken", func() bool {
		if strings.Contains(harness.Program(t, "orphan", "list", "--state", "all", "--config", d.Config),
			trade) {
			return true
		}
		d.Act(t, trade, "resend")
		return false
	})
}

// tradeStatus is the status of a trade at the wallet.
func tradeStatus(t *testing.T, d *harness.Deployment, number string) string {
	t.Helper()
	res, err := http.Get(d.Control + "/trades/" + number)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var trade struct{ Status string }
	if err := json.NewDecoder(res.Body).Decode(&trade); err != nil {
		t.Fatal(err)
	}
	return trade.Status
}

// addWallets adds accounts for the other pay types, which sign with other keys.
func addWallets(t *testing.T, d *harness.Deployment) {
	t.Helper()
	keys := d.WalletKeys(t)
	private := filepath.Join(d.Dir, "private.key")
	if err := os.WriteFile(private, []byte(keys["merchant_private_key"]), 0o600); err != nil {
		t.Fatal(err)
	}
	add := func(id, kind, payType, currency string, settings ...string) {
		args := []string{"wallet", "add", "--config", d.Config, "--merchant", "100001", "--id",
			id, "--kind", kind, "--pay-types", payType, "--currencies", currency, "--secret",
			"private_key=@" + private, "--set", "gateway=" + d.Wallet + "/gateway.do", "--set",
			"alipay_public_key=" + keys["alipay_public_key"]}
		for _, s := range settings {
			args = append(args, "--set", s)
		}
		harness.Program(t, args...)
	}
	add("hk", "alipayglobal", "801512", "HKD", "partner=2088000000000002", "sign_type=RSA2")
	add("window", "servicewindow", "800107", "CNY", "app_id=2021000000000001",
		"authorize="+d.Wallet+"/oauth2/publicAppAuthorize.htm")
}
