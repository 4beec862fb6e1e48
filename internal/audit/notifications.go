package audit

import (
	"strings"

	"github.com/sampanpay/sampan/internal/delivery"
	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
)

// notifications checks the notifications' rows. The merchant must be notified of a
// payment and of each refund that is done, and of nothing else. Late money that
// goes back is notified once it has gone back.
func (c *check) notifications(p pay.Payment) {
	_, hears := pay.ReceiverOf(p.NotifyURL)
	due := map[string]bool{"": hears && c.history.Status == pay.Paid && !c.history.goesBack()}
	for id, r := range c.history.Refunds {
		due[id] = hears && r.Status == pay.RefundSucceeded
	}
	refunds := map[string]pay.Refund{}
	for _, r := range c.Refunds {
		refunds[r.ID] = r
	}
	for _, d := range c.Deliveries {
		name := "notification " + d.ID
		c.written(name, d.ID, d.CreatedAt)
		if !due[d.RefundID] {
			stored := strings.TrimSpace("of " + d.Kind + " " + d.RefundID)
			c.wrong(name, stored, "none: there is nothing, or nothing more, to tell")
			continue
		}
		due[d.RefundID] = false
		c.notification(name, d, p, refunds)
	}
	for id, missing := range sorted(due) {
		if missing {
			want := strings.TrimSpace("the merchant must be told of the payment, or the refund " + id)
			c.wrong("notification", "none", want)
		}
	}
}

// notification checks one notification's row.
func (c *check) notification(name string, d store.Delivery, p pay.Payment, refunds map[string]pay.Refund) {
	kind, body := "payment", delivery.Body(p, c.Zone)
	if d.RefundID != "" {
		kind, body = "refund", delivery.RefundBody(refunds[d.RefundID], p, c.Zone)
	}
	receiver, _ := pay.ReceiverOf(p.NotifyURL)
	c.same(name+": kind", d.Kind, kind)
	c.same(name+": url", d.URL, p.NotifyURL)
	c.same(name+": receiver", d.Receiver, receiver)
	c.same(name+": app_code", d.AppCode, p.AppCode)
	if stored, want := delivery.Differ(d.Body, body); stored != want {
		c.wrong(name+": body", stored, want)
	}
	if d.State == store.DeliveryDone && !c.Acknowledged[d.ID] {
		c.wrong(name+": state", string(d.State), "due or dead: no attempt was acknowledged")
	}
	if d.State == store.DeliveryDead && d.Attempts == 0 {
		c.wrong(name+": state", string(d.State), "due: nobody has tried to send it")
	}
}
