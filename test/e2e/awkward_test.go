package e2e_test

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
	_ "modernc.org/sqlite"

	"github.com/sampanpay/sampan"
	"github.com/sampanpay/sampan/internal/simulator"

	"github.com/sampanpay/sampan/test/harness"
)

// startAwkward starts a sandbox whose wallet is awkward on a fifth of all
// occasions, in the way of the seed.
func startAwkward(t *testing.T, seed int) *harness.Sandbox {
	t.Helper()
	return harness.NewSandbox(t, "--awkward", "20", "--seed", strconv.Itoa(seed))
}

// At an awkward wallet too every order is paid, once; the merchant who only
// waits is told of each, and of nothing else; and no forgery is believed.
func TestEveryOrderIsPaidOnceAtAnAwkwardWallet(t *testing.T) {
	const orders = 30
	var shops []*bookkeeper
	for _, seed := range []int{4, 5, 6} { // between them, these draw everything
		shop := newBookkeeper(t, startAwkward(t, seed))
		for i := range orders {
			shop.sell(t, fmt.Sprintf("AWKWARD-%d-%d", seed, i), []sampan.PayType{sampan.Alipay, sampan.AlipayHK}[i%2])
		}
		shops = append(shops, shop)
	}
	met := map[simulator.Fault]int{}
	for _, shop := range shops {
		harness.Eventually(t, "every notification", func() bool { return shop.missing() == 0 })
		for _, m := range shop.watchTheWalletFinish(t) {
			met[m.Fault]++
		}
		shop.audit(t, orders)
	}
	t.Logf("%v", met)
	for _, f := range simulator.Faults {
		// How often the gateway asks, and so what befalls its queries, is up to the clock;
		// and nothing is given back.
		if f.Benign && met[f.Fault] == 0 && !slices.Contains(f.On, simulator.OnQuery) && !slices.Contains(f.On, simulator.OnRefund) {
			t.Errorf("nothing was %s: replay is broken", f.Fault)
		}
	}
}

// A bookkeeper is a merchant's server that compares everything it is told with
// what it sold.
type bookkeeper struct {
	*sampan.Client
	sandbox *harness.Sandbox
	server  *httptest.Server

	mu    sync.Mutex
	sold  map[string]sampan.Transaction // by order number: what must be told of it
	told  map[string]bool
	wrong []string
}

func newBookkeeper(t *testing.T, s *harness.Sandbox) *bookkeeper {
	t.Helper()
	b := &bookkeeper{
		Client:  &sampan.Client{BaseURL: s.Gateway, AppCode: s.AppCode, ClientKey: s.ClientKey},
		sandbox: s, sold: map[string]sampan.Transaction{}, told: map[string]bool{},
	}
	b.server = httptest.NewServer(b)
	t.Cleanup(b.server.Close)
	return b
}

// ServeHTTP takes a notification.
func (b *bookkeeper) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n, err := b.VerifyNotification(r)
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil {
		b.wrong = append(b.wrong, err.Error())
		return
	}
	if got, want := essence(n.Transaction), b.sold[n.OrderNo]; got != want {
		b.wrong = append(b.wrong, fmt.Sprintf("told %+v, sold %+v", got, want))
	}
	b.told[n.OrderNo] = true
	io.WriteString(w, "SUCCESS")
}

// essence is what a merchant compares.
func essence(t sampan.Transaction) sampan.Transaction {
	return sampan.Transaction{ID: t.ID, OrderNo: t.OrderNo, Amount: t.Amount, Currency: t.Currency, PayType: t.PayType, Code: t.Code}
}

func (b *bookkeeper) missing() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for number := range b.sold {
		if !b.told[number] {
			n++
		}
	}
	return n
}

// sell places an order and plays its buyer, who opens the link, pays and comes
// back to the result page. Then the merchant asks once.
func (b *bookkeeper) sell(t *testing.T, number string, wallet sampan.PayType) {
	t.Helper()
	order := sampan.PaymentRequest{
		PayType: wallet, Amount: int64(1000 + len(b.sold)), Currency: "HKD", OrderNo: number,
		GoodsName: "Oolong 烏龍茶", NotifyURL: b.server.URL, ReturnURL: b.server.URL + "/thanks",
	}
	p, err := b.Pay(t.Context(), order)
	if err != nil {
		t.Fatal(err)
	}
	want := sampan.Transaction{ID: p.ID, OrderNo: number, Amount: order.Amount, Currency: order.Currency, PayType: wallet, Code: sampan.CodeSuccess}
	b.mu.Lock()
	b.sold[number] = want
	b.mu.Unlock()

	harness.OpenLink(t, p.PayURL)
	b.sandbox.Act(t, p.ID, "pay")
	harness.Fetch(t, tradeOf(t, b.sandbox, p.ID).Attempts[0].ReturnURL)
	found, err := b.Query(t.Context(), sampan.QueryRequest{IDs: []string{p.ID}})
	if err != nil || len(found.Transactions) != 1 {
		t.Fatalf("query: %+v %v", found, err)
	}
	got := essence(found.Transactions[0])
	if got.Code == sampan.CodeNotPaidYet {
		got.Code = sampan.CodeSuccess // soon
	}
	if got != want {
		t.Errorf("the query says %+v, sold %+v", found.Transactions[0], want)
	}
}

