package gateway

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/wallet"
)

// PayRequest is a merchant's order. The API has checked the form of each field. Pay
// checks what may be ordered.
type PayRequest struct {
	Credential  pay.Credential
	StoreID     string
	OrderNo     string
	Fingerprint string // of all values of the request
	PayType     pay.PayType
	Amount      pay.Amount
	Goods       string
	ClientTime  string
	DeviceID    string
	ReturnURL   string
	NotifyURL   string // "" for the credential's
	OpenID      string
	Life        time.Duration
	NoCredit    bool
	RefuseNew   error // if not nil, refuses a new order; a repeat gets its order all the same
}

// Pay stores an order, and asks the wallet after that. A repeat with the same
// fingerprint gets the same order. If that is not open any more, the error is
// AlreadyPaid, AlreadyClosed, AlreadyExpired or the one that it failed with. Other
// errors are *pay.Error of StoreUnknown, StoreNotSetUp, StoreDisabled, Forbidden,
// NumberUsed, InProgress, Unconfirmed, OutcomeUnknown, Wallet…. An error of the store is
// returned as it is if nothing of the order is stored, and is Unconfirmed if the order
// may be stored.
func (g *Gateway) Pay(ctx context.Context, r PayRequest) (Order, error) {
	s, err := g.standingOf(ctx, r.Credential, r.StoreID)
	if err != nil {
		return Order{}, err
	}
	r.RefuseNew = firstError(s.checkOrders(), r.RefuseNew)
	p, isNew, err := g.findOrCreate(ctx, r)
	if err != nil {
		return Order{}, err
	}
	if !isNew {
		if p.Fingerprint != r.Fingerprint {
			return Order{}, &pay.Error{Code: pay.NumberUsed, Field: "order_no",
				Message: "the number stands for an order with other values"}
		}
	} else {
		g.Log.DebugContext(ctx, "payment created", "syssn", p.ID, "merchant", p.MerchantID,
			"pay_type", p.PayType, "amount", p.Amount.String())
	}
	order := Order{Payment: p, InApp: g.flowOf(ctx, p) == wallet.InApp}
	if err := g.endedError(p); err != nil { // also for a new order, if an orphan has paid it
		return order, err
	}
	order.Payment, order.PayURL, err = g.payURLFor(ctx, p, s)
	return order, alreadyStored("order", err)
}

// payURLFor returns the address for the buyer of a stored order, and registers the order
// at a wallet that must know it first. If new orders are refused, the order is a repeat:
// it is not registered any more, and the buyer does not get the wallet's own address
// while links cannot be paid.
func (g *Gateway) payURLFor(
	ctx context.Context, p pay.Payment, s standing,
) (_ pay.Payment, payURL string, err error) {
	conn, err := g.connectorOf(ctx, p)
	if err != nil {
		return p, "", err
	}
	switch flow := conn.info.Flow; {
	case flow == wallet.InApp && p.Checkout == "":
		if err := s.checkOrders(); err != nil {
			return p, "", &pay.Error{Code: pay.OutcomeUnknown, Err: err,
				Message: "the order is stored, and is not registered at the wallet any more: ask " +
					"with a query"}
		}
		if p, err = g.register(ctx, conn, p); err != nil {
			return p, "", err
		}
	case flow == wallet.Link && g.DirectPayURL && s.checkLinks() == nil:
		return g.directURL(ctx, conn, p)
	}
	return p, g.PayLink(p), nil
}

// findOrCreate stores an order, or finds the one that has its number. A repeat gets its
// order even if the merchant's settings would refuse it now.
func (g *Gateway) findOrCreate(ctx context.Context, r PayRequest) (p pay.Payment, isNew bool, err error) {
	account, info, err := g.placeable(ctx, r)
	if err != nil {
		scope := pay.Scope{
			MerchantID: r.Credential.MerchantID, AppCode: r.Credential.AppCode, StoreID: r.StoreID,
		}
		stored, missing := g.Store.PaymentByOrderNo(ctx, scope, r.OrderNo)
		switch {
		case missing == nil:
			return stored, false, nil
		case !errors.Is(missing, store.ErrNotFound):
			// it may be stored, so the merchant must not read that it failed
			err = missing
		}
		return pay.Payment{}, false, err
	}
	return g.create(ctx, g.newPayment(r, account, info))
}

// placeable returns the account for a new order, and its wallet's description.
func (g *Gateway) placeable(ctx context.Context, r PayRequest) (pay.WalletAccount, wallet.Info, error) {
	if r.RefuseNew != nil {
		return pay.WalletAccount{}, wallet.Info{}, r.RefuseNew
	}
	account, err := g.chooseAccount(ctx, r.Credential.MerchantID, r.PayType, r.Amount.Currency)
	if err != nil {
		return account, wallet.Info{}, err
	}
	conn, err := g.connector(account)
	if err != nil {
		err = &pay.Error{Code: pay.WalletTrouble, Message: accountBroken, Err: err}
	}
	return account, conn.info, err
}

