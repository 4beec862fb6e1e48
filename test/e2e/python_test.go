package e2e_test

import (
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sampanpay/sampan/test/harness"
)

// The program in the trade API's documentation defines what a working client is. With the address
// and the credentials filled in, it gets a link to the cashier.
func TestTheDocumentedProgramPlacesAnOrder(t *testing.T) {
	python := pythonWith(t, "requests")
	s := harness.NewSandbox(t)

	source, err := os.ReadFile("testdata/alipay_wap_h5.py")
	if err != nil {
		t.Fatal(err)
	}
	program := string(source)
	for placeholder, value := range map[string]string{
		`"https://test-openapi-hk.qfapi.com"`: s.Gateway,
		`"YOUR_APP_CODE"`:                     s.AppCode,
		`"YOUR_CLIENT_KEY"`:                   s.ClientKey,
	} {
		if strings.Count(program, placeholder) != 1 {
			t.Fatalf("%s is not once in the program", placeholder)
		}
		program = strings.Replace(program, placeholder, `"`+value+`"`, 1)
	}
	path := filepath.Join(t.TempDir(), "alipay_wap_h5.py")
	if err := os.WriteFile(path, []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}

	// The program prints a Python dictionary.
	field := func(printed, name string) string {
		t.Helper()
		m := regexp.MustCompile(`'` + name + `': '([^']*)'`).FindStringSubmatch(printed)
		if m == nil {
			t.Fatalf("no %s in what the program printed: %s", name, printed)
		}
		return m[1]
	}
	first := harness.Run(t, exec.Command(python, path))
	if respcd := field(first, "respcd"); respcd != "0000" {
		t.Fatalf("respcd %s, want 0000: %s", respcd, first)
	}
	cashier := harness.OpenLink(t, field(first, "pay_url"))
	if want, _ := url.Parse(s.Wallet); cashier.Host != want.Host ||
		!strings.HasPrefix(cashier.Path, "/cashier/") {
		t.Errorf("pay_url leads to %s, want the cashier at %s", cashier, s.Wallet)
	}

	// In the next second txdtm differs, and the order is the same nevertheless.
	time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(time.Second)))
	second := harness.Run(t, exec.Command(python, path))
	for _, name := range []string{"respcd", "syssn", "pay_url"} {
		if a, b := field(first, name), field(second, name); a != b {
			t.Errorf("run again, %s is %s, was %s", name, b, a)
		}
	}
}

// pythonWith returns a Python that has the library.
func pythonWith(t *testing.T, library string) string {
	t.Helper()
	for _, name := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(name, "-c", "import "+library).Run() == nil {
			return name
		}
	}
	harness.Missing(t, "Python with its library "+library)
	return ""
}
