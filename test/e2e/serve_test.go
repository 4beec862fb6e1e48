package e2e_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/sampanpay/sampan"
	"github.com/sampanpay/sampan/internal/store/storetest"
)

// A deployment as its operator makes it, by the commands of the manual: the
// gateway and the wallet's side are processes of their own, and the merchant is
// notified. When the gateway dies before the wallet tells it that a buyer has
// paid, it finds out by itself once it is back.
func TestServeOnEachDatabase(t *testing.T) {
	storetest.EachDSN(t, func(t *testing.T, dsn string) {
		d := newDeployment(t, dsn)
		gateway := d.serve(t, d.address)
		shop := startMerchant(t, d.sandbox)
		payment := d.pay(t, shop, "FIRST")
		if told := shop.notification(t); told.ID != payment.ID {
			t.Errorf("told of %s, want %s", told.ID, payment.ID)
		}

		order := shop.order("SECOND", sampan.Alipay)
		payment, err := shop.Pay(t.Context(), order)
		if err != nil {
			t.Fatal(err)
		}
		openLink(t, payment.PayURL)
		gateway.kill(t)
		d.act(t, payment.ID, "pay") // the wallet's notification finds nobody
		d.serve(t, d.address)
		if told := shop.notification(t); told.ID != payment.ID {
			t.Errorf("told of %s, want %s", told.ID, payment.ID)
		}
	})
}

// Replicas keep nothing to themselves: an order placed at one is known to the
// other, can be paid there, and is the merchant's only notification.
func TestReplicasShareOneDatabase(t *testing.T) {
	d := newDeployment(t, storetest.EmptyPostgresDSN(t))
	other := freeAddress(t)
	one, _ := d.serve(t, d.address), d.serve(t, other)
	shop := startMerchant(t, d.sandbox)
	payment := d.pay(t, shop, "AT-ONE")
	if told := shop.notification(t); told.ID != payment.ID {
		t.Errorf("told of %s, want %s", told.ID, payment.ID)
	}
	one.kill(t)
	shop.BaseURL = "http://" + other
	if code := shop.state(t, "AT-ONE"); code != sampan.CodeSuccess {
		t.Errorf("the other replica says %s, want %s", code, sampan.CodeSuccess)
	}
	if again, err := shop.Pay(t.Context(), shop.order("AT-ONE", sampan.Alipay)); !isCode(err, sampan.CodeAlreadyPaid) {
		t.Errorf("placed once more at the other replica: %+v %v, want code %s", again, err, sampan.CodeAlreadyPaid)
	}
	select {
	case n := <-shop.told:
		t.Errorf("notified a second time: %s", n.Raw)
	default:
	}
}

// A deployment is a gateway's configuration and the wallet that it talks to.
// The sandbox in it is only its addresses and its credential.
type deployment struct {
	*sandbox
	address, config string
	simulator       *process
}

func newDeployment(t testing.TB, dsn string, limits ...string) *deployment {
	t.Helper()
	d := &deployment{address: freeAddress(t)}
	wallet, control := freeAddress(t), freeAddress(t)
	d.sandbox = &sandbox{dir: t.TempDir(), Gateway: "http://" + d.address, Wallet: "http://" + wallet, Control: "http://" + control}

	d.config = filepath.Join(d.dir, "sampan.toml")
	key := filepath.Join(d.dir, "master.key")
	for path, text := range map[string]string{
		key: storetest.MasterKey.Reveal(),
		d.config: fmt.Sprintf("base_url = %q\ndatabase = %q\nmaster_key_file = %q\n[delivery]\nallow = [\"127.0.0.0/8:*\"]\n[recover]\nlooks = [\"1s\"]\n",
			d.Gateway, dsn, key),
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	d.simulate(t)
	d.answers(t, d.Control+"/healthz")

	d.run(t, "migrate", "--config", d.config)
	printed := d.run(t, append([]string{"merchant", "add", "--config", d.config, "--id", "100001", "--name", "Tea House"}, limits...)...)
	word := func(name string) string {
		return regexp.MustCompile(name + ` +(\S+)`).FindStringSubmatch(printed)[1]
	}
	d.AppCode, d.ClientKey = word("app_code"), word("client_key")

	text, err := os.ReadFile(filepath.Join(d.dir, "simulator", "wallet-keys.json"))
	if err != nil {
		t.Fatal(err)
	}
	var keys struct {
		MD5 string `json:"md5_key"`
	}
	if err := json.Unmarshal(text, &keys); err != nil {
		t.Fatal(err)
	}
	secret := filepath.Join(d.dir, "md5.key")
	if err := os.WriteFile(secret, []byte(keys.MD5), 0o600); err != nil {
		t.Fatal(err)
	}
	d.run(t, "wallet", "add", "--config", d.config, "--merchant", "100001", "--id", "alipay", "--kind", "alipayglobal",
		"--pay-types", "801107", "--currencies", "HKD", "--set", "gateway="+d.Wallet+"/gateway.do",
		"--set", "partner=2088000000000001", "--set", "sign_type=MD5", "--secret", "md5_key=@"+secret)
	return d
}

// simulate starts the wallet's side, over what it knew before if it was killed.
func (d *deployment) simulate(t testing.TB) {
	t.Helper()
	d.simulator = start(t, "simulator", "--data", filepath.Join(d.dir, "simulator"),
		"--wallet", strings.TrimPrefix(d.Wallet, "http://"), "--control", strings.TrimPrefix(d.Control, "http://"), "--app", "127.0.0.1:0")
}

// serve starts a gateway at the address and waits until it is ready.
func (d *deployment) serve(t testing.TB, address string) *process {
	t.Helper()
	t.Setenv("SAMPAN_LISTEN", address)
	p := start(t, "serve", "--config", d.config)
	p.secret = d.ClientKey
	d.answers(t, "http://"+address+"/readyz")
	return p
}

// pay places an order and pays it at the wallet.
func (d *deployment) pay(t *testing.T, m *merchant, number string) *sampan.Payment {
	t.Helper()
	payment, err := m.Pay(t.Context(), m.order(number, sampan.Alipay))
	if err != nil {
		t.Fatal(err)
	}
	openLink(t, payment.PayURL)
	d.act(t, payment.ID, "pay")
	return payment
}

// run runs an operator's command.
func (d *deployment) run(t testing.TB, args ...string) string {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	return run(t, exec.Command(path, args...))
}

// answers waits until the address answers 200.
func (d *deployment) answers(t testing.TB, address string) {
	t.Helper()
	eventually(t, address, func() bool {
		res, err := http.Get(address)
		if err != nil {
			return false
		}
		res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
}

// freeAddress is a loopback address that nobody listens on. It is below the
// ports that the system gives to those who only connect, which could take it
// while its process is down.
func freeAddress(t testing.TB) string {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 12000+rand.N(20000)))
		if err == nil {
			defer l.Close()
			return l.Addr().String()
		}
	}
	t.Fatal("a hundred ports are taken")
	return ""
}
