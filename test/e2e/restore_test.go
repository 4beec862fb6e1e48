package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sampanpay/sampan"
	"github.com/sampanpay/sampan/internal/store/storetest"

	"github.com/sampanpay/sampan/test/harness"
)

// The database is restored from a backup of before an order that its buyer is
// about to pay. Whether the wallet's notification or the merchant's repeat of the
// order comes first, the order is paid once, and its merchant told.
func TestARestoreBetweenOrderAndNotificationLosesNoPayment(t *testing.T) {
	storetest.EachDSN(t, func(t *testing.T, dsn string) {
		d := harness.NewDeployment(t, dsn)
		addWallets(t, d)
		backup := storetest.Copy(t, dsn)
		lost := d.Serve(t, d.Address)
		shop := harness.NewMerchant(t, d.Endpoints)

		orders := map[string]sampan.PaymentRequest{}
		payments := map[string]*sampan.Payment{}
		for _, wallet := range []sampan.PayType{sampan.Alipay, sampan.AlipayHK, sampan.AlipayServiceWindow} {
			for _, first := range []string{"notice", "order"} {
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
		// In another zone, so that the numbers' slots are others.
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
						t.Fatalf("placed again before the notification: %+v, %v, was %s", again, err, payment.ID)
					}
					tell(t, d, payment.ID)
				} else {
					tell(t, d, payment.ID)
					shown := harness.Program(t, "payment", "show", payment.ID, "--config", d.Config)
					if !strings.Contains(shown, "no order has this number") {
						t.Errorf("the operator is shown\n%s", shown)
					}
					if printed, inOrder := harness.Audit(t, d.Config); !inOrder || !strings.Contains(printed, "not in the books: 100001/") {
						t.Errorf("with an orphan:\n%s", printed)
					}
					if again, err := shop.Pay(t.Context(), order); !harness.IsCode(err, sampan.CodeAlreadyPaid) {
						t.Errorf("placed again after the notification: %+v, %v", again, err)
					}
				}
				told := shop.Notification(t)
				if told.OrderNo != order.OrderNo || told.Code != sampan.CodeSuccess || told.Amount != order.Amount {
					t.Errorf("told of %+v", told)
				}
				// The wallet gives it back under the number that it knows.
				back, err := shop.Refund(t.Context(), sampan.RefundRequest{PaymentID: told.ID, OrderNo: name + "-R", Amount: 230})
				if err != nil {
					t.Fatal(err)
				}
				if wallet := order.PayType; wallet == sampan.AlipayServiceWindow && told.ID != payment.ID {
					harness.Eventually(t, "the other trade to be closed", func() bool { return tradeStatus(t, d, told.ID) == "TRADE_CLOSED" })
				}
				if told := shop.Notification(t); told.ID != back.ID || told.Code != sampan.CodeSuccess || told.Amount != 230 {
					t.Errorf("told of %+v, want refund %s", told, back.ID)
				}
				shown := harness.Program(t, "orphan", "show", payment.ID, "--config", d.Config)
				if !strings.Contains(shown, "state     matched") || !strings.Contains(shown, "out_trade_no="+payment.ID) {
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

// tell has the buyer pay, and the wallet repeat its notification until it is taken:
// the gateway asks about one unknown order of an account a second.
func tell(t *testing.T, d *harness.Deployment, trade string) {
	t.Helper()
	d.Act(t, trade, "pay")
	harness.Eventually(t, "the notification to be taken", func() bool {
		if strings.Contains(harness.Program(t, "orphan", "list", "--state", "all", "--config", d.Config), trade) {
			return true
		}
		d.Act(t, trade, "resend")
		return false
	})
}

// tradeStatus is the state of a trade at the wallet.
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

// addWallets adds accounts of the simulator's for the other pay types, which sign
// with other keys.
func addWallets(t *testing.T, d *harness.Deployment) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(d.Dir, "simulator", "wallet-keys.json"))
	if err != nil {
		t.Fatal(err)
	}
	var keys map[string]string
	if err := json.Unmarshal(text, &keys); err != nil {
		t.Fatal(err)
	}
	private := filepath.Join(d.Dir, "private.key")
	if err := os.WriteFile(private, []byte(keys["merchant_private_key"]), 0o600); err != nil {
		t.Fatal(err)
	}
	add := func(id, kind, payType, currency string, settings ...string) {
		args := []string{"wallet", "add", "--config", d.Config, "--merchant", "100001", "--id", id, "--kind", kind, "--pay-types", payType,
			"--currencies", currency, "--secret", "private_key=@" + private, "--set", "gateway=" + d.Wallet + "/gateway.do",
			"--set", "alipay_public_key=" + keys["alipay_public_key"]}
		for _, s := range settings {
			args = append(args, "--set", s)
		}
		harness.Program(t, args...)
	}
	add("hk", "alipayglobal", "801512", "HKD", "partner=2088000000000002", "sign_type=RSA2")
	add("window", "servicewindow", "800107", "CNY", "app_id=2021000000000001", fmt.Sprintf("authorize=%s/oauth2/publicAppAuthorize.htm", d.Wallet))
}