func (g *Gateway) newPayment(r PayRequest, a pay.WalletAccount, info wallet.Info) pay.Payment {
	now := g.Now()
	p := pay.Payment{
		Scope: pay.Scope{
			MerchantID: r.Credential.MerchantID, AppCode: r.Credential.AppCode, StoreID: r.StoreID,
		},
		OrderNo: r.OrderNo, Fingerprint: r.Fingerprint,
		PayType: r.PayType, AccountID: a.ID, Amount: r.Amount, Goods: r.Goods,
		ClientTime: r.ClientTime, DeviceID: r.DeviceID, ReturnURL: r.ReturnURL, NotifyURL: r.NotifyURL,
		OpenID: r.OpenID, NoCredit: r.NoCredit,
		Status: pay.Created, CreatedAt: now, ExpiresAt: now.Add(r.Life), DueAt: now.Add(r.Life),
	}
	if p.NotifyURL == "" {
		p.NotifyURL = r.Credential.NotifyURL
	}
	if info.Flow == wallet.Link {
		p.Status = pay.Pending // the buyer can pay without a call to the wallet
	}
	if info.Flow == wallet.InApp || info.Flow == wallet.Link && g.DirectPayURL {
		// the buyer does not need our link
		p.OpenedAt, p.DueAt = now, now.Add(g.InquiryGaps[0])
	}
	return p
}

// create stores a payment under a new number, or under that of an open orphan that
// belongs to it, and settles that orphan at once. If the merchant's order number is
// stored already, it returns that payment instead.
func (g *Gateway) create(ctx context.Context, p pay.Payment) (pay.Payment, bool, error) {
	seen, fresh := g.orphans.get(p), p
	for try := 0; try < numberTries; {
		p = fresh
		p.ID = g.paymentNumber(p.Scope, p.OrderNo, p.Fingerprint, p.CreatedAt, try)
		o, orphaned, err := g.findOrphan(ctx, p, seen)
		if err != nil {
			return pay.Payment{}, false, err
		}
		if orphaned { // the wallet knows the order, so it needs inquiries
			p.ID, p.OpenedAt, p.DueAt = o.Number, p.CreatedAt, p.CreatedAt.Add(g.InquiryGaps[0])
		}
		stored, isNew, err := g.Store.CreatePaymentKnowing(ctx, p, seen.upTo)
		switch {
		case errors.Is(err, store.ErrOrphansUnseen):
			if seen, err = g.orphans.refresh(ctx, g.Store, p, seen); err != nil {
				return pay.Payment{}, false, err
			}
			continue
		case errors.Is(err, store.ErrIDClash) && orphaned: // another order has got the orphan meanwhile
			seen.dates = nil
			continue
		case errors.Is(err, store.ErrIDClash):
			try++
			continue
		case err != nil:
			return pay.Payment{}, false, maybeStored("order", err)
		}
		if isNew && orphaned {
			stored, err = g.settleOrphansOf(ctx, stored, o)
		}
		return stored, isNew, err
	}
	return pay.Payment{}, false, errors.New("gateway: every number of this order is used")
}

// endedError returns why an order cannot be paid any more, and nil if it can.
func (g *Gateway) endedError(p pay.Payment) error {
	switch {
	case p.Status == pay.Paid:
		return &pay.Error{Code: pay.AlreadyPaid, Message: "the order is paid"}
	case p.Status == pay.Closed:
		return &pay.Error{Code: pay.AlreadyClosed, Message: "the order is closed"}
	case p.Status == pay.Failed:
		return &pay.Error{Code: pay.WalletRejected, Message: "the wallet refused the order: " + p.Failure}
	case p.CloseID != "":
		return &pay.Error{Code: pay.Processing, Message: "the order is being closed"}
	case p.Status == pay.Expired, !g.Now().Before(p.ExpiresAt):
		return &pay.Error{Code: pay.AlreadyExpired, Message: "the order has expired; make a new one"}
	}
	return nil
}

