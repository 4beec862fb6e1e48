package gateway

import (
	"context"
	"errors"
	"fmt"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
)

// DummyKey signs for app codes that do not exist, so that they are refused after the same work as a wrong
// signature.
const DummyKey = "0123456789ABCDEF0123456789ABCDEF"

// Signer finds whose an app code is if signed takes its client key: known is false for a wrong signature as for an
// app code that is unknown or revoked. Errors are trouble of our own.
//
// Whatever is refused has cost the same: two looks at the signature, one of them under the key that the app code
// had lately, and one read of the database. So nobody learns from the time whether an app code exists, and a new
// key counts at once in every process.
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

// accepts reports whether a credential is in use and signed takes its key.
func accepts(c pay.Credential, signed func(clientKey string) bool) bool {
	known, key := c.AppCode != "" && !c.Disabled, DummyKey
	if known {
		key = c.ClientKey.Reveal()
	}
	return signed(key) && known
}
