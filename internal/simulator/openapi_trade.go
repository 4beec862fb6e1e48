package simulator

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// tradeService is the service of attempts that alipay.trade.create made.
const tradeService = "alipay.trade.create"

var (
	buyerID     = regexp.MustCompile(`^2088[0-9]{12}$`)
	buyerOpenID = regexp.MustCompile(`^[A-Za-z0-9_-]{16,128}$`)
	tradeNumber = regexp.MustCompile(`^[A-Za-z0-9_]{1,64}$`)
	badSubject  = regexp.MustCompile(`[/=&]`)
	wireTradeNo = regexp.MustCompile(`^[0-9]{16,64}$`)
	yuanShape   = regexp.MustCompile(`^(0|[1-9][0-9]{0,11})(\.[0-9]{1,2})?$`)
)

// mostYuan is the largest amount of a trade, in fen.
const mostYuan = 100_000_000_00

// parseYuan parses an amount above zero, with at most two decimals.
func parseYuan(s string) (Money, bool) {
	if !yuanShape.MatchString(s) {
		return Money{}, false
	}
	whole, frac, _ := strings.Cut(s, ".")
	minor, err := strconv.ParseInt(whole+(frac + "00")[:2], 10, 64)
	return Money{minor, "CNY"}, err == nil && minor > 0
}

