package gateway

import (
	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
)

// deliveryOf completes the delivery of a notification about p. Its id stays unset. It
// returns nil if the payment has no address for notifications. An address that cannot
// be parsed must not keep money from being recorded: it is logged, and the merchant
// gets no notification.
func (g *Gateway) deliveryOf(p pay.Payment, d store.Delivery) *store.Delivery {
	receiver, ok := pay.ReceiverOf(p.NotifyURL)
	if !ok {
		if p.NotifyURL != "" {
			g.Log.Error("notify address cannot be read: the merchant gets no notification", "syssn", p.ID)
		}
		return nil
	}
	d.MerchantID, d.PaymentID, d.AppCode = p.MerchantID, p.ID, p.AppCode
	d.URL, d.Receiver, d.CreatedAt = p.NotifyURL, receiver, g.Now()
	return &d
}
