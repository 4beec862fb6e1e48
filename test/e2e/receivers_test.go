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

	_ "modernc.org/sqlite"

	"github.com/sampanpay/sampan"

	"github.com/sampanpay/sampan/test/harness"
)

// receivers are the programs of docs/notifications.md, as they stand there.
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
	for _, m := range regexp.MustCompile("(?ms)^```([a-z]+)\n(.*?)^```$").FindAllStringSubmatch(string(manual), -1) {
		blocks[m[1]] = append(blocks[m[1]], m[2])
	}
	if len(blocks["sql"]) != 1 || len(blocks["go"]) != 3 || len(blocks["python"]) != 1 || len(blocks["php"]) != 1 {
		t.Fatalf("the manual has other examples: %d in SQL, %d in Go, %d in Python, %d in PHP",
			len(blocks["sql"]), len(blocks["go"]), len(blocks["python"]), len(blocks["php"]))
	}
	return receivers{blocks["sql"][0], blocks["go"][0], blocks["go"][1], blocks["go"][2], blocks["python"][0], blocks["php"][0]}
}

// goProgram puts a receiver into a program that listens at its first argument.
func (r receivers) goProgram(handler, imports, setUp string) string {
	return "package main\n\nimport (\n\t\"context\"\n\t\"database/sql\"\n\t\"fmt\"\n\t\"net/http\"\n\t\"os\"\n" + imports +
		"\n\t_ \"modernc.org/sqlite\"\n)\n\n" + r.record + "\nfunc main() {\n\tdb, err := sql.Open(\"sqlite\", \"file:\"+os.Getenv(\"SHOP_DB\"))\n" +
		"\tif err != nil {\n\t\tpanic(err)\n\t}\n\tdb.SetMaxOpenConns(1)\n" + setUp + handler + "\tpanic(http.ListenAndServe(os.Args[1], nil))\n}\n"
}

// A shop is a merchant with a database and one of the receivers.
type receiverShop struct {
	*sampan.Client
	t       *testing.T
	sandbox *harness.Sandbox
	db      *sql.DB
	notify  string // the receiver's address
}

