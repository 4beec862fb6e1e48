package simulator

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sampanpay/sampan/internal/wire/mapi"
)

// create opens an attempt and redirects the browser to its cashier. It creates no trade and sends
// the merchant nothing.
func (s *Simulator) create(w http.ResponseWriter, r *http.Request, p Partner, m mapi.Message) error {
	terms, err := readTerms(p, m)
	if err != nil {
		return err
	}
	id, against, err := s.open(Attempt{
		Partner: p.ID, OutTradeNo: m["out_trade_no"], Service: m["service"], Terms: terms,
		NotifyURL: m["notify_url"], ReturnURL: m["return_url"],
	})
	if err != nil {
		return err
	}
	switch against {
	case AlreadyPaid:
		return mapiErrorf("TRADE_HAS_SUCCESS", "%q is paid already", m["out_trade_no"])
	case AlreadyClosed:
		return mapiErrorf("REPEAT_OUT_TRADE_NO", "the trade of %q is closed", m["out_trade_no"])
	case Inconsistent:
		return mapiErrorf("CONTEXT_INCONSISTENT",
			"ALIN42282: the trade of %q has other parameters", m["out_trade_no"])
	}
	s.cfg.Log.Info("simulator: cashier opened", "partner", p.ID, "out_trade_no", m["out_trade_no"],
		"total", terms.Total.String())
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Location", s.cfg.BaseURL+"/cashier/"+id)
	w.WriteHeader(http.StatusFound)
	return nil
}

// limits are the longest values of the parameters of a create, in characters. The length of subject
// is counted in bytes: the vendor's two pages differ, and this is the stricter one.
var limits = map[string]int{
	"body": 400, "out_trade_no": 64, "currency": 10, "supplier": 16, "timeout_rule": 10,
	"secondary_merchant_id": 64, "secondary_merchant_name": 128, "secondary_merchant_industry": 4,
	"trade_information": 6000, "split_fund_info": 600, "auth_token": 40,
}

const subjectBytes = 255

// productCodes lists the codes of each service. The second one belongs to older contracts.
var productCodes = map[string][]string{
	createWAP: {"NEW_WAP_OVERSEAS_SELLER", "WAP_OVERSEAS_SELLER"},
	createPC:  {"NEW_OVERSEAS_SELLER", "OVERSEAS_SELLER"},
}

// readTerms checks the parameters of a create: first their form, then the rules of the contract. It
// ignores unknown parameters, though they are signed. (Alipay, create_forex_trade_wap, basic and
// business parameters; create_forex_trade for the PC's.)
func readTerms(p Partner, m mapi.Message) (Terms, error) {
	if err := checkShape(m); err != nil {
		return Terms{}, err
	}
	t := Terms{
		Subject: m["subject"], Body: m["body"], ProductCode: m["product_code"], Supplier: m["supplier"],
		TimeoutRule: m["timeout_rule"], TradeInformation: m["trade_information"],
		SplitFundInfo: m["split_fund_info"],
		SecondaryID:   m["secondary_merchant_id"],
		SecondaryName: m["secondary_merchant_name"],
		SecondaryMCC:  m["secondary_merchant_industry"],
		Wallet:        m["payment_inst"],
	}
	if t.Wallet == "" {
		t.Wallet = alipayCN
	}
	if p.Acquirer && (t.SecondaryID == "" || t.SecondaryName == "" || t.SecondaryMCC == "") {
		return t, mapiErrorf("ILLEGAL_ARGUMENT",
			"an acquirer must name the secondary_merchant_id, _name and _industry")
	}
	if m["service"] == createPC {
		t.CreatedByShop, t.ValidSeconds = m["order_gmt_create"], m["order_valid_time"]
	}
	if err := readPrice(&t, p, m); err != nil {
		return t, err
	}
	if rule := t.TimeoutRule; rule != "" && rule != defaultTimeout && !slices.Contains(p.TimeoutRules, rule) {
		return t, mapiErrorf("ILLEGAL_TIMEOUT_RULE", "timeout_rule %q is not enabled for the partner", rule)
	}
	return t, nil
}

