package servicewindow

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sampanpay/sampan/internal/wallet"
)

// said lists the wallet's codes of a call, by what they prove, from its documents. It
// is the connector's table, written a second time.
var said = []struct {
	call string
	kind wallet.RejectionKind // "" for nothing
	subs string
}{
	{"pay", wallet.RejectedOrder,
		`INVALID_PARAMETER ILLEGAL_ARGUMENT EXIST_FORBIDDEN_WORD TOTAL_FEE_EXCEED
		BEYOND_PER_RECEIPT_SINGLE_RESTRICTION MERCHANT_PERM_RECEIPT_DAY_LIMIT
		MERCHANT_PERM_RECEIPT_SINGLE_LIMIT TRADE_HAS_CLOSE BUYER_SELLER_EQUAL BUYER_NOT_EXIST
		TRADE_BUYER_NOT_MATCH PAYER_UNMATCHED OPEN_ID_NOT_TINY_APP BUYER_ENABLE_STATUS_FORBID
		ERROR_BUYER_CERTIFY_LEVEL_LIMIT NOW_TIME_AFTER_EXPIRE_TIME_ERROR`},
	{"pay", wallet.RejectedAccount,
		`ACCESS_FORBIDDEN PARTNER_ERROR BIZ_PRODUCT_NOT_ALLOWED PRODUCT_NOT_SUPPORT_IN_TINY_APP
		SELLER_BEEN_BLOCKED SELLER_NOT_EXIST INVALID_RECEIVE_ACCOUNT MERCHANT_STATUS_NOT_NORMAL
		ERROR_SELLER_CERTIFY_LEVEL_LIMIT UNBOUND_APPLICATION`},
	// A trade exists, or may exist.
	{"pay", "", "SYSTEM_ERROR TRADE_HAS_SUCCESS CONTEXT_INCONSISTENT TRADE_NOT_EXIST OF_TOMORROW"},

	{"query", "", "SYSTEM_ERROR INVALID_PARAMETER ENTERPRISE_PAY_BIZ_ERROR TRADE_HAS_CLOSE OF_TOMORROW"},
	{"close", "", "SYSTEM_ERROR INVALID_PARAMETER TRADE_HAS_CLOSE OF_TOMORROW"},

	{"refund", wallet.RejectedFunds, "SELLER_BALANCE_NOT_ENOUGH"},
	{"refund", wallet.RejectedWindow, "TRADE_HAS_FINISHED"},
	{"refund", wallet.RejectedAmount,
		"REFUND_AMT_NOT_EQUAL_TOTAL REFUND_FEE_ERROR REASON_TRADE_REFUND_FEE_ERR"},
	{"refund", wallet.RejectedOrder,
		`TRADE_NOT_ALLOW_REFUND NOT_ALLOW_PARTIAL_REFUND ONLINE_TRADE_VOUCHER_NOT_ALLOW_REFUND
		TRADE_STATUS_ERROR REASON_TRADE_STATUS_INVALID REASON_TRADE_BEEN_FREEZEN TRADE_HAS_CLOSE
		TRADE_NOT_EXIST REFUND_ACCOUNT_NOT_EXIST BUYER_ERROR USER_NOT_MATCH_ERR CURRENCY_NOT_SUPPORT
		CUSTOMER_VALIDATE_ERROR BUYER_ENABLE_STATUS_FORBID ERROR_BUYER_CERTIFY_LEVEL_LIMIT INVALID_PARAMETER
		ILLEGAL_ARGUMENT`},
	// A refund of the number exists, or may exist.
	{"refund", "", "SYSTEM_ERROR DISCORDANT_REPEAT_REQUEST TRADE_HAS_SUCCESS OF_TOMORROW"},
	{"query refund", "", "SYSTEM_ERROR TRADE_NOT_EXIST INVALID_PARAMETER OF_TOMORROW"},
}

// ask makes one of the calls.
func (c *connector) ask(ctx context.Context, call string) (err error) {
	switch call {
	case "pay":
		_, err = c.Pay(ctx, order())
	case "query":
		_, err = c.Query(ctx, order())
	case "close":
		_, err = c.Close(ctx, order())
	case "refund":
		_, err = c.Refund(ctx, refund())
	case "query refund":
		_, err = c.QueryRefund(ctx, refund())
	}
	return err
}

var methods = map[string]string{
	"pay": "alipay.trade.create", "query": "alipay.trade.query", "close": "alipay.trade.close",
	"refund": "alipay.trade.refund", "query refund": "alipay.trade.fastpay.refund.query",
}

