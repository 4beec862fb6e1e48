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
)

// The database is restored from a backup of before an order that its buyer is
// about to pay. Whether the wallet's notification or the merchant's repeat of the
// order comes first, the order is paid once, and its merchant told.
func TestARestoreBetweenOrderAndNotificationLosesNoPayment(t *testing.T) {
	storetest.EachDSN(t, func(t *testing.T, dsn string) {
		d := newDeployment(t, dsn)
		d.addWallets(t)
		backup := storetest.Copy(t, dsn)
		lost := d.serve(t, d.address)
		shop := startMerchant(t, d.sandbox)

		orders := map[string]sampan.PaymentRequest{}
		payments := map[string]*sampan.Payment{}
		for _, wallet := range []sampan.PayType{sampan.Alipay, sampan.AlipayHK, sampan.AlipayServiceWindow} {
			for _, first := range []string{"notice", "order"} {
				name := string(wallet) + "-" + first
				order := shop.order(name, wallet)
				if wallet == sampan.AlipayServiceWindow {
					order.Currency, order.OpenID = "CNY", "2088000000000101"
				}
				payment, err := shop.Pay(t.Context(), order)
				if err != nil {
					t.Fatal(err)
				}
				if wallet != sampan.AlipayServiceWindow {
					openLink(t, payment.PayURL)
				}
				orders[name], payments[name] = order, payment
			}
		}
		lost.kill(t)
		config, err := os.ReadFile(d.config)
		if err != nil {
			t.Fatal(err)
		}
		// In another zone, so that the numbers' slots are others.
		restored := "zone = \"Asia/Tokyo\"\n" + strings.ReplaceAll(string(config), dsn, backup)
		d.config = filepath.Join(d.dir, "restored.toml")
		if err := os.WriteFile(d.config, []byte(restored), 0o600); err != nil {
			t.Fatal(err)
		}
		gateway := d.serve(t, d.address)

		for name, payment := range payments {
			t.Run(name, func(t *testing.T) {
				order := orders[name]
				if strings.HasSuffix(name, "-order") {
					again, err := shop.Pay(t.Context(), order)
					if err != nil || again.ID == payment.ID {
						t.Fatalf("placed again before the notification: %+v, %v, was %s", again, err, payment.ID)
					}
					d.tell(t, payment.ID)
				} else {
					d.tell(t, payment.ID)
					shown := d.run(t, "payment", "show", payment.ID, "--config", d.config)
					if !strings.Contains(shown, "no order has this number") {
						t.Errorf("the operator is shown\n%s", shown)
					}
					if printed, inOrder := audit(t, d.config); !inOrder || !strings.Contains(printed, "not in the books: 100001/") {
						t.Errorf("with an orphan:\n%s", printed)
					}
					if again, err := shop.Pay(t.Context(), order); !isCode(err, sampan.CodeAlreadyPaid) {
						t.Errorf("placed again after the notification: %+v, %v", again, err)
					}
				}
				told := shop.notification(t)
				if told.OrderNo != order.OrderNo || told.Code != sampan.CodeSuccess || told.Amount != order.Amount {
					t.Errorf("told of %+v", told)
				}
				// The wallet gives it back under the number that it knows.
				back, err := shop.Refund(t.Context(), sampan.RefundRequest{PaymentID: told.ID, OrderNo: name + "-R", Amount: 230})
				if err != nil {
					t.Fatal(err)
				}
				if wallet := order.PayType; wallet == sampan.AlipayServiceWindow && told.ID != payment.ID {
					eventually(t, "the other trade to be closed", func() bool { return d.tradeStatus(t, told.ID) == "TRADE_CLOSED" })
				}
				if told := shop.notification(t); told.ID != back.ID || told.Code != sampan.CodeSuccess || told.Amount != 230 {
					t.Errorf("told of %+v, want refund %s", told, back.ID)
				}
				shown := d.run(t, "orphan", "show", payment.ID, "--config", d.config)
				if !strings.Contains(shown, "state     matched") || !strings.Contains(shown, "out_trade_no="+payment.ID) {
					t.Errorf("the orphan is shown as\n%s", shown)
				}
			})
		}
		printed, inOrder := audit(t, d.config)
		if !inOrder || strings.Contains(printed, "not in the books") || strings.Contains(printed, "surplus") {
			t.Errorf("in the end:\n%s", printed)
		}
		if n := strings.Count(gateway.stderr.String(), `"reason":"orphan"`); n != len(orders) {
			t.Errorf("%d lines about orphans, want %d", n, len(orders))
		}
	})
}

// tell has the buyer pay, and the wallet repeat its notification until it is taken:
// the gateway asks about one unknown order of an account a second.
func (d *deployment) tell(t *testing.T, trade string) {
	t.Helper()
	d.act(t, trade, "pay")
	eventually(t, "the notification to be taken", func() bool {
		if strings.Contains(d.run(t, "orphan", "list", "--state", "all", "--config", d.config), trade) {
			return true
		}
		d.act(t, trade, "resend")
		return false
	})
}

// tradeStatus is the state of a trade at the wallet.
func (d *deployment) tradeStatus(t *testing.T, number string) string {
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
func (d *deployment) addWallets(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(d.dir, "simulator", "wallet-keys.json"))
	if err != nil {
		t.Fatal(err)
	}
	var keys map[string]string
	if err := json.Unmarshal(text, &keys); err != nil {
		t.Fatal(err)
	}
	private := filepath.Join(d.dir, "private.key")
	if err := os.WriteFile(private, []byte(keys["merchant_private_key"]), 0o600); err != nil {
		t.Fatal(err)
	}
	add := func(id, kind, payType, currency string, settings ...string) {
		args := []string{"wallet", "add", "--config", d.config, "--merchant", "100001", "--id", id, "--kind", kind, "--pay-types", payType,
			"--currencies", currency, "--secret", "private_key=@" + private, "--set", "gateway=" + d.Wallet + "/gateway.do",
			"--set", "alipay_public_key=" + keys["alipay_public_key"]}
		for _, s := range settings {
			args = append(args, "--set", s)
		}
		d.run(t, args...)
	}
	add("hk", "alipayglobal", "801512", "HKD", "partner=2088000000000002", "sign_type=RSA2")
	add("window", "servicewindow", "800107", "CNY", "app_id=2021000000000001", fmt.Sprintf("authorize=%s/oauth2/publicAppAuthorize.htm", d.Wallet))
}