// register makes an order known to a wallet that must be asked before the buyer can
// pay. Of several requests for one order, one asks and the others wait for it briefly.
// After a crash the order is Created, without a reference: the next request asks again
// under the same number, and Recover queries it.
func (g *Gateway) register(ctx context.Context, conn limitedConnector, p pay.Payment) (pay.Payment, error) {
	// The wallet's answer must be stored even if the merchant closes the connection.
	asked, cancel := context.WithTimeout(context.WithoutCancel(ctx), g.WalletTimeout)
	defer cancel()
	conn, leave, err := conn.enter(asked)
	if err != nil {
		return p, walletError(err)
	}
	defer leave()
	mine, err := g.Store.MarkAsked(ctx, p.MerchantID, p.ID, g.Now(), g.WalletTimeout)
	if err != nil {
		return p, err
	}
	if !mine {
		leave()
		return g.awaitRegistration(ctx, p)
	}
	order, err := g.orderOf(ctx, p)
	if err != nil {
		return p, err
	}
	checkout, err := conn.Pay(asked, order)
	leave()
	var no *wallet.Rejection
	again := !p.AskedAt.IsZero()
	if err != nil && (!errors.As(err, &no) || again && refusesAccount(err)) {
		g.Log.WarnContext(ctx, "wallet did not accept the order", "syssn", p.ID, "error", err)
		if no != nil {
			return p, &pay.Error{Code: pay.OutcomeUnknown, Err: err,
				Message: "the wallet refuses the merchant's account now (" + no.Code + "), " +
					"and may have accepted the order before; ask with a query"}
		}
		return p, walletError(err)
	}
	return g.registered(ctx, p, checkout, no, pay.ByMerchant(p.AppCode), again)
}

// registered stores the wallet's answer: how the buyer gets there, or the refusal of an
// order that it has not accepted before. again says that an earlier call may have
// reached the wallet: then a refused order is still queried later, like every order
// that has ended.
func (g *Gateway) registered(ctx context.Context, p pay.Payment, c wallet.Checkout, no *wallet.Rejection,
	by pay.Actor, again bool) (pay.Payment, error) {
	c.EndsAt = c.EndsAt.Truncate(time.Millisecond) // as it is stored
	v, err := g.act(ctx, p, func(r pay.Recorded) (pay.Verdict, error) {
		p, now := r.Payment, g.Now()
		switch {
		case no == nil && (p.Status == pay.Created || p.Status == pay.Pending && newAddress(p, c)):
			p.Status, p.Checkout, p.CheckoutEndsAt = pay.Pending, cmp.Or(c.Ref, c.URL), c.EndsAt
			p.WalletID = cmp.Or(c.WalletID, c.Ref)
			return pay.Act(r, p, pay.Event{Kind: pay.EventRegistered, Number: p.WalletID}, by, now), nil
		case no == nil || p.Status != pay.Created:
			return pay.Nothing(r), nil
		}
		p.Status, p.Failure, p.ClosedAt, p.DueAt = pay.Failed, no.Code, now, time.Time{}
		if again {
			p.DueAt = now.Add(lateInquiries[0])
		}
		return pay.Act(r, p, pay.Event{Kind: pay.EventFailed, Code: no.Code}, pay.ByWallet, now), nil
	})
	p = v.Payment
	if err != nil {
		return p, err
	}
	if no != nil && p.Status == pay.Failed {
		return p, walletError(no)
	}
	return p, g.endedError(p)
}

// newAddress reports whether a wallet's answer changes where an open order's buyer
// is sent, or until when.
func newAddress(p pay.Payment, c wallet.Checkout) bool {
	return c.URL != "" && (c.URL != p.Checkout || !c.EndsAt.Equal(p.CheckoutEndsAt))
}

// awaitRegistration waits up to two seconds for another request's answer.
func (g *Gateway) awaitRegistration(ctx context.Context, p pay.Payment) (pay.Payment, error) {
	for range 20 {
		select {
		case <-ctx.Done():
			return p, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
		current, err := g.Store.Payment(ctx, p.MerchantID, p.ID)
		if err != nil {
			return p, err
		}
		if current.Checkout != "" || !current.Status.Open() {
			return current, g.endedError(current)
		}
	}
	return p, &pay.Error{
		Code: pay.InProgress, Message: "the same order is being processed; ask again in a moment",
	}
}

// directURL returns the wallet's own address, for a buyer who does not need our link. An
// order that was placed while buyers did need it counts as opened from now on.
func (g *Gateway) directURL(
	ctx context.Context, conn limitedConnector, p pay.Payment,
) (pay.Payment, string, error) {
	order, err := g.orderOf(ctx, p)
	if err != nil {
		return p, "", err
	}
	checkout, err := conn.Pay(ctx, order)
	if err != nil {
		return p, "", walletError(err)
	}
	if p.OpenedAt.IsZero() {
		if p, _, err = g.markOpened(ctx, p); err == nil {
			err = g.endedError(p)
		}
		if err != nil {
			return p, "", err
		}
	}
	return p, checkout.URL, nil
}
