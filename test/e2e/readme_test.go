package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/sampanpay/sampan"
	"github.com/sampanpay/sampan/test/harness"
)

// The README's program, completed by the functions that it leaves to its reader, sells, is notified
// of the payment, refunds a part and is notified of that too.
func TestTheReadmesProgramSellsAndRefunds(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?ms)^```go\n(.*?)^```$").FindAllStringSubmatch(string(readme), -1)
	if len(m) != 1 {
		t.Fatalf("%d programs in Go", len(m))
	}
	s := harness.NewSandbox(t)
	program := m[0][1]
	replace := func(old, with string) {
		t.Helper()
		if strings.Count(program, old) != 1 {
			t.Fatalf("%q is not once in the README's program", old)
		}
		program = strings.Replace(program, old, with, 1)
	}
	replace(`"http://127.0.0.1:7700"`, `"`+s.Gateway+`"`)
	replace(`"https://shop.example/notify"`, `"http://" + server.Addr().String() + "/notify"`)
	replace("refund, err := client", `must(err)
fmt.Println(payment.ID, payment.PayURL)
go func() { panic(http.Serve(server, nil)) }()
fmt.Println(<-notified)
refund, err := client`)
	source := filepath.Join(t.TempDir(), "main.go")
	if err := os.WriteFile(source, []byte(`package main

import (
	"context"
	"fmt"
	"net"
	"net/http"

	"github.com/sampanpay/sampan"
)

const appCode, clientKey = "`+s.AppCode+`", "`+s.ClientKey+`"

var notified = make(chan string, 2)

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func markPaid(_ context.Context, order string, amount int64, currency string) error {
	notified <- fmt.Sprint("paid ", order, " ", amount, " ", currency)
	return nil
}

func markRefunded(_ context.Context, order, refund string, amount int64, currency string) error {
	notified <- fmt.Sprint("refunded ", order, " ", refund, " ", amount, " ", currency)
	return nil
}

func main() {
	ctx := context.Background()
	server, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	{
`+program+`
		must(err)
		fmt.Println(refund.ID != payment.ID, <-notified)
	}
}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	built := filepath.Join(t.TempDir(), "program")
	harness.Run(t, exec.Command("go", "-C", "../..", "build", "-o", built, source))
	cmd := exec.Command(built)
	var printed harness.Output
	cmd.Stdout, cmd.Stderr = &printed, &printed
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	harness.Eventually(t, "the order", func() bool { return strings.Count(printed.String(), "\n") > 0 })
	id, link, _ := strings.Cut(strings.TrimSpace(printed.String()), " ")
	harness.OpenLink(t, link)
	s.Act(t, id, "pay")
	if err := <-ended; err != nil {
		t.Fatalf("%v: %s", err, printed.String())
	}
	want := "paid T-1001 1230 HKD\ntrue refunded T-1001 T-1001-R1 500 HKD\n"
	if got := printed.String(); !strings.HasSuffix(got, want) {
		t.Errorf("it printed %q, want it to end in %q", got, want)
	}
	client := sampan.Client{BaseURL: s.Gateway, AppCode: s.AppCode, ClientKey: s.ClientKey}
	found, err := client.Query(t.Context(), sampan.QueryRequest{OrderNos: []string{"T-1001", "T-1001-R1"}})
	if err != nil || len(found.Transactions) != 2 {
		t.Errorf("%+v, %v", found, err)
	}
}
