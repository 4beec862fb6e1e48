package harness

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/sampanpay/sampan"
	"github.com/sampanpay/sampan/internal/store/storetest"
)

// Deployment is a gateway's configuration and database, set up by the operator's commands, and the
// wallet that it talks to. Merchant 100001 has one account. The gateway itself is started by Serve.
type Deployment struct {
	Endpoints
	Dir, Config string
	Address     string // of the gateway, host and port
	Simulator   *Process
}

// NewDeployment sets up a deployment on the database. limits are flags of `merchant add`.
func NewDeployment(t testing.TB, dsn string, limits ...string) *Deployment {
	t.Helper()
	d := &Deployment{Dir: t.TempDir(), Address: FreeAddress(t)}
	d.Gateway, d.Wallet, d.Control = "http://"+d.Address, "http://"+FreeAddress(t), "http://"+FreeAddress(t)
	d.Config = filepath.Join(d.Dir, "sampan.toml")
	key := filepath.Join(d.Dir, "master.key")
	write(t, key, storetest.MasterKey.Reveal())
	write(t, d.Config, fmt.Sprintf(`base_url = %q
database = %q
master_key_file = %q
[delivery]
allow = ["127.0.0.0/8:*"]
[recover]
looks = ["1s"]
`, d.Gateway, dsn, key))
	d.Simulate(t)
	AwaitOK(t, d.Control+"/healthz")

	Program(t, "migrate", "--config", d.Config)
	d.AppCode, d.ClientKey = d.AddMerchant(t, "100001", "Tea House", limits...)
	write(t, filepath.Join(d.Dir, "md5.key"), d.WalletKeys(t)["md5_key"])
	d.AddWallet(t, "100001", "alipay", d.Wallet)
	return d
}

// AddMerchant adds a merchant and returns its credential.
func (d *Deployment) AddMerchant(t testing.TB, id, name string, flags ...string) (appCode, clientKey string) {
	t.Helper()
	args := []string{"merchant", "add", "--config", d.Config, "--id", id, "--name", name}
	return Credential(t, Program(t, append(args, flags...)...))
}

// Credential finds the credential in what `merchant add` prints.
func Credential(t testing.TB, printed string) (appCode, clientKey string) {
	t.Helper()
	m := regexp.MustCompile(`app_code +(\S+)\s+client_key +(\S+)`).FindStringSubmatch(printed)
	if m == nil {
		t.Fatalf("no credential in %q", printed)
	}
	return m[1], m[2]
}

// AddWallet adds an account of Alipay's for a merchant, or changes its address or settings.
func (d *Deployment) AddWallet(t testing.TB, merchant, id, address string, settings ...string) {
	t.Helper()
	args := []string{"wallet", "add", "--config", d.Config, "--merchant", merchant, "--id", id,
		"--kind", "alipayglobal", "--pay-types", "801107", "--currencies", "HKD",
		"--secret", "md5_key=@" + filepath.Join(d.Dir, "md5.key")}
	own := []string{"gateway=" + address + "/gateway.do", "partner=2088000000000001", "sign_type=MD5"}
	for _, s := range append(own, settings...) {
		args = append(args, "--set", s)
	}
	Program(t, args...)
}

// WalletKeys are the keys that the simulator has made.
func (d *Deployment) WalletKeys(t testing.TB) (keys map[string]string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(d.Dir, "simulator", "wallet-keys.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &keys); err != nil {
		t.Fatal(err)
	}
	return keys
}

// Simulate starts the wallet. One that was killed starts with its data.
func (d *Deployment) Simulate(t testing.TB) {
	t.Helper()
	d.Simulator = Start(t, "simulator", "--data", filepath.Join(d.Dir, "simulator"), "--app", "127.0.0.1:0",
		"--wallet", strings.TrimPrefix(d.Wallet, "http://"),
		"--control", strings.TrimPrefix(d.Control, "http://"))
}

// Serve starts a gateway at the address and waits until it is ready.
func (d *Deployment) Serve(t testing.TB, address string) *Process {
	t.Helper()
	t.Setenv("SAMPAN_LISTEN", address)
	p := Start(t, "serve", "--config", d.Config)
	p.Secret = d.ClientKey
	AwaitOK(t, "http://"+address+"/readyz")
	return p
}

// Pay places an order and pays it at the wallet.
func (d *Deployment) Pay(t testing.TB, m *Merchant, number string) *sampan.Payment {
	t.Helper()
	payment, err := m.Pay(t.Context(), m.Order(number, sampan.Alipay))
	if err != nil {
		t.Fatal(err)
	}
	OpenLink(t, payment.PayURL)
	d.Act(t, payment.ID, "pay")
	return payment
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
