package main

import (
	"errors"
	"log"
	"strings"
	"time"

	"github.com/sampanpay/sampan"
	"github.com/sampanpay/sampan/internal/wire/mapi"
)

// story is what happens to the merchants' orders. It stops at the first step that does not go as it
// should.
type story struct {
	*filler
	orders  map[string]*sampan.Payment // by the merchant's number
	numbers []string                   // the merchants' numbers, in the order in which they came
	orphans []string
	notices int
	err     error
}

func newStory(f *filler) *story { return &story{filler: f, orders: map[string]*sampan.Payment{}} }

func (s *story) tell() error {
	began := time.Now()
	s.ordersThatEnd()
	second := s.orphanOfAnotherSlot()
	s.payments()
	s.flagged()
	s.refunds()
	s.closings()
	s.inTheApp()
	s.ofAStore()
	s.orphaned()
	second()
	// The life of the first orders, the margin, and an inquiry or two.
	for wait := time.Until(began.Add(5*time.Minute + 20*time.Second)); s.err == nil && wait > 0; wait = 0 {
		log.Println(s.kind, "waits until the orders have ended:", wait.Round(time.Second))
		time.Sleep(wait)
	}
	s.afterTheEnd()
	time.Sleep(3 * time.Second) // for notifications, and refunds of late money
	return s.err
}

// ordersThatEnd are those whose life the story waits for.
func (s *story) ordersThatEnd() {
	for _, name := range []string{"end-unopened", "end-waiting",
		"end-unknown", "end-foreign-trade", "end-given-back",
		"end-unlisted-trade",
		"end-unlisted-order", "end-late"} {
		s.order(name, func(r *sampan.PaymentRequest) { r.ExpiresIn = 5 * time.Minute })
		if name != "end-unopened" {
			s.open(name)
		}
	}
	for _, name := range []string{"end-window-waiting", "end-window-unknown"} {
		s.order(name, inTheApp, func(r *sampan.PaymentRequest) { r.ExpiresIn = 5 * time.Minute })
	}
	s.trade("end-waiting", "T-waiting", "WAIT_BUYER_PAY")
	s.trade("end-window-waiting", "T-window-waiting", "WAIT_BUYER_PAY")
	s.trade("end-given-back", "T-given-back", "TRADE_CLOSED", "gmt_payment", walletTime())
	s.trade("end-unlisted-trade", `T is "odd"`, `A "status" \ of `+strings.Repeat("many ", 20))
	s.trade("end-unlisted-order", "", "TRADE_SUSPENDED")
}

// payments are those to which nothing odd happens.
func (s *story) payments() {
	s.order("unopened")
	s.order("opened")
	s.open("opened")
	s.paid("paid")
	s.order("paid-yen", func(r *sampan.PaymentRequest) { r.Amount, r.Currency = 500, "JPY" })
	s.notice("paid-yen", "T-yen", "TRADE_FINISHED", "total_fee", "500", "currency", "JPY")
	s.order("untold", func(r *sampan.PaymentRequest) { r.NotifyURL = "" })
	s.notice("untold", "T-untold", "TRADE_FINISHED")
	s.order("told-nobody", func(r *sampan.PaymentRequest) { r.NotifyURL = s.receiver + "/dead" })
	s.notice("told-nobody", "T-told-nobody", "TRADE_FINISHED")
	s.order("paid-found-by-query")
	s.keepSilent("paid-found-by-query", true)
	s.open("paid-found-by-query")
	s.order("paid-found-by-recover")
	s.open("paid-found-by-recover")
	s.trade("paid-found-by-recover", "T-recover", "TRADE_FINISHED", "gmt_payment", walletTime())
	s.paid("noted")
	for _, note := range []string{
		"plain", "a \"quoted\" 'note' with \\ and %s and 100 %",
		"12.30 HKD under trade T as 20261129100001123456789012: x",
		"trade T has paid another order", "店 烏龍茶 🍵",
		"trade T is \"x\" by the wallet's word, which no document of it lists",
	} {
		s.step("note", s.tea.AddNote(s.ctx, s.id("noted"), note))
	}
	s.keepSilent("paid-found-by-query", false)
	s.trade("paid-found-by-query", "T-query", "TRADE_FINISHED", "gmt_payment", walletTime())
	s.query("paid-found-by-query")
}

