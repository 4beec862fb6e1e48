package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/sampanpay/sampan"
	"github.com/sampanpay/sampan/test/harness"
)

// An application's contract with Alipay has one of several forms. With each of them a buyer is
// authorised, pays and gets a refund, through an account that the operator has added with a
// command.
func TestABuyerPaysByEveryFormOfApplication(t *testing.T) {
	s := harness.NewSandbox(t)
	text, err := os.ReadFile(filepath.Join(s.Dir, "sandbox.json"))
	if err != nil {
		t.Fatal(err)
	}
	var info map[string]string
	if err := json.Unmarshal(text, &info); err != nil {
		t.Fatal(err)
	}
	private := filepath.Join(t.TempDir(), "app.key")
	if err := os.WriteFile(private, []byte(info["openapi_app_private_key"]), 0o600); err != nil {
		t.Fatal(err)
	}
	key := "alipay_public_key=" + info["openapi_alipay_public_key"]
	for i, app := range []struct {
		name, id string
		settings []string
		buyer    string // the form of a buyer's id
	}{
		{"key", info["openapi_app_id"], []string{key}, `^2088[0-9]{12}$`},
		{"certificates", info["openapi_cert_app_id"], []string{
			"app_cert=@" + info["openapi_app_cert"], "alipay_cert=@" + info["openapi_alipay_cert"],
			"root_cert=@" + info["openapi_root_cert"],
		}, `^2088[0-9]{12}$`},
		{"open_id", info["openapi_open_id_app_id"], []string{key}, `^[0-9A-Z]{20,}$`},
	} {
		t.Run(app.name, func(t *testing.T) {
			shop := harness.NewMerchant(t, s.Endpoints)
			owner := fmt.Sprintf("20000%d", i)
			config := filepath.Join(s.Dir, "sampan.toml")
			shop.AppCode, shop.ClientKey = harness.Credential(t, harness.Program(t, "merchant", "add",
				"--config", config, "--id", owner, "--name", "Noodle House",
				"--return-hosts", strings.TrimPrefix(shop.Server.URL, "http://")))
			add := []string{"wallet", "add", "--config", config, "--merchant", owner, "--id", "window",
				"--kind", "servicewindow", "--pay-types", "800107", "--currencies", "CNY",
				"--secret", "private_key=@" + private, "--set", "app_id=" + app.id,
				"--set", "gateway=" + s.Wallet + "/gateway.do",
				"--set", "authorize=" + s.Wallet + "/oauth2/publicAppAuthorize.htm"}
			for _, setting := range app.settings {
				add = append(add, "--set", setting)
			}
			harness.Program(t, add...)
			listed := harness.Program(t, "wallet", "list", "--config", config, "--merchant", owner)
			if strings.Count(listed, "\n") != 2 || strings.Contains(listed, "CERTIFICATE") {
				t.Errorf("the list is not one line per account without the certificates:\n%s", listed)
			}

			buyer := authorize(t, s, shop, "mei")
			if !regexp.MustCompile(app.buyer).MatchString(buyer) {
				t.Errorf("the buyer is %q", buyer)
			}
			order := shop.Order("FORM-"+app.name, sampan.AlipayServiceWindow)
			order.Currency, order.OpenID = "CNY", buyer
			payment, err := shop.Pay(t.Context(), order)
			if err != nil {
				t.Fatal(err)
			}
			s.Act(t, payment.ID, "pay")
			if n := shop.Notification(t); n.ID != payment.ID || n.Code != sampan.CodeSuccess {
				t.Errorf("the notification is %+v", n)
			}
			refund := sampan.RefundRequest{PaymentID: payment.ID, OrderNo: order.OrderNo + "-R", Amount: 230}
			back, err := shop.Refund(t.Context(), refund)
			if err != nil || back.Code != sampan.CodeSuccess || back.Amount != 230 {
				t.Errorf("refund: %+v, %v", back, err)
			}
			unpaid := order
			unpaid.OrderNo += "-2"
			second, err := shop.Pay(t.Context(), unpaid)
			if err != nil {
				t.Fatal(err)
			}
			closing := sampan.CloseRequest{PaymentID: second.ID, Amount: order.Amount}
			if _, err := shop.Close(t.Context(), closing); err != nil {
				t.Errorf("close: %v", err)
			}
			_, text := harness.Fetch(t, s.Control+"/trades/"+second.ID)
			if !strings.Contains(text, `"status": "TRADE_CLOSED"`) {
				t.Errorf("the wallet has it as %s", text)
			}
		})
	}
}

// authorize sends a browser through the shop's authorisation link and the page on which a buyer is
// chosen, and returns the buyer's id.
func authorize(t *testing.T, s *harness.Sandbox, shop *harness.Merchant, buyer string) string {
	t.Helper()
	request := sampan.AuthorizationRequest{ReturnURL: shop.Server.URL + "/alipay", State: "visit-1"}
	link, err := shop.AuthorizeURL(request)
	if err != nil {
		t.Fatal(err)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	// visit follows redirects, except to the shop's own page, and returns the last request.
	visit := func(address string) *http.Request {
		last, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		last.Header.Set("User-Agent", alipayApp)
		browser := http.Client{Jar: jar, Timeout: harness.Patience}
		browser.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
			if last = r; strings.HasPrefix(r.URL.String(), shop.Server.URL) {
				return http.ErrUseLastResponse
			}
			return nil
		}
		res, err := browser.Do(last)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return last
	}
	q := visit(link).URL.Query()
	q.Set("buyer", buyer)
	back := visit(s.Wallet + "/oauth2/grant?" + q.Encode())
	known, err := shop.VerifyAuthorization(back, "visit-1")
	if err != nil {
		t.Fatalf("back at %s: %v", back.URL, err)
	}
	return known.OpenID
}