func checkShape(m mapi.Message) error {
	for _, name := range []string{"subject", "out_trade_no", "currency", "product_code"} {
		if m[name] == "" {
			return mapiErrorf("ILLEGAL_ARGUMENT", "%s is missing", name)
		}
	}
	for name, limit := range limits {
		if utf8.RuneCountInString(m[name]) > limit {
			return mapiErrorf("ILLEGAL_ARGUMENT", "%s is longer than %d characters", name, limit)
		}
	}
	if len(m["subject"]) > subjectBytes {
		return mapiErrorf("ILLEGAL_ARGUMENT", "subject is longer than %d bytes", subjectBytes)
	}
	for _, name := range []string{"subject", "out_trade_no"} {
		if strings.ContainsFunc(m[name], func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return mapiErrorf("ILLEGAL_ARGUMENT", "%s has a control character", name)
		}
	}
	for _, name := range []string{"notify_url", "return_url", "refer_url"} {
		if v := m[name]; v != "" && !webAddress(v) {
			return mapiErrorf("ILLEGAL_ARGUMENT",
				"%s is not an http or https address of at most 200 characters", name)
		}
	}
	if !slices.Contains(productCodes[m["service"]], m["product_code"]) {
		return mapiErrorf("ILLEGAL_ARGUMENT",
			"product_code %q does not belong to %s", m["product_code"], m["service"])
	}
	if w := m["payment_inst"]; w != "" && w != alipayCN && w != alipayHK {
		return mapiErrorf("ILLEGAL_ARGUMENT", "payment_inst %q is neither %s nor %s", w, alipayHK, alipayCN)
	}
	if m["service"] == createPC {
		return checkShopTime(m["order_gmt_create"], m["order_valid_time"])
	}
	return nil
}

func webAddress(v string) bool {
	u, err := url.Parse(v)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") &&
		u.Host != "" && utf8.RuneCountInString(v) <= 200
}

// checkShopTime checks the shop's own validity of a PC order: both parameters or neither, more than
// 60 seconds and at most 30 days.
func checkShopTime(created, seconds string) error {
	if created == "" && seconds == "" {
		return nil
	}
	if _, err := time.ParseInLocation(time.DateTime, created, beijing); err != nil {
		return mapiErrorf("ILLEGAL_ARGUMENT", "order_gmt_create is not yyyy-MM-dd HH:mm:ss")
	}
	if n, err := strconv.Atoi(seconds); err != nil || n <= 60 || n > 2592000 {
		return mapiErrorf("ILLEGAL_ARGUMENT", "order_valid_time is not between 61 and 2592000 seconds")
	}
	return nil
}

// hkLimit is the most that AlipayHK takes at once: HKD 50,000.
const hkLimit = 50_000_00

// readPrice reads total_fee or rmb_fee, of which exactly one must be given, and the currency.
func readPrice(t *Terms, p Partner, m mapi.Message) error {
	total, rmb, currency := m["total_fee"], m["rmb_fee"], m["currency"]
	if (total == "") == (rmb == "") {
		return mapiErrorf("ILLEGAL_ARGUMENT", "exactly one of total_fee and rmb_fee must be given")
	}
	var ok bool
	if rmb != "" {
		t.RMB, ok = parseFee(rmb, "CNY")
	} else {
		t.Total, ok = parseFee(total, currency)
	}
	if !ok {
		return mapiErrorf("ILLEGAL_ARGUMENT",
			"%q is not an amount from 0.01 to 1000000.00 in %s (JPY: no decimals)",
			total+rmb, currency)
	}
	if t.Wallet == alipayHK && rmb != "" {
		return mapiErrorf("ILLEGAL_ARGUMENT", "AlipayHK does not take rmb_fee")
	}
	if _, known := rates[currency]; !known {
		return mapiErrorf("ILLEGAL_CURRENCY", "%q is not a settlement currency", currency)
	}
	if !slices.Contains(p.Currencies, currency) {
		return mapiErrorf("FOREX_MERCHANT_NOT_SUPPORT_THIS_CURRENCY",
			"%s is not in the partner's contract", currency)
	}
	if t.Wallet == alipayHK && currency != "HKD" {
		return mapiErrorf("FOREX_MERCHANT_NOT_SUPPORT_THIS_CURRENCY", "AlipayHK takes HKD only")
	}
	if rmb != "" {
		t.Total = t.RMB.in(currency)
	}
	if t.Wallet == alipayHK && t.Total.Minor > hkLimit {
		return mapiErrorf("ILLEGAL_ARGUMENT", "AlipayHK takes at most HKD 50000.00 at once")
	}
	return nil
}
