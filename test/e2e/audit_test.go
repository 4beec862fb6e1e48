package e2e_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/sampanpay/sampan"
	"github.com/sampanpay/sampan/internal/store/storetest"
	"github.com/sampanpay/sampan/test/harness"
)

// A row that was changed by hand, while the gateway serves, is found.
func TestAuditFindsARowThatWasChangedByHand(t *testing.T) {
	storetest.EachDSN(t, func(t *testing.T, dsn string) {
		d := harness.NewDeployment(t, dsn)
		d.Serve(t, d.Address)
		shop := harness.NewMerchant(t, d.Endpoints)
		paid := d.Pay(t, shop, "PAID")
		shop.Notification(t)
		refund := sampan.RefundRequest{PaymentID: paid.ID, OrderNo: "BACK", Amount: 30}
		if _, err := shop.Refund(t.Context(), refund); err != nil {
			t.Fatal(err)
		}
		open, err := shop.Pay(t.Context(), shop.Order("OPEN", sampan.Alipay))
		if err != nil {
			t.Fatal(err)
		}
		const counts = "looked at 2 payments of 1 merchant: 1 refund, 2 movements, 3 events, "
		printed, inOrder := harness.Audit(t, d.Config)
		if !inOrder || !strings.Contains(printed, counts) ||
			!strings.Contains(printed, "✔ the books are in order\n") {
			t.Errorf("before anything was changed:\n%s", printed)
		}

		unlock := "DROP TRIGGER append_only ON movement"
		if strings.HasPrefix(dsn, "sqlite:") {
			unlock = "DROP TRIGGER movement_update"
		}
		db := harness.OpenSQL(t, dsn)
		if _, err := db.ExecContext(t.Context(), "UPDATE movement SET amount = 1"); err == nil {
			t.Error("a movement can be changed")
		}
		harness.ExecSQL(t, dsn, unlock)
		for _, c := range []struct{ change, undo, syssn, what, stored, want string }{
			{
				"UPDATE movement SET amount = amount + 1 WHERE kind = 'payment'",
				"UPDATE movement SET amount = amount - 1 WHERE kind = 'payment'",
				paid.ID, "movement ", "payment: 12.31 HKD from merchant to wallet:alipay, trade ",
				"payment: 12.30 HKD from merchant to wallet:alipay, trade ",
			},
			{
				"UPDATE payment SET refunded = 0", "UPDATE payment SET refunded = 30 WHERE reserved = 30",
				paid.ID, "refunded", "0.00 HKD", "0.30 HKD",
			},
			{ // the order is not paid, so that only its fingerprint shows the change
				"UPDATE payment SET amount = 1 WHERE order_no = 'OPEN'",
				"UPDATE payment SET amount = 1230 WHERE order_no = 'OPEN'",
				open.ID, "order", "0.01 HKD by 801107 as OPEN", "what the merchant's request asked for",
			},
			{
				"UPDATE refund SET amount = 29", "UPDATE refund SET amount = 30",
				paid.ID, "refund ", "0.29 HKD", "0.30 HKD",
			},
		} {
			harness.ExecSQL(t, dsn, c.change)
			printed, inOrder := harness.Audit(t, d.Config)
			if inOrder || !strings.Contains(printed, "✘ the books are not in order: ") ||
				!hasDifference(printed, c.syssn, c.what, c.stored, c.want) {
				t.Errorf("after %s no difference is of %s, %s, %s and %s:\n%s",
					c.change, c.syssn, c.what, c.stored, c.want, printed)
			}
			checkJSON(t, d.Config, c.syssn)
			harness.ExecSQL(t, dsn, c.undo)
			if printed, inOrder := harness.Audit(t, d.Config); !inOrder {
				t.Errorf("after %s:\n%s", c.undo, printed)
			}
		}
	})
}

// hasDifference reports whether the audit has printed this difference.
func hasDifference(printed, syssn, what, stored, want string) bool {
	return slices.ContainsFunc(strings.Split(printed, "\n\n"), func(paragraph string) bool {
		lines := strings.Split(paragraph, "\n")
		return len(lines) >= 3 && strings.HasPrefix(lines[0], "merchant 100001, payment "+syssn+", "+what) &&
			strings.HasPrefix(lines[1], "  is         ") && strings.Contains(lines[1], stored) &&
			strings.HasPrefix(lines[2], "  should be  ") && strings.Contains(lines[2], want)
	})
}

// checkJSON checks that the JSON output has a difference of the payment.
func checkJSON(t *testing.T, config, syssn string) {
	t.Helper()
	printed, inOrder := harness.Audit(t, config, "--json", "--merchant", "100001")
	type said struct {
		Difference struct{ Merchant, Syssn, What, Stored, Want string }
		Balance    struct{ Account, Currency string }
		Audited    struct{ Payments, Differences int }
	}
	var named, balances, differences int
	var last said
	for line := range strings.Lines(printed) {
		last = said{}
		if err := json.Unmarshal([]byte(line), &last); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		switch {
		case last.Difference.What != "":
			differences++
			if last.Difference.Syssn == syssn && last.Difference.Merchant == "100001" {
				named++
			}
		case last.Balance.Account != "":
			balances++
		}
	}
	if inOrder || named == 0 || balances != 2 || last.Audited.Payments != 2 ||
		last.Audited.Differences != differences {
		t.Errorf("in order: %v\n%s", inOrder, printed)
	}
}
