package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/wallet"
)

// connectors caches the connectors of accounts, since parsing an account's keys costs
// more than a request.
type connectors struct {
	mu   sync.Mutex
	open map[[2]string]limitedConnector // by merchant and account
}

// limitedConnector is an account's connector that makes its calls within the account's
// limits.
type limitedConnector struct {
	wallet.Connector
	info      wallet.Info
	updatedAt time.Time      // the account's UpdatedAt
	limits    *accountLimits // the account's, however often its settings change
	entered   bool           // a place is taken already
}

// connector returns the connector of an account.
func (g *Gateway) connector(a pay.WalletAccount) (limitedConnector, error) {
	key := [2]string{a.MerchantID, a.ID}
	g.connectors.mu.Lock()
	defer g.connectors.mu.Unlock()
	before, ok := g.connectors.open[key]
	if ok && before.updatedAt.Equal(a.UpdatedAt) {
		return before, nil
	}
	driver, ok := g.Wallets[a.Wallet]
	if !ok {
		return limitedConnector{}, fmt.Errorf("gateway: account %s/%s: no wallet is called %q",
			a.MerchantID, a.ID, a.Wallet)
	}
	conn, err := driver.Open(wallet.Account{WalletAccount: a, HTTP: g.HTTP, Now: g.Now})
	if err != nil {
		return limitedConnector{}, fmt.Errorf("gateway: account %s/%s: %w", a.MerchantID, a.ID, err)
	}
	c := limitedConnector{Connector: conn, info: driver.Info, updatedAt: a.UpdatedAt, limits: before.limits}
	if c.limits == nil {
		c.limits = newAccountLimits()
	}
	if g.connectors.open == nil {
		g.connectors.open = map[[2]string]limitedConnector{}
	}
	g.connectors.open[key] = c
	return c, nil
}

// accountOf finds an account by its id. It also finds disabled accounts, whose orders
// still need their outcome.
func (g *Gateway) accountOf(ctx context.Context, merchantID, accountID string) (pay.WalletAccount, error) {
	accounts, err := g.Store.WalletAccounts(ctx, merchantID)
	if err != nil {
		return pay.WalletAccount{}, err
	}
	for _, a := range accounts {
		if a.ID == accountID {
			return a, nil
		}
	}
	return pay.WalletAccount{}, &pay.Error{Code: pay.NotFound, Message: "no such wallet account"}
}

// connectorOf returns the connector that a payment goes through.
func (g *Gateway) connectorOf(ctx context.Context, p pay.Payment) (limitedConnector, error) {
	a, err := g.accountOfPayment(ctx, p)
	if err != nil {
		return limitedConnector{}, err
	}
	return g.connector(a)
}

// accountOfPayment returns a payment's account. A missing account is an internal error,
// since a merchant would read NotFound as the payment's.
func (g *Gateway) accountOfPayment(ctx context.Context, p pay.Payment) (pay.WalletAccount, error) {
	a, err := g.accountOf(ctx, p.MerchantID, p.AccountID)
	if pay.CodeOf(err) == pay.NotFound {
		err = fmt.Errorf("gateway: payment %s: its wallet account %s is missing", p.ID, p.AccountID)
	}
	return a, err
}

// chooseAccount returns the account for an order: the first, by id, that serves the pay
// type and settles in the currency. The wallet must take the currency for that pay type
// too, since an account for two pay types may have a currency of only one of them.
func (g *Gateway) chooseAccount(ctx context.Context, merchantID string, t pay.PayType, c pay.Currency) (
	pay.WalletAccount, error) {
	accounts, err := g.Store.WalletAccounts(ctx, merchantID)
	if err != nil {
		return pay.WalletAccount{}, err
	}
	serves := false
	for _, a := range accounts {
		if a.Disabled || !a.Serves(t) {
			continue
		}
		if a.SettlesIn(c) && slices.Contains(g.Wallets[a.Wallet].Info.Currencies[t], c) {
			return a, nil
		}
		serves = true
	}
	if serves {
		return pay.WalletAccount{}, &pay.Error{Code: pay.Forbidden, Field: "currency",
			Message: fmt.Sprintf("%s is not a currency that pay type %s settles in for this merchant", c, t)}
	}
	return pay.WalletAccount{}, &pay.Error{Code: pay.Forbidden, Field: "pay_type",
		Message: fmt.Sprintf("pay type %s is not enabled for this merchant", t)}
}

// orderOf returns a payment as its wallet sees it.
func (g *Gateway) orderOf(ctx context.Context, p pay.Payment) (wallet.Order, error) {
	m, err := g.Store.Merchant(ctx, p.MerchantID)
	if err != nil {
		return wallet.Order{}, err
	}
	sub := wallet.SubMerchant{ID: m.ID, Name: m.Name, MCC: m.MCC}
	if p.StoreID != "" {
		s, err := g.Store.Store(ctx, p.MerchantID, p.AppCode, p.StoreID)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return wallet.Order{}, err
		}
		if err == nil {
			sub = wallet.SubMerchant{ID: s.ID, Name: s.Name, MCC: s.MCC}
		}
	}
	subject := p.Goods
	if subject == "" {
		subject = sub.Name
	}
	return wallet.Order{
		Number: cmp.Or(p.WalletNumber, p.ID), PayType: p.PayType, Amount: p.Amount, Subject: subject,
		CreatedAt: p.CreatedAt, ExpiresAt: p.ExpiresAt,
		CallbackURL: g.callbackURL(p), ReturnURL: g.returnURL(p),
		OpenID: p.OpenID, NoCredit: p.NoCredit, WalletID: p.WalletID, TradeNo: p.TradeNo,
		SubMerchant: sub,
	}, nil
}

// flowOf returns how the buyer of a payment gets to its wallet. If the account cannot
// be read, it returns the flow of a wallet that serves the pay type.
func (g *Gateway) flowOf(ctx context.Context, p pay.Payment) wallet.Flow {
	if a, err := g.accountOf(ctx, p.MerchantID, p.AccountID); err == nil {
		if driver, ok := g.Wallets[a.Wallet]; ok {
			return driver.Info.Flow
		}
	}
	for _, driver := range g.Wallets {
		if slices.Contains(driver.Info.PayTypes, p.PayType) {
			return driver.Info.Flow
		}
	}
	return wallet.Link
}

// walletError returns the error that callers read for a connector's error.
func walletError(err error) error {
	var no *wallet.Rejection
	switch {
	case errors.As(err, &no) && no.Kind == wallet.RejectedAccount:
		return &pay.Error{Code: pay.WalletTrouble, Err: err,
			Message: "the wallet refuses the merchant's account: " + no.Code}
	case errors.As(err, &no):
		return &pay.Error{Code: pay.WalletRejected, Message: "the wallet refused: " + no.Code, Err: err}
	case errors.Is(err, wallet.ErrNotSent):
		return &pay.Error{
			Code: pay.WalletBusy, Message: "the wallet could not be reached, try again", Err: err,
		}
	case errors.Is(err, wallet.ErrUnknown), errors.Is(err, context.DeadlineExceeded):
		return &pay.Error{
			Code: pay.OutcomeUnknown, Message: "the wallet did not answer, ask with a query", Err: err,
		}
	}
	return fmt.Errorf("gateway: wallet: %w", err)
}