// flagged are those that a person must look at.
func (s *story) flagged() {
	s.paid("second-trade")
	s.notice("second-trade", "T-second", "TRADE_FINISHED")
	s.notice("second-trade", "T under trade U as 5", "TRADE_FINISHED")
	s.notice("second-trade", "T has paid another order", "TRADE_FINISHED")
	s.order("other-amount")
	s.notice("other-amount", "T-other", "TRADE_FINISHED", "total_fee", "500", "currency", "JPY")
	s.notice("other-amount", "T-less", "TRADE_FINISHED", "total_fee", "0.01")
	s.paid("two-amounts")
	s.notice("two-amounts", "T-two-amounts", "TRADE_FINISHED", "total_fee", "1.00")
	s.notice("two-amounts", "T-two-amounts", "TRADE_FINISHED", "total_fee", "7", "currency", "JPY")
	s.notice("two-amounts", "T was 1.00 HKD before, now 2.00 HKD", "TRADE_FINISHED")
	s.notice("two-amounts", "T was 1.00 HKD before, now 2.00 HKD", "TRADE_FINISHED", "total_fee", "3.00")
	s.paid("closed-after-paid")
	s.notice("closed-after-paid", "T-closed-after-paid", "TRADE_CLOSED")
	s.order("unlisted-then-paid")
	s.notice("unlisted-then-paid", "T-then-paid", "TRADE_SUCCESS")
	s.notice("unlisted-then-paid", "T-then-paid", "TRADE_FINISHED")
	s.order("unlisted-and-paid-by-another")
	s.notice("unlisted-and-paid-by-another", "T-unlisted", "TRADE_SUCCESS")
	s.notice("unlisted-and-paid-by-another", "T-another", "TRADE_FINISHED")
	s.order("closed-by-the-wallet")
	s.notice("closed-by-the-wallet", "T-closed", "TRADE_CLOSED")
	s.trade("end-foreign-trade", "T-paid", "TRADE_FINISHED", "gmt_payment", walletTime())
}

// refunds are those that merchants ask for.
func (s *story) refunds() {
	s.paid("refunded")
	s.refund("refunded", "refunded-R", 1230, "")
	s.paid("refunded-in-parts")
	s.refund("refunded-in-parts", "refunded-in-parts-R1", 230, "")
	s.refund("refunded-in-parts", "refunded-in-parts-R2", 500, "")
	s.paid("refund-refused")
	s.refund("refund-refused", "refund-refused-R", 100, "MERCHANT_BALANCE_NOT_ENOUGH")
	s.paid("refund-pending")
	s.refund("refund-pending", "refund-pending-R", 100, "silent")
	s.paid("refund-refused-later")
	later := s.refund("refund-refused-later", "refund-refused-later-R", 100, "silent")
	s.refundNotice("refund-refused-later", later, "REFUND_FAIL", "error_code", "NO: WAY: 12.30 HKD as 5")
	s.paid("refund-of-another-amount")
	other := s.refund("refund-of-another-amount", "refund-of-another-amount-R", 100, "silent")
	s.refundNotice("refund-of-another-amount", other,
		"REFUND_SUCCESS", "return_amount", "2.00", "currency", "HKD")
	s.paid("refund-said-to-have-failed")
	failed := s.refund("refund-said-to-have-failed", "refund-said-to-have-failed-R", 100, "")
	s.refundNotice("refund-said-to-have-failed", failed, "REFUND_FAIL")
	s.paid("refund-said-to-be-done")
	done := s.refund("refund-said-to-be-done", "refund-said-to-be-done-R", 100, "RETURN_AMOUNT_EXCEED")
	s.refundNotice("refund-said-to-be-done", done, "REFUND_SUCCESS")
	s.paid("refund-unlisted")
	unlisted := s.refund("refund-unlisted", "refund-unlisted-R", 100, "silent")
	s.refundNotice("refund-unlisted", unlisted, "REFUND_SOON")
	s.wallet.says(s.id("refund-unlisted"),
		func(o *order) { o.refundQuery = map[string]string{"refund_result_code": "ODD \"CODE\""} })
	s.paid("refund-foreign")
	s.refundNotice("refund-foreign", "R-9", "REFUND_SUCCESS", "return_amount", "1.00", "currency", "HKD")
	s.refundNotice("refund-foreign", "odd number as 5", "REFUND_SUCCESS")
}

