package e2e_test

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/sampanpay/sampan"
	"github.com/sampanpay/sampan/internal/store/storetest"
)

// audit runs the true program, and reports what it prints and whether it finds
// the books in order.
func audit(t testing.TB, config string, flags ...string) (printed string, inOrder bool) {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), path, append([]string{"audit", "--config", config}, flags...)...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) || stderr.Len() > 0 {
		t.Fatalf("audit: %v, %s", err, stderr.String())
	}
	return stdout.String(), err == nil
}

// Somebody changes a row by hand, while the gateway serves, and is found out.
func TestAuditFindsARowThatWasChangedByHand(t *testing.T) {
	storetest.EachDSN(t, func(t *testing.T, dsn string) {
		d := newDeployment(t, dsn)
		d.serve(t, d.address)
		shop := startMerchant(t, d.sandbox)
		paid := d.pay(t, shop, "PAID")
		shop.notification(t)
		if _, err := shop.Refund(t.Context(), sampan.RefundRequest{PaymentID: paid.ID, OrderNo: "BACK", Amount: 30}); err != nil {
			t.Fatal(err)
		}
		open, err := shop.Pay(t.Context(), shop.order("OPEN", sampan.Alipay))
		if err != nil {
			t.Fatal(err)
		}
		printed, inOrder := audit(t, d.config)
		if !inOrder || !strings.Contains(printed, "looked at 2 payments of 1 merchant: 1 refund, 2 movements, 3 events, ") ||
			!strings.Contains(printed, "✔ the books are in order\n") {
			t.Errorf("before anything was changed:\n%s", printed)
		}

		driver, address, unlock := "pgx", dsn, "DROP TRIGGER append_only ON movement"
		if path, ok := strings.CutPrefix(dsn, "sqlite:"); ok {
			driver, address, unlock = "sqlite", path+"?_pragma=busy_timeout(10000)", "DROP TRIGGER movement_update"
		}
		shell, err := sql.Open(driver, address)
		if err != nil {
			t.Fatal(err)
		}
		defer shell.Close()
		if _, err := shell.ExecContext(t.Context(), "UPDATE movement SET amount = 1"); err == nil {
			t.Error("a line of the money record can be changed")
		}
		if _, err := shell.ExecContext(t.Context(), unlock); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct{ by, undo, syssn, what, stored, want string }{
			{"UPDATE movement SET amount = amount + 1 WHERE kind = 'payment'", "UPDATE movement SET amount = amount - 1 WHERE kind = 'payment'",
				paid.ID, "movement ", "payment: 12.31 HKD from merchant to wallet:alipay, trade ", "payment: 12.30 HKD from merchant to wallet:alipay, trade "},
			{"UPDATE payment SET refunded = 0", "UPDATE payment SET refunded = 30 WHERE reserved = 30", paid.ID, "refunded", "0.00 HKD", "0.30 HKD"},
			// Nobody has paid it, so that only its fingerprint knows.
			{"UPDATE payment SET amount = 1 WHERE order_no = 'OPEN'", "UPDATE payment SET amount = 1230 WHERE order_no = 'OPEN'",
				open.ID, "order", "0.01 HKD by 801107 as OPEN", "what the merchant's request asked for"},
			{"UPDATE refund SET amount = 29", "UPDATE refund SET amount = 30", paid.ID, "refund ", "0.29 HKD", "0.30 HKD"},
		} {
			for _, text := range []string{c.by, ""} {
				if text == "" {
					text = c.undo
				}
				if _, err := shell.ExecContext(t.Context(), text); err != nil {
					t.Fatalf("%s: %v", text, err)
				}
				printed, inOrder := audit(t, d.config)
				if inOrder != (text == c.undo) {
					t.Errorf("after %s:\n%s", text, printed)
				}
				if text == c.undo {
					continue
				}
				if !strings.Contains(printed, "✘ the books are not in order: ") || !slices.ContainsFunc(strings.Split(printed, "\n\n"), func(difference string) bool {
					lines := strings.Split(difference, "\n")
					return len(lines) >= 3 && strings.HasPrefix(lines[0], "merchant 100001, payment "+c.syssn+", "+c.what) &&
						strings.HasPrefix(lines[1], "  is         ") && strings.Contains(lines[1], c.stored) &&
						strings.HasPrefix(lines[2], "  should be  ") && strings.Contains(lines[2], c.want)
				}) {
					t.Errorf("after %s no difference is of %s, %s, %s and %s:\n%s", text, c.syssn, c.what, c.stored, c.want, printed)
				}
				checkJSON(t, d.config, c.syssn)
			}
		}
	})
}

// checkJSON sees that machines are told of a difference of the payment.
func checkJSON(t *testing.T, config, syssn string) {
	t.Helper()
	printed, inOrder := audit(t, config, "--json", "--merchant", "100001")
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
	if inOrder || named == 0 || balances != 2 || last.Audited.Payments != 2 || last.Audited.Differences != differences {
		t.Errorf("in order: %v\n%s", inOrder, printed)
	}
}
