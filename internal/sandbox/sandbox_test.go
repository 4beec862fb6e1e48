package sandbox

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/sampanpay/sampan"
	"github.com/sampanpay/sampan/internal/wallet"
	"github.com/sampanpay/sampan/internal/wallet/alipayglobal"
	"github.com/sampanpay/sampan/internal/wallet/servicewindow"
)

// timeout bounds one step of a sandbox on a slow machine.
const timeout = 30 * time.Second

// options returns those of a sandbox in a directory, on free ports.
func options(dir string) Options {
	const free = "127.0.0.1:0"
	return Options{
		Gateway: free, Shop: free,
		Drivers: map[string]wallet.Driver{
			alipayglobal.Driver.Name: alipayglobal.Driver, servicewindow.Driver.Name: servicewindow.Driver,
		},
		SimulatorOptions: SimulatorOptions{
			Wallet: free, Control: free, App: free, Dir: dir, Log: slog.New(slog.DiscardHandler),
		},
	}
}

// start runs a sandbox until stop is called, at the latest at the end of the test.
func start(t *testing.T, o Options) (info Info, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	started, ended := make(chan Info, 1), make(chan error, 1)
	go func() { ended <- Run(ctx, o, func(i Info) { started <- i }) }()
	stopped := false
	stop = func() {
		t.Helper()
		if stopped {
			return
		}
		stopped = true
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("the sandbox ends with %v", err)
			}
		case <-time.After(timeout):
			t.Error("the sandbox does not end")
		}
	}
	t.Cleanup(stop)
	select {
	case info = <-started:
		return info, stop
	case err := <-ended:
		t.Fatalf("the sandbox does not start: %v", err)
	case <-time.After(timeout):
		t.Fatal("the sandbox does not start")
	}
	return
}

// request sends a request without a body and expects 200.
func request(t *testing.T, method, url string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %s", method, url, response.Status)
	}
}

// The sandbox runs in this process, sells with each partner, and keeps its data
// from one run to the next.
func TestSandboxSellsAndKeepsItsData(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	dir := t.TempDir()
	info, stop := start(t, options(dir))
	read, err := ReadInfo(dir)
	if diff := cmp.Diff(info, read); err != nil || diff != "" {
		t.Errorf("%s: %v (-want +got):\n%s", File, err, diff)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	client := &sampan.Client{
		BaseURL: info.Gateway, AppCode: info.AppCode, ClientKey: info.ClientKey,
		HTTPClient: &http.Client{Transport: transport},
	}
	ids := map[sampan.PayType]string{sampan.Alipay: "", sampan.AlipayHK: ""}
	for payType := range ids {
		p, err := client.Pay(t.Context(), sampan.PaymentRequest{
			PayType: payType, Amount: 1200, Currency: "HKD", OrderNo: "TEA-" + string(payType),
			GoodsName: "Oolong",
		})
		if err != nil {
			t.Fatalf("%s: %v", payType, err)
		}
		ids[payType] = p.ID
		request(t, "GET", p.PayURL) // to the cashier
		request(t, "POST", info.Control+"/trades/"+p.ID+"/pay")
		waitPaid(t, client, p.ID)
	}
	stop()

	again, stop := start(t, options(dir))
	credentials := func(i Info) []string { return []string{i.AppCode, i.ClientKey, i.OpenAPIPrivate} }
	if diff := cmp.Diff(credentials(info), credentials(again)); diff != "" {
		t.Errorf("the second run has other keys (-want +got):\n%s", diff)
	}
	client.BaseURL = again.Gateway
	for _, id := range ids {
		waitPaid(t, client, id)
	}
	stop()

	o := options(dir)
	o.Fresh = true
	fresh, stop := start(t, o)
	if fresh.AppCode == info.AppCode || fresh.OpenAPIPrivate == info.OpenAPIPrivate {
		t.Errorf("a fresh sandbox has the keys of an earlier run: %+v", fresh)
	}
	stop()
}

// waitPaid waits until the gateway knows that an order is paid.
func waitPaid(t *testing.T, client *sampan.Client, id string) {
	t.Helper()
	for deadline := time.Now().Add(timeout); ; time.Sleep(20 * time.Millisecond) {
		found, err := client.Query(t.Context(), sampan.QueryRequest{IDs: []string{id}})
		if err == nil && len(found.Transactions) == 1 && found.Transactions[0].Code == sampan.CodeSuccess {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is not paid: %+v, %v", id, found, err)
		}
	}
}

// A sandbox that cannot start leaves nothing running and the directory unlocked.
func TestSandboxThatCannotStart(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	dir := t.TempDir()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, spoil := range map[string]func(*Options){
		"the shop's port is taken": func(o *Options) { o.Shop = taken.Addr().String() },
		"a wallet is missing":      func(o *Options) { o.Drivers = nil },
	} {
		o := options(dir)
		spoil(&o)
		err := Run(t.Context(), o, func(Info) { t.Errorf("%s: started", name) })
		if err == nil {
			t.Errorf("%s: no error", name)
		}
		if _, err := ReadInfo(dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %s remains: %v", name, File, err)
		}
	}
	_, stop := start(t, options(dir))
	if err := Run(t.Context(), options(dir), nil); err == nil || !strings.Contains(err.Error(), "is in use") {
		t.Errorf("a second sandbox in the same directory: %v", err)
	}
	stop()
}

// A directory with a deployment's files is neither used nor emptied.
func TestSandboxLeavesDeploymentsAlone(t *testing.T) {
	for _, name := range []string{ConfigFile, databaseFile, masterKeyFile} {
		dir := t.TempDir()
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte("theirs"), 0o600); err != nil {
			t.Fatal(err)
		}
		o := options(dir)
		o.Fresh = true
		if err := Run(t.Context(), o, nil); err == nil || !strings.Contains(err.Error(), "no sandbox made") {
			t.Errorf("%s: %v", name, err)
		}
		if text, err := os.ReadFile(file); err != nil || string(text) != "theirs" {
			t.Errorf("%s: has %q, %v", name, text, err)
		}
	}
}
