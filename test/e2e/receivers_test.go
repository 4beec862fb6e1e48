package e2e_test

import (
	"crypto/md5"
	"database/sql"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sampanpay/sampan"
	"github.com/sampanpay/sampan/test/harness"
)

// receivers are the programs of docs/notifications.md, unchanged.
type receivers struct {
	schema, record, client, byHand, python, php string
}

func manualReceivers(t *testing.T) receivers {
	t.Helper()
	manual, err := os.ReadFile("../../docs/notifications.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := map[string][]string{}
	for _, m := range regexp.MustCompile("(?ms)^```([a-z]+)\n(.*?)^```$").
		FindAllStringSubmatch(string(manual), -1) {
		blocks[m[1]] = append(blocks[m[1]], m[2])
	}
	if len(blocks["sql"]) != 1 || len(blocks["go"]) != 3 || len(blocks["python"]) != 1 ||
		len(blocks["php"]) != 1 {
		t.Fatalf("the manual has other examples: %d in SQL, %d in Go, %d in Python, %d in PHP",
			len(blocks["sql"]), len(blocks["go"]), len(blocks["python"]), len(blocks["php"]))
	}
	return receivers{
		schema: blocks["sql"][0], record: blocks["go"][0], client: blocks["go"][1], byHand: blocks["go"][2],
		python: blocks["python"][0], php: blocks["php"][0],
	}
}

// goProgram puts a receiver into a program that listens at its first argument.
func (r receivers) goProgram(handler, imports, setUp string) string {
	return `package main

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"os"
` + imports + `
	_ "modernc.org/sqlite"
)

` + r.record + `
func main() {
	db, err := sql.Open("sqlite", "file:"+os.Getenv("SHOP_DB"))
	if err != nil {
		panic(err)
	}
	db.SetMaxOpenConns(1)
` + setUp + handler + `	panic(http.ListenAndServe(os.Args[1], nil))
}
`
}

// receiverShop is a merchant with a database and one of the receivers.
type receiverShop struct {
	*sampan.Client
	t       *testing.T
	sandbox *harness.Sandbox
	db      *sql.DB
	notify  string // the receiver's address
}

// startReceiver runs a receiver. command makes the one that listens at the address.
func startReceiver(
	t *testing.T, s *harness.Sandbox, schema, dsn string, command func(address string) *exec.Cmd,
) *receiverShop {
	t.Helper()
	file := filepath.Join(t.TempDir(), "shop.db")
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if _, err := db.Exec(schema); err != nil {
		t.Fatal(err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0") // two of the three servers cannot choose a port
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()
	cmd := command(address)
	cmd.Env = append(os.Environ(), "CLIENT_KEY="+s.ClientKey, "SHOP_DB="+dsn+file)
	var printed harness.Output
	cmd.Stdout, cmd.Stderr = &printed, &printed
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(printed.String())
		}
	})
	shop := &receiverShop{
		Client: &sampan.Client{BaseURL: s.Gateway, AppCode: s.AppCode, ClientKey: s.ClientKey},
		t:      t, sandbox: s, db: db, notify: "http://" + address + "/notify",
	}
	harness.Eventually(t, "the receiver", func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return shop
}

func (s *receiverShop) exec(query string, values ...any) {
	s.t.Helper()
	if _, err := s.db.Exec(query, values...); err != nil {
		s.t.Fatal(err)
	}
}

// orderState is what a shop knows of an order: whether it is paid, how much is refunded, in how
// many refunds.
type orderState struct{ Paid, Refunded, Refunds int }

func (s *receiverShop) state(order string) (is orderState) {
	s.t.Helper()
	err := s.db.QueryRow(`SELECT paid,
			(SELECT coalesce(sum(amount), 0) FROM refunds WHERE order_number = orders.number AND done = 1),
			(SELECT count(*) FROM refunds WHERE order_number = orders.number AND done = 1)
		FROM orders WHERE number = ?`, order).Scan(&is.Paid, &is.Refunded, &is.Refunds)
	if err != nil {
		s.t.Fatal(err)
	}
	return is
}

// post sends a body and its signature to the receiver, and reports whether it was acknowledged.
func (s *receiverShop) post(body, sign string) bool {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.notify, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if sign != "" {
		r.Header.Set("X-QF-SIGN", sign)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return res.StatusCode == http.StatusOK && string(answer) == "SUCCESS"
}

func signature(body, key string) string { return fmt.Sprintf("%X", md5.Sum([]byte(body+key))) }

// exercise takes a receiver through a payment, two partial refunds of the same amount (one that the
// shop asks for, one that is made elsewhere), repeats, and false notifications.
func (s *receiverShop) exercise(order string) {
	t := s.t
	t.Helper()
	for _, number := range []string{order, order + "-OTHER"} {
		s.exec(`INSERT INTO orders (number, amount, currency) VALUES (?, 1230, 'HKD')`, number)
	}
	p, err := s.Pay(t.Context(), sampan.PaymentRequest{
		PayType: sampan.AlipayHK, Amount: 1230, Currency: "HKD", OrderNo: order, GoodsName: "Oolong 烏龍茶",
		NotifyURL: s.notify,
	})
	if err != nil {
		t.Fatal(err)
	}
	harness.OpenLink(t, p.PayURL)
	s.sandbox.Act(t, p.ID, "pay")
	harness.Eventually(t, "the payment", func() bool { return s.state(order) == orderState{1, 0, 0} })

	s.exec(`INSERT INTO refunds (number, order_number, amount) VALUES (?, ?, 400)`, order+"-R1", order)
	for i, number := range []string{order + "-R1", order + "-BY-HAND"} {
		refund := sampan.RefundRequest{PaymentID: p.ID, OrderNo: number, Amount: 400}
		if _, err := s.Refund(t.Context(), refund); err != nil {
			t.Fatal(err)
		}
		want := orderState{1, 400 * (i + 1), i + 1}
		harness.Eventually(t, "the refund "+number, func() bool { return s.state(order) == want })
	}
	want := orderState{1, 800, 2}

	payment := func(more ...string) string {
		return strings.NewReplacer(more...).Replace(
			`{"status": "1", "pay_type": "801512", "txcurrcd": "HKD", ` +
				`"txamt": "1230", "out_trade_no": "` + order + `", "syssn": "` + p.ID + `", ` +
				`"goods_name": "\u70cf\u9f8d\u8336", "notify_type": "payment", "respcd": "0000", "cancel": "0"}`)
	}
	refund := func(number, amount, of, currency string) string {
		return `{"status": "1", "pay_type": "801512", "txcurrcd": "` + currency +
			`", "txamt": "` + amount + `", ` +
			`"out_trade_no": "` + number + `", "syssn": "1", "notify_type": "refund", "respcd": "0000", ` +
			`"orig_syssn": "` + p.ID + `", "orig_out_trade_no": "` + of + `"}`
	}
	check := func(what string, got, acknowledged bool) {
		t.Helper()
		if got != acknowledged {
			t.Errorf("%s: acknowledged %t, want %t", what, got, acknowledged)
		}
		if diff := cmp.Diff(want, s.state(order)); diff != "" {
			t.Fatalf("after %s (-want +got):\n%s", what, diff)
		}
	}
	for what, body := range map[string]string{
		"the payment again":     payment(),
		"the refund again":      refund(order+"-R1", "400", order, "HKD"),
		"the other one again":   refund(order+"-BY-HAND", "400", order, "HKD"),
		"the payment once more": payment(`"cancel"`, `"a_new_member": "x", "cancel"`),
	} {
		check(what, s.post(body, signature(body, s.ClientKey)), true)
	}
	for what, body := range map[string]string{
		"a payment of another amount":           payment(`"1230"`, `"1229"`),
		"a payment in another currency":         payment(`"HKD"`, `"JPY"`),
		"a payment of another order's amount":   payment(order, order+"-NONE"),
		"a notification of another type":        payment(`"payment"`, `"chargeback"`),
		"the refund of another amount":          refund(order+"-R1", "401", order, "HKD"),
		"the refund of another order":           refund(order+"-R1", "400", order+"-OTHER", "HKD"),
		"a refund in another currency":          refund(order+"-R9", "100", order, "JPY"),
		"a refund of an unknown order":          refund(order+"-R9", "100", order+"-NONE", "HKD"),
		"more than was paid, in one refund":     refund(order+"-R9", "1231", order, "HKD"),
		"more than is left, in one more refund": refund(order+"-R9", "431", order, "HKD"),
	} {
		check(what, s.post(body, signature(body, s.ClientKey)), false)
	}
	forged := refund(order+"-R9", "100", order, "HKD")
	for what, sign := range map[string]string{
		"no signature": "", "another key's": signature(forged, "guessed"),
		"an empty key's": signature(forged, ""), "another body's": signature(payment(), s.ClientKey),
		"one that is not ASCII": "é", "a short one": "5D0D",
	} {
		check(what, s.post(forged, sign), false)
	}
	body := refund(order+"-R2", "430", order, "HKD") // the rest
	want = orderState{1, 1230, 3}
	check("the rest", s.post(body, signature(body, s.ClientKey)), true)
	if is := s.state(order + "-OTHER"); is != (orderState{}) {
		t.Errorf("the other order is %+v", is)
	}
}

// The receivers in docs/notifications.md take every true notification once, and no false one.
func TestTheReceiversOfTheManualKeepTheBooks(t *testing.T) {
	r := manualReceivers(t)
	s := harness.NewSandbox(t)
	write := func(t *testing.T, name, text string) string {
		t.Helper()
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	build := func(t *testing.T, text string) string {
		t.Helper()
		source, program := write(t, "main.go", text), filepath.Join(t.TempDir(), "receiver")
		harness.Run(t, exec.Command("go", "-C", "../..", "build", "-o", program, source))
		return program
	}
	for _, c := range []struct{ name, order, handler, imports, setUp string }{
		{"Go, with the client", "GO-CLIENT", r.client, `
	"github.com/sampanpay/sampan"
`, `	client := &sampan.Client{ClientKey: os.Getenv("CLIENT_KEY")}
`},
		{"Go, by hand", "GO-HAND", r.byHand, `	"crypto/hmac"
	"crypto/md5"
	"encoding/json"
	"io"
	"log"
`, `	clientKey := os.Getenv("CLIENT_KEY")
`},
	} {
		t.Run(c.name, func(t *testing.T) {
			built := build(t, r.goProgram(c.handler, c.imports, c.setUp))
			startReceiver(t, s, r.schema, "", func(address string) *exec.Cmd {
				return exec.Command(built, address)
			}).exercise(c.order)
		})
	}
	t.Run("Python", func(t *testing.T) {
		python := pythonWith(t, "flask")
		path := write(t, "shop.py", r.python)
		startReceiver(t, s, r.schema, "", func(address string) *exec.Cmd {
			host, port, _ := net.SplitHostPort(address)
			return exec.Command(python, "-m", "flask", "--app", path, "run", "--host", host, "--port", port)
		}).exercise("PYTHON")
	})
	t.Run("PHP", func(t *testing.T) {
		if out, err := exec.Command("php", "-m").Output(); err != nil ||
			!strings.Contains(string(out), "pdo_sqlite") {
			harness.Missing(t, "PHP with SQLite")
		}
		path := write(t, "notify.php", r.php)
		startReceiver(t, s, r.schema, "sqlite:", func(address string) *exec.Cmd {
			return exec.Command("php", "-S", address, path)
		}).exercise("PHP")
	})
}