// start runs a receiver. command is given the address that it listens on.
func startReceiver(t *testing.T, s *harness.Sandbox, schema, dsn string, command func(address string) *exec.Cmd) *receiverShop {
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

// books are what the shop knows of an order: whether it is paid, what went back,
// and by how many refunds.
func (s *receiverShop) books(order string) (is struct{ Paid, Gone, Refunds int }) {
	s.t.Helper()
	err := s.db.QueryRow(`SELECT paid, (SELECT coalesce(sum(amount), 0) FROM refunds WHERE order_number = number_of AND done = 1),
		(SELECT count(*) FROM refunds WHERE order_number = number_of AND done = 1) FROM (SELECT paid, number AS number_of FROM orders WHERE number = ?)`,
		order).Scan(&is.Paid, &is.Gone, &is.Refunds)
	if err != nil {
		s.t.Fatal(err)
	}
	return is
}

// post sends a body to the receiver, signed with a key, and reports whether it
// was acknowledged.
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

// keepsTheBooks takes a receiver through a payment, two partial refunds of the
// same amount (one the shop's own, one made elsewhere), repeats and falsehoods.
func (s *receiverShop) keepsTheBooks(order string) {
	t := s.t
	t.Helper()
	type state = struct{ Paid, Gone, Refunds int }
	s.exec(`INSERT INTO orders (number, amount, currency) VALUES (?, 1230, 'HKD'), (?, 1230, 'HKD')`, order, order+"-OTHER")
	p, err := s.Pay(t.Context(), sampan.PaymentRequest{
		PayType: sampan.AlipayHK, Amount: 1230, Currency: "HKD", OrderNo: order, GoodsName: "Oolong 烏龍茶", NotifyURL: s.notify,
	})
	if err != nil {
		t.Fatal(err)
	}
	harness.OpenLink(t, p.PayURL)
	s.sandbox.Act(t, p.ID, "pay")
	harness.Eventually(t, "the payment", func() bool { return s.books(order) == state{1, 0, 0} })

	s.exec(`INSERT INTO refunds (number, order_number, amount) VALUES (?, ?, 400)`, order+"-R1", order)
	for i, number := range []string{order + "-R1", order + "-BY-HAND"} {
		if _, err := s.Refund(t.Context(), sampan.RefundRequest{PaymentID: p.ID, OrderNo: number, Amount: 400}); err != nil {
			t.Fatal(err)
		}
		harness.Eventually(t, "the refund "+number, func() bool { return s.books(order) == state{1, 400 * (i + 1), i + 1} })
	}
	want := state{1, 800, 2}

	payment := func(more ...string) string {
		return strings.NewReplacer(more...).Replace(`{"status": "1", "pay_type": "801512", "txcurrcd": "HKD", "txamt": "1230", "out_trade_no": "` + order + `", "syssn": "` + p.ID +
			`", "goods_name": "\u70cf\u9f8d\u8336", "notify_type": "payment", "respcd": "0000", "cancel": "0"}`)
	}
	refund := func(number, amount, of, currency string) string {
		return `{"status": "1", "pay_type": "801512", "txcurrcd": "` + currency + `", "txamt": "` + amount + `", "out_trade_no": "` + number +
			`", "syssn": "1", "notify_type": "refund", "respcd": "0000", "orig_syssn": "` + p.ID + `", "orig_out_trade_no": "` + of + `"}`
	}
	check := func(what string, got, acknowledged bool) {
		t.Helper()
		if got != acknowledged {
			t.Errorf("%s: acknowledged %t, want %t", what, got, acknowledged)
		}
		if is := s.books(order); is != want {
			t.Fatalf("after %s: %+v, want %+v", what, is, want)
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
		"a payment of another amount":            payment(`"1230"`, `"1229"`),
		"a payment in another currency":          payment(`"HKD"`, `"JPY"`),
		"a payment of another order's amount":    payment(order, order+"-NONE"),
		"a notification of another type":         payment(`"payment"`, `"chargeback"`),
		"the refund of another amount":           refund(order+"-R1", "401", order, "HKD"),
		"the refund of another order":            refund(order+"-R1", "400", order+"-OTHER", "HKD"),
		"a refund in another currency":           refund(order+"-R9", "100", order, "JPY"),
		"a refund of an order that is not there": refund(order+"-R9", "100", order+"-NONE", "HKD"),
		"more than was paid, in one refund":      refund(order+"-R9", "1231", order, "HKD"),
		"more than is left, in one more refund":  refund(order+"-R9", "431", order, "HKD"),
	} {
		check(what, s.post(body, signature(body, s.ClientKey)), false)
	}
	for what, sign := range map[string]string{
		"no signature": "", "another's": signature(refund(order+"-R9", "100", order, "HKD"), "guessed"), "one with an empty key": signature(refund(order+"-R9", "100", order, "HKD"), ""),
		"one of another body": signature(payment(), s.ClientKey), "what is not ASCII": "é", "a short one": "5D0D",
	} {
		check(what, s.post(refund(order+"-R9", "100", order, "HKD"), sign), false)
	}
	body := refund(order+"-R2", "430", order, "HKD") // the rest
	want = state{1, 1230, 3}
	check("the rest", s.post(body, signature(body, s.ClientKey)), true)
	if is := s.books(order + "-OTHER"); is != (state{}) {
		t.Errorf("the other order is %+v", is)
	}
}

// The receivers that docs/notifications.md teaches take every notification for
// what it is, as they stand there.
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
		harness.Run(t, exec.Command("go", "build", "-o", program, source))
		return program
	}
	for name, program := range map[string]string{
		"Go, with the client": r.goProgram(r.client, "\n\t\"github.com/sampanpay/sampan\"\n", "\tclient := &sampan.Client{ClientKey: os.Getenv(\"CLIENT_KEY\")}\n"),
		"Go, by hand":         r.goProgram(r.byHand, "\t\"crypto/hmac\"\n\t\"crypto/md5\"\n\t\"encoding/json\"\n\t\"io\"\n\t\"log\"\n", "\tclientKey := os.Getenv(\"CLIENT_KEY\")\n"),
	} {
		t.Run(name, func(t *testing.T) {
			built := build(t, program)
			startReceiver(t, s, r.schema, "", func(address string) *exec.Cmd { return exec.Command(built, address) }).
				keepsTheBooks(map[string]string{"Go, with the client": "GO-CLIENT", "Go, by hand": "GO-HAND"}[name])
		})
	}
	t.Run("Python", func(t *testing.T) {
		python := pythonWith(t, "flask")
		path := write(t, "shop.py", r.python)
		startReceiver(t, s, r.schema, "", func(address string) *exec.Cmd {
			host, port, _ := net.SplitHostPort(address)
			return exec.Command(python, "-m", "flask", "--app", path, "run", "--host", host, "--port", port)
		}).keepsTheBooks("PYTHON")
	})
	t.Run("PHP", func(t *testing.T) {
		if out, err := exec.Command("php", "-m").Output(); err != nil || !strings.Contains(string(out), "pdo_sqlite") {
			harness.Missing(t, "PHP with SQLite")
		}
		path := write(t, "notify.php", r.php)
		startReceiver(t, s, r.schema, "sqlite:", func(address string) *exec.Cmd { return exec.Command("php", "-S", address, path) }).keepsTheBooks("PHP")
	})
}