// closings are the orders that merchants close.
func (s *story) closings() {
	s.order("close-unopened")
	s.close("close-unopened")
	for _, name := range []string{"close-unknown", "close-waiting", "close-paid-before", "close-silent",
		"close-ended-by-wallet",
		"close-late-back", "close-late-stuck", "close-late-refused"} {
		s.order(name)
		s.open(name)
	}
	s.trade("close-waiting", "T-close-waiting", "WAIT_BUYER_PAY")
	s.trade("close-paid-before", "T-close-paid-before", "TRADE_FINISHED", "gmt_payment", walletTime())
	s.keepSilent("close-silent", true)
	s.keepSilent("close-ended-by-wallet", true)
	for _, name := range []string{"close-unknown", "close-waiting", "close-paid-before", "close-silent",
		"close-ended-by-wallet",
		"close-late-back", "close-late-stuck", "close-late-refused"} {
		s.close(name)
	}
	s.notice("close-ended-by-wallet", "T-close-ended", "TRADE_CLOSED")
	s.refuses("close-late-stuck", "MERCHANT_BALANCE_NOT_ENOUGH")
	s.refuses("close-late-refused", "PURCHASE_TRADE_NOT_EXIST")
	for _, name := range []string{"close-late-back", "close-late-stuck", "close-late-refused"} {
		s.notice(name, "T-"+name, "TRADE_FINISHED")
	}
}

// inTheApp makes a request for an order inside the Alipay app.
func inTheApp(r *sampan.PaymentRequest) {
	r.PayType, r.Currency, r.OpenID = sampan.AlipayServiceWindow, "CNY", "2088000000000009"
}

// inTheApp are orders that the wallet must be asked for.
func (s *story) inTheApp() {
	s.order("app-registered", inTheApp)
	s.order("app-paid", inTheApp)
	s.appNotice("app-paid", "W-app-paid", "TRADE_SUCCESS")
	s.order("app-close-waiting", inTheApp)
	s.trade("app-close-waiting", "W-close", "WAIT_BUYER_PAY")
	s.close("app-close-waiting")
	s.order("app-close-unknown", inTheApp)
	s.close("app-close-unknown")
	s.appDefault("ACQ.TOTAL_FEE_EXCEED")
	s.order("app-failed", inTheApp)
	s.order("app-failed-and-paid", inTheApp)
	s.appDefault("")
	s.appNotice("app-failed-and-paid", "W-failed-and-paid", "TRADE_SUCCESS")
	s.appDefault("silent")
	s.order("app-created", inTheApp)
	s.appDefault("")
}

func (s *story) ofAStore() {
	s.order("of-a-store", func(r *sampan.PaymentRequest) { r.StoreID = "S1" })
	s.noticeOf("100002", "2088000000000002", s.id("of-a-store"), "T-store", "TRADE_FINISHED")
}

// orphanOfAnotherSlot places an order in the copy, and returns what happens to it once the time of
// day gives other numbers.
func (s *story) orphanOfAnotherSlot() func() {
	lost := s.place(s.shadow, "orphan-of-an-order")
	from := time.Now()
	return func() {
		if s.err != nil {
			return
		}
		if wait := time.Until(from.Add(90 * time.Second)); wait > 0 {
			time.Sleep(wait)
		}
		s.order("orphan-of-an-order")
		s.step("other number",
			map[bool]error{true: errors.New("it has the same number")}[s.id("orphan-of-an-order") == lost])
		s.orphan(lost, "T-orphan-of-an-order", "TRADE_FINISHED")
	}
}

// orphaned are wallet's words about numbers that no order has.
func (s *story) orphaned() {
	taken := s.place(s.shadow, "orphan-taken-over")
	s.orphan(taken, "T-taken-over", "TRADE_FINISHED")
	s.order("orphan-taken-over")
	s.orphan(s.place(s.shadow, "orphan-open"), "T-orphan-open", "TRADE_FINISHED")
	elsewhere := s.place(s.shadow, "orphan-elsewhere")
	s.orphan(elsewhere, "T-elsewhere", "TRADE_FINISHED")
	_, err := s.main.run("orphan", "settle", elsewhere, "--note", "paid out in cash, \"receipt 17\"")
	s.step("settle", err)
	s.orphan(s.place(s.shadow, "orphan-returned"), "T-returned", "TRADE_FINISHED", "TRADE_CLOSED")
	back := s.place(s.shadow, "orphan-back")
	s.wallet.says(back, func(o *order) {
		o.refundQuery = map[string]string{"refund_result_code": "SUCCESS", "trade_no": "T-back"}
	})
	s.orphans = append(s.orphans, back)
	s.post("/callback/100001/main", s.global(mapi.Message{
		"notify_type": "refund_sync", "seller_id": "2088000000000001",
		"out_trade_no": back, "trade_no": "T-back",
		"out_return_no": "R-back", "refund_status": "REFUND_SUCCESS",
		"return_amount": "5.00", "currency": "HKD",
	}))
	time.Sleep(1200 * time.Millisecond) // an account's questions about orphans have a gap
}

// afterTheEnd is what happens to orders that have ended.
func (s *story) afterTheEnd() {
	s.notice("end-late", "T-end-late", "TRADE_FINISHED")
}