// watchTheWalletFinish waits until the wallet has sent everything once, late
// notifications and forgeries too, and returns what has gone wrong on the way.
func (b *bookkeeper) watchTheWalletFinish(t *testing.T) (mishaps []simulator.Mishap) {
	t.Helper()
	for _, sold := range b.sold {
		var seen trade
		harness.Eventually(t, "the wallet's last send", func() bool {
			seen = tradeOf(t, b.sandbox, sold.ID)
			return !slices.ContainsFunc(seen.Notifications, func(n notice) bool { return len(n.Sends) == 0 || !n.Sends[0].Done })
		})
		mishaps = append(mishaps, seen.Mishaps...)
		for _, n := range seen.Notifications {
			if strings.HasPrefix(n.Extra, "forged") && n.Sends[0].OK {
				t.Errorf("a forgery was taken: %+v", n)
			}
		}
	}
	return mishaps
}

// audit looks at both sides' books: each order is paid, by one movement of its
// own amount, and there is no other money.
func (b *bookkeeper) audit(t *testing.T, orders int) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, wrong := range b.wrong {
		t.Error(wrong)
	}
	for number, want := range b.sold {
		found, err := b.Query(t.Context(), sampan.QueryRequest{OrderNos: []string{number}})
		if err != nil || len(found.Transactions) != 1 || essence(found.Transactions[0]) != want {
			t.Errorf("at the end %s is %+v (%v), want %+v", number, found, err, want)
		}
	}
	db, err := sql.Open("sqlite", "file:"+filepath.Join(b.sandbox.Dir, "sampan.db")+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var movements, payments, right int
	err = db.QueryRow(`
		SELECT count(*), count(DISTINCT m.payment_id), count(CASE WHEN m.kind = 'payment' AND m.amount = p.amount AND p.flagged = 0 THEN 1 END)
		FROM movement m JOIN payment p ON p.merchant_id = m.merchant_id AND p.id = m.payment_id`).Scan(&movements, &payments, &right)
	if err != nil || movements != orders || payments != orders || right != orders {
		t.Errorf("%d movements of %d payments, %d of them right (%v), want %d", movements, payments, right, err, orders)
	}
}

// A trade is what the simulator's control API tells of an order.
type trade struct {
	Attempts []struct {
		ReturnURL string `json:"return_url"`
	}
	Mishaps       []simulator.Mishap
	Notifications []notice
}

type notice struct {
	Extra string
	Sends []struct {
		Done bool
		OK   bool
	}
}

func tradeOf(t *testing.T, s *harness.Sandbox, id string) (v trade) {
	t.Helper()
	if _, text := harness.Fetch(t, s.Control+"/trades/"+id); json.Unmarshal([]byte(text), &v) != nil {
		t.Fatalf("not JSON: %s", text)
	}
	return v
}

// A buyer in the browser ends at a paid order, whatever the wallet is up to:
// with this seed the browser comes back last, and at the second order forgeries come
// first and the wallet is slow to vouch for its notification.
func TestABuyerPaysInTheBrowserAtAnAwkwardWallet(t *testing.T) {
	p := newPhone(t, harness.Safari, "en")
	s := startAwkward(t, 22284)
	for range 2 {
		p.open(s.Shop)
		p.press("#buy-801512") // signed with RSA2: its notifications are vouched for
		p.press("#pay")
		p.see("#state[data-state=paid]")
		if told := value(p, "read", chromedp.TextContent(chromedp.CSS("#notification"))); !strings.Contains(told, `"respcd": "0000"`) {
			t.Errorf("the shop shows no notification: %s", told)
		}
	}
	p.look("order-paid")
	_, trades := harness.Fetch(t, s.Control+"/trades")
	for _, fault := range []string{"forged", "notify-first", "query-slow", "shuffled"} {
		if !strings.Contains(trades, `"fault": "`+fault+`"`) {
			t.Errorf("nothing was %s: replay is broken", fault)
		}
	}
}

// Every curl line of docs/simulator.md works as it stands, in its order.
func TestTheSimulatorsManualIsTrue(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		harness.Missing(t, "curl")
	}
	manual, err := os.ReadFile("../../docs/simulator.md")
	if err != nil {
		t.Fatal(err)
	}
	s := harness.NewSandbox(t)
	shop := harness.NewMerchant(t, s.Endpoints)
	order, err := shop.Pay(t.Context(), shop.Order("MANUAL", sampan.Alipay))
	if err != nil {
		t.Fatal(err)
	}
	harness.OpenLink(t, order.PayURL)
	lines := regexp.MustCompile(`(?m)^curl .*$`).FindAllString(string(manual), -1)
	if len(lines) < 10 {
		t.Fatalf("only %d lines", len(lines))
	}
	for _, line := range lines {
		cmd := exec.CommandContext(t.Context(), "sh", "-c", strings.Replace(line, "curl ", curl+" --fail-with-body ", 1))
		cmd.Env = append(os.Environ(), "CONTROL="+s.Control, "ORDER="+order.ID)
		harness.Run(t, cmd)
	}
}
