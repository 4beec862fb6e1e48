package operator

import (
	"os"
	"os/user"
	"strings"
	"testing"

	"github.com/sampanpay/sampan/internal/pay"
)

func TestPaymentState(t *testing.T) {
	for want, change := range map[string]func(*pay.Payment){
		"paid":                          func(*pay.Payment) {},
		"paid, late, needs a look":      func(p *pay.Payment) { p.Late, p.Flagged = true, true },
		"paid, refunded":                func(p *pay.Payment) { p.Refunded, p.Reserved = 1230, 1230 },
		"paid, 1.00 HKD being refunded": func(p *pay.Payment) { p.Reserved = 100 },
		"paid, 1.00 HKD refunded":       func(p *pay.Payment) { p.Refunded, p.Reserved = 100, 100 },
		"paid, 1.00 HKD refunded, 2.00 HKD being refunded": func(p *pay.Payment) {
			p.Refunded, p.Reserved = 100, 300
		},
		"created, to be closed":        func(p *pay.Payment) { p.Status, p.CloseID = pay.Created, "1" },
		"failed, the wallet says GONE": func(p *pay.Payment) { p.Status, p.Failure = pay.Failed, "GONE" },
	} {
		p := pay.Payment{Status: pay.Paid, Amount: pay.Amount{Minor: 1230, Currency: "HKD"}}
		if change(&p); PaymentState(p) != want {
			t.Errorf("got %q, want %q", PaymentState(p), want)
		}
	}
}

func TestDescribeKnowsEveryKind(t *testing.T) {
	for _, kind := range pay.EventKinds {
		e := pay.Event{
			Kind: kind, Amount: pay.Amount{Minor: 1230, Currency: "HKD"}, TradeNo: "T1",
			RefundID: "R1", Number: "N1", Code: "C1", Note: "hello",
		}
		text := Describe(e)
		mayBeEmpty := kind == pay.EventExpired || kind == pay.EventClosed
		if strings.Contains(text, "{") || text == "" && !mayBeEmpty {
			t.Errorf("%s: %q", kind, text)
		}
	}
}

func TestStanding(t *testing.T) {
	for want, d := range map[string]pay.Disabling{
		"enabled":                               {KeepLinks: true},
		"disabled: links closed, refunds kept":  {Disabled: true},
		"disabled: links kept, refunds stopped": {Disabled: true, KeepLinks: true, StopRefunds: true},
	} {
		if got := Standing(d); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestOnCommandLineNamesTheAccount(t *testing.T) {
	me, err := user.Current()
	if err != nil {
		t.Skip(err)
	}
	t.Setenv("SUDO_USER", "")
	if got, want := OnCommandLine(), pay.ByOperator("cli:"+me.Username); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	t.Setenv("SUDO_USER", "mallory")
	want := me.Username // an account that is not root can write any name there
	if os.Getuid() == 0 {
		want = "mallory"
	}
	if got := OnCommandLine(); got.Name != "cli:"+want {
		t.Errorf("got %v, want %s", got, want)
	}
}