func TestEachCodeProvesWhatTheWalletSaysOfIt(t *testing.T) {
	w, answers := newWire(t), map[string]map[string]string{}
	c, _ := w.open(t, nil, answers)
	for _, x := range said {
		for _, sub := range strings.Fields(x.subs) {
			code := "ACQ." + sub
			answers[methods[x.call]] = refusedWith("40004", code)
			err := c.ask(t.Context(), x.call)
			var no *wallet.Rejection
			if errors.As(err, &no) != (x.kind != "") || no != nil && (no.Kind != x.kind || no.Code != code) ||
				x.kind == "" && !errors.Is(err, wallet.ErrUnknown) {
				t.Errorf("%s: %s: %v, want %q", x.call, code, err, x.kind)
			}
		}
	}
	for _, x := range []struct {
		code, sub string
		kind      wallet.RejectionKind
		sentinel  error
	}{
		{"10003", "", "", wallet.ErrUnknown},
		{"20000", "aop.unknow-error", "", wallet.ErrUnknown},
		{"20001", "aop.invalid-app-auth-token", wallet.RejectedAccount, nil},
		{"40001", "isv.missing-app-id", wallet.RejectedAccount, nil},
		{"40002", "isv.invalid-app-id", wallet.RejectedAccount, nil},
		{"40003", "isv.decryption-error-unknown", wallet.RejectedAccount, nil},
		{"40004", "", "", wallet.ErrUnknown},
		{"40005", "isv.method-call-limited", "", wallet.ErrNotSent},
		{"40006", "isv.insufficient-user-permissions", wallet.RejectedAccount, nil},
		{"40007", "isv.of-tomorrow", "", wallet.ErrUnknown},
		{"50000", "", "", wallet.ErrUnknown},
	} {
		for call, m := range methods {
			answers[m] = refusedWith(x.code, x.sub)
			err := c.ask(t.Context(), call)
			var no *wallet.Rejection
			if errors.As(err, &no) != (x.kind != "") || no != nil && no.Kind != x.kind ||
				x.sentinel != nil && !errors.Is(err, x.sentinel) {
				t.Errorf("%s: %s %s: %v", call, x.code, x.sub, err)
			}
		}
	}
}

// An answer with any other code fails, even with the fields of a success.
func TestNoOtherCodeIsASuccess(t *testing.T) {
	w, answers := newWire(t), map[string]map[string]string{}
	c, _ := w.open(t, nil, answers)
	for _, code := range []string{"10003", "1000", "20000", ""} {
		for call, m := range methods {
			answers[m] = with(trade(order(), "TRADE_SUCCESS"), map[string]string{
				"code": code, "fund_change": "Y", "refund_status": "REFUND_SUCCESS", "refund_amount": "2.34",
				"out_request_no": refund().ID,
			})
			if err := c.ask(t.Context(), call); !errors.Is(err, wallet.ErrUnknown) {
				t.Errorf("%s: code %q: %v", call, code, err)
			}
		}
	}
}

// The wallet leaves an answer unsigned only if it could not read the call. So a forged
// unsigned answer can refuse nothing else.
func TestAnUnsignedNoToTheBusinessProvesNothing(t *testing.T) {
	for content, refused := range map[string]bool{
		`"alipay_trade_create_response":{"code":"40004","sub_code":"ACQ.INVALID_PARAMETER"}`:       false,
		`"error_response":{"code":"40004","sub_code":"ACQ.INVALID_PARAMETER"}`:                     false,
		`"error_response":{"code":"10000","out_trade_no":"` + order().Number + `","trade_no":"1"}`: false,
		`"error_response":{"code":"20000","sub_code":"isp.unknow-error"}`:                          false,
		`"error_response":{"code":"40002","sub_code":"isv.invalid-signature"}`:                     true,
	} {
		server := httptest.NewServer(
			http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				fmt.Fprintf(w, "{%s}", content)
			}))
		c, err := newConnector(wallet.Account{WalletAccount: newWire(t).account(server.URL),
			HTTP: server.Client(), Now: func() time.Time { return now }})
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Pay(t.Context(), order())
		server.Close()
		var no *wallet.Rejection
		if errors.As(err, &no) != refused || !refused && !errors.Is(err, wallet.ErrUnknown) {
			t.Errorf("%s: %v", content, err)
		}
	}
}

func TestASettingOfAWrongShapeIsRefusedByName(t *testing.T) {
	w := newWire(t)
	ourHalf := w
	ourHalf.ours.Public = &w.ours.Private.PublicKey
	own := ourHalf.account("http://127.0.0.1").Settings["alipay_public_key"]
	for _, x := range []struct{ name, value, rule string }{
		{"gateway", "http://openapi.example/gateway.do", "https"},
		{"gateway", "https://openapi.example/gateway.do?x=1", "query"},
		{"authorize", "http://openauth.example/oauth2/publicAppAuthorize.htm", "https"},
		{"app_id", "202100000000000", "16 digits"},
		{"app_id", "20210000000000a1", "16 digits"},
		{"seller_id", "2089000000000001", "2088"},
		{"seller_id", "seller@example.com", "2088"},
		{"product_code", "jsapi", "capitals"},
		{"op_app_id", "9x9", "16 digits"},
		{"refund_days", "0", "number of days"},
		{"alipay_public_key", "AAAA", "alipay_public_key"},
		{"alipay_public_key", own, "other half"},
		{"private_key", "AAAA", "private_key"},
	} {
		a := w.account("http://127.0.0.1")
		if x.name == "private_key" {
			a.Secrets["private_key"] = "AAAA"
		} else {
			a.Settings[x.name] = x.value
		}
		_, err := open(wallet.Account{WalletAccount: a, HTTP: http.DefaultClient, Now: time.Now})
		if err == nil || !strings.Contains(err.Error(), x.name) || !strings.Contains(err.Error(), x.rule) ||
			strings.Contains(err.Error(), x.value) {
			t.Errorf("%s=%.30s: %v", x.name, x.value, err)
		}
	}
}