// tradeCreate answers alipay.trade.create. From then on the trade exists and waits for its buyer.
func (s *Simulator) tradeCreate(c *call) (content, error) {
	a, err := c.attempt(s.cfg.Now())
	if err != nil {
		return nil, err
	}
	if s.isOtherAppsBuyer(c.app, a.Buyer) {
		return nil, business("BUYER_NOT_EXIST", "the open_id belongs to another application")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.cfg.Now()
	s.closeOverdue(now)
	if o := s.orders[orderKey{c.app.ID, a.OutTradeNo}]; o != nil {
		c.answerFaults = s.faultsOn(o, OnCreate)
		t := o.trade()
		switch first := s.attempts[t.Attempt]; {
		case t.Buyer != a.Buyer:
			return nil, business("TRADE_BUYER_NOT_MATCH", "the trade belongs to another buyer")
		case !t.PaidAt.IsZero():
			return nil, business("TRADE_HAS_SUCCESS", "the trade is paid")
		case t.Status == Closed:
			return nil, business("TRADE_HAS_CLOSE", "the trade is closed")
		case first.Terms != a.Terms:
			return nil, business("CONTEXT_INCONSISTENT", "the trade was created with other terms")
		}
		return content{"trade_no": t.TradeNo, "out_trade_no": t.OutTradeNo}, nil
	}
	if end := s.platform(a.Partner).deadline(a.Terms, now); !end.After(now) {
		return nil, business("NOW_TIME_AFTER_EXPIRE_TIME_ERROR",
			"the trade would have ended at %s", stamp(end))
	}
	a.ID, a.OpenedAt, a.LoginAt = s.newID(), now, now
	t := s.newTrade(a, now)
	change := change{Attempt: a, Trades: []*Trade{t}}
	if len(s.faults.Next) > 0 {
		book := s.faults.with(a.OutTradeNo, s.faults.Next)
		book.Next = nil
		change.Faults = &book
	}
	if err := s.commit(change); err != nil {
		return nil, err
	}
	c.answerFaults = s.faultsOn(s.orders[orderKey{c.app.ID, a.OutTradeNo}], OnCreate)
	s.cfg.Log.Info("simulator: trade created", "out_trade_no", a.OutTradeNo, "trade_no", t.TradeNo)
	return content{"trade_no": t.TradeNo, "out_trade_no": t.OutTradeNo}, nil
}

// attempt reads the terms of the order and its buyer.
func (c *call) attempt(now time.Time) (*Attempt, error) {
	b := c.biz
	bad := func(format string, args ...any) (*Attempt, error) {
		return nil, business("INVALID_PARAMETER", format, args...)
	}
	longest := map[string]int{"subject": 256, "body": 128, "passback_params": 512, "timeout_express": 6}
	if err := b.checkLengths(longest); err != nil {
		return nil, err
	}
	total, ok := parseYuan(b["total_amount"])
	openID := b["buyer_open_id"]
	if openID == "" && b["op_app_id"] != "" {
		openID = b["op_buyer_open_id"] // the buyer's id for the mini program that opens the cashier
	}
	buyer := cmp.Or(b["buyer_id"], openID)
	switch {
	case !tradeNumber.MatchString(b["out_trade_no"]):
		return bad("out_trade_no %q is not 1 to 64 letters, digits and _", b["out_trade_no"])
	case !ok:
		return bad("total_amount %q is not an amount with at most two decimals", b["total_amount"])
	case total.Minor > mostYuan:
		return nil, business("TOTAL_FEE_EXCEED",
			"total_amount %q is more than 100000000.00", b["total_amount"])
	case b["subject"] == "" || badSubject.MatchString(b["subject"]):
		return bad("subject is missing, or has one of / = &")
	case buyer == "":
		return bad("neither buyer_id nor buyer_open_id is given")
	case b["buyer_id"] != "" && !buyerID.MatchString(b["buyer_id"]):
		return bad("buyer_id %q is not 2088 followed by twelve digits", b["buyer_id"])
	case b["buyer_id"] == "" && (!buyerOpenID.MatchString(openID) || buyerID.MatchString(openID)):
		return bad("buyer_open_id is malformed")
	case buyer == c.app.Seller:
		return nil, business("BUYER_SELLER_EQUAL", "the buyer is the seller")
	case b["seller_id"] != "" && b["seller_id"] != c.app.Seller:
		return nil, business("INVALID_RECEIVE_ACCOUNT",
			"seller_id %q is not %s", b["seller_id"], c.app.Seller)
	case b["disable_pay_channels"] != "" && b["enable_pay_channels"] != "":
		return bad("disable_pay_channels and enable_pay_channels exclude each other")
	}
	switch b["product_code"] {
	case "", "FACE_TO_FACE_PAYMENT":
	case "JSAPI_PAY":
		if b["op_app_id"] == "" {
			return bad("op_app_id is missing: JSAPI_PAY needs it")
		}
		if b["op_app_id"] != c.app.ID && !slices.Contains(c.app.OpApps, b["op_app_id"]) {
			return nil, business("UNBOUND_APPLICATION",
				"op_app_id %q is not bound to the merchant", b["op_app_id"])
		}
	default:
		return bad("product_code %q is neither FACE_TO_FACE_PAYMENT nor JSAPI_PAY", b["product_code"])
	}
	rule := b["timeout_express"]
	if _, ok := timeout(rule); rule != "" && rule != "1c" && !ok {
		return bad("timeout_express %q is not between 1m and 15d", rule)
	}
	if _, err := time.ParseInLocation(time.DateTime, b["time_expire"], beijing); b["time_expire"] != "" &&
		err != nil {
		return bad("time_expire %q is not a time", b["time_expire"])
	}
	expire := b["time_expire"]
	if expire == "" && rule == "1c" { // the end of the day
		y, m, d := now.In(beijing).Date()
		expire, rule = time.Date(y, m, d+1, 0, 0, 0, 0, beijing).Format(time.DateTime), ""
	}
	if expire == "" && rule == "" {
		rule = "3h" // the product's default
	}
	return &Attempt{
		Partner: c.app.ID, OutTradeNo: b["out_trade_no"], Service: tradeService, NotifyURL: c.m["notify_url"],
		Buyer: buyer,
		Terms: Terms{
			Subject: b["subject"], Body: b["body"], Total: total,
			Wallet: alipayCN, ProductCode: b["product_code"],
			TimeoutRule: rule, TimeExpire: expire,
			Passback: b["passback_params"],
			Channels: b["disable_pay_channels"] + "/" + b["enable_pay_channels"],
		},
	}, nil
}

// findTrade finds the trade of a call. trade_no takes precedence. The caller holds s.mu.
func (s *Simulator) findTrade(c *call) (*order, *Trade, error) {
	if c.biz["trade_no"] == "" && c.biz["out_trade_no"] == "" {
		return nil, nil, business("INVALID_PARAMETER", "neither trade_no nor out_trade_no is given")
	}
	if no := c.biz["trade_no"]; no != "" && !wireTradeNo.MatchString(no) {
		return nil, nil, business("INVALID_PARAMETER", "trade_no %q is not 16 to 64 digits", no)
	}
	if no := c.biz["out_trade_no"]; no != "" && !tradeNumber.MatchString(no) {
		return nil, nil, business("INVALID_PARAMETER",
			"out_trade_no %q is not 1 to 64 letters, digits and _", no)
	}
	o := s.orders[orderKey{c.app.ID, c.biz["out_trade_no"]}]
	if no := c.biz["trade_no"]; no != "" {
		if o = nil; s.trades[no] != nil && s.trades[no].Partner == c.app.ID {
			o = s.orders[orderKey{c.app.ID, s.trades[no].OutTradeNo}]
		}
	}
	if o == nil {
		return nil, nil, business("TRADE_NOT_EXIST",
			"%q has no trade", c.biz["trade_no"]+c.biz["out_trade_no"])
	}
	return o, o.trade(), nil
}

// tradeQuery answers alipay.trade.query. An error answer has amounts too, all zero, as captured
// from the real platform.
func (s *Simulator) tradeQuery(c *call) (content, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.cfg.Now()
	s.closeOverdue(now)
	nothing := content{
		"buyer_pay_amount": "0.00", "invoice_amount": "0.00",
		"point_amount": "0.00", "receipt_amount": "0.00",
		"out_trade_no": c.biz["out_trade_no"],
	}
	o, t, err := s.findTrade(c)
	if err != nil {
		return nothing, err
	}
	c.answerFaults = s.faultsOn(o, OnQuery)
	if now.Before(t.HiddenTill) { // fault Early
		before := *t
		before.Status, before.PaidAt = Waiting, time.Time{}
		t = &before
	}
	answer := content{
		"trade_no": t.TradeNo, "out_trade_no": t.OutTradeNo, "buyer_logon_id": maskedLogin(t.Buyer),
		"trade_status": string(t.Status), "total_amount": t.Total.Decimal(),
		"buyer_pay_amount": "0.00", "receipt_amount": "0.00",
		"invoice_amount": "0.00", "point_amount": "0.00",
	}
	putBuyer(answer, "buyer_user_id", t.Buyer)
	if !t.PaidAt.IsZero() {
		answer["send_pay_date"] = stamp(t.PaidAt)
		total := t.Total.Decimal()
		answer["buyer_pay_amount"], answer["receipt_amount"], answer["invoice_amount"] = total, total, total
		answer["fund_bill_list"] = []content{{"fund_channel": "ALIPAYACCOUNT", "amount": t.Total.Decimal()}}
	}
	if c.has(QueryUnknown) {
		answer["trade_status"] = "TRADE_SUSPENDED"
	}
	if c.has(Unlisted) && !t.PaidAt.IsZero() {
		answer["trade_status"] = s.platform(t.Partner).unlistedStatus()
	}
	return answer, nil
}

// tradeClose answers alipay.trade.close, which closes an unpaid trade.
func (s *Simulator) tradeClose(c *call) (content, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.cfg.Now()
	s.closeOverdue(now)
	o, found, err := s.findTrade(c)
	if err != nil {
		return nil, err
	}
	c.answerFaults = s.faultsOn(o, OnClose)
	if found.Status != Waiting {
		return nil, business("TRADE_STATUS_ERROR", "the trade is %s", found.Status)
	}
	t := *found
	t.Status, t.ClosedAt, t.CloseAt = Closed, now, time.Time{}
	ch := change{Trades: []*Trade{&t}}
	ch.Notices = s.tradeNotices(&t, s.attempts[t.Attempt],
		slices.Concat(s.faultsOf(o), s.drawFault(o, OnNotice)), now)
	return content{"trade_no": t.TradeNo, "out_trade_no": t.OutTradeNo}, s.commit(ch)
}

func stamp(at time.Time) string { return at.In(beijing).Format(time.DateTime) }

// putBuyer adds the buyer's id as the application knows it.
func putBuyer(answer content, name, buyer string) {
	if !buyerID.MatchString(buyer) {
		name = "buyer_open_id"
	}
	answer[name] = buyer
}

// maskedLogin returns a buyer's login name as merchants see it.
func maskedLogin(buyer string) string {
	for _, b := range Buyers {
		if b.BuyerID == buyer {
			return b.Email
		}
	}
	return "abc***@mail.example"
}
