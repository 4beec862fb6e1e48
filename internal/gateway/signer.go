package gateway

import (
	"context"
	"errors"
	"fmt"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
)

// DummyKey is the client key of app codes that do not exist, so that refusing them
// takes the same work as refusing a wrong signature.
const DummyKey = "0123456789ABCDEF0123456789ABCDEF"

// Signer returns the credential of an app code if signed accepts its client key.
// known is false for a wrong signature and for an app code that is unknown or
// revoked. An error is a failure of the store.
//
// Every refusal takes the same work: two checks of the signature, the first with the
// cached key of the app code, and one read of the database. So the time does not show
// whether an app code exists, and a new key works at once in every process.
func (g *Gateway) Signer(
	ctx context.Context, appCode string, signed func(clientKey string) bool,
) (c pay.Credential, known bool, err error) {
	if c = g.Store.KeptCredential(appCode); accepts(c, signed) {
		return c, true, nil
	}
	c, err = g.Store.FreshCredential(ctx, appCode)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return c, false, fmt.Errorf("find app code: %w", err)
	}
	return c, accepts(c, signed), nil
}

// accepts reports whether a credential is in use and signed accepts its key.
func accepts(c pay.Credential, signed func(clientKey string) bool) bool {
	known, key := c.AppCode != "" && !c.Disabled, DummyKey
	if known {
		key = c.ClientKey.Reveal()
	}
	return signed(key) && known
}
