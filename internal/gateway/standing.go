package gateway

import (
	"context"
	"errors"
	"fmt"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
)

// standing is a merchant, and the order's store if it has one. It says what they may
// do.
type standing struct {
	merchant pay.Merchant
	store    pay.Store // the zero value for an order without a store
}

// standingOf returns the standing of the merchant that has signed. The error is
// StoreUnknown or StoreNotSetUp if the credential and the store id do not belong
// together. (Trade API, mchid: must be sent if the app code has stores, and must not
// be sent if it has none.) It returns no error for a disabled merchant or store, since
// queries, closings and notes stay possible.
func (g *Gateway) standingOf(ctx context.Context, c pay.Credential, storeID string) (s standing, err error) {
	refuse := func(code pay.Code, why string) (standing, error) {
		return standing{}, &pay.Error{Code: code, Field: "store_id", Message: why}
	}
	if s.merchant, err = g.Store.Merchant(ctx, c.MerchantID); err != nil {
		return s, fmt.Errorf("gateway: merchant %s: %w", c.MerchantID, err)
	}
	switch {
	case c.HasStores && storeID == "":
		return refuse(pay.StoreNotSetUp, "this app code has stores: name one")
	case !c.HasStores && storeID != "":
		return refuse(pay.StoreUnknown, "this app code has no stores: leave it out")
	case !c.HasStores:
		return s, nil
	}
	s.store, err = g.Store.Store(ctx, c.MerchantID, c.AppCode, storeID)
	if errors.Is(err, store.ErrNotFound) {
		return refuse(pay.StoreUnknown, "this app code has no such store")
	}
	return s, err
}

// checkOrders returns StoreDisabled if new orders are refused.
func (s standing) checkOrders() error {
	return s.disabledError(s.merchant.Disabled, s.store.Disabled, "takes no new orders")
}

// checkRefunds returns StoreDisabled if new refunds are refused.
func (s standing) checkRefunds() error {
	return s.disabledError(s.merchant.RefundsStopped(), s.store.RefundsStopped(),
		"gives no refunds until the operator allows it")
}

// checkLinks returns StoreDisabled if buyers cannot pay open orders.
func (s standing) checkLinks() error {
	return s.disabledError(s.merchant.LinksClosed(),
		s.store.LinksClosed(), "takes no payments by its open links")
}

func (s standing) disabledError(byMerchant, byStore bool, what string) error {
	switch {
	case byMerchant:
		what = "the merchant is disabled, and " + what
	case byStore:
		what = "the store is disabled, and " + what
	default:
		return nil
	}
	return &pay.Error{Code: pay.StoreDisabled, Field: "store_id", Message: what}
}

// standingOfPayment returns the standing of a payment's merchant and store.
func (g *Gateway) standingOfPayment(ctx context.Context, p pay.Payment) (s standing, err error) {
	if s.merchant, err = g.Store.Merchant(ctx, p.MerchantID); err != nil || p.StoreID == "" {
		return s, err
	}
	s.store, err = g.Store.Store(ctx, p.MerchantID, p.AppCode, p.StoreID)
	if errors.Is(err, store.ErrNotFound) {
		err = nil // an order outlives its store's row
	}
	return s, err
}

// firstError returns the first error that is not nil.
func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
