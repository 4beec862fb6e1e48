package operator

import (
	"context"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sampanpay/sampan/internal/outbound"
	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/wallet"
)

// AddedAccount is a wallet account as it was stored.
type AddedAccount struct {
	pay.WalletAccount        // Disabled if it replaces one that was
	Callback          string // where the wallet posts to; "" without a base_url
}

// PutAccount adds a wallet account, or replaces the one with its ID. It opens the
// account as the gateway does, so that a setting or a key that does not fit is
// found now. A replaced account that was disabled stays so.
func (a Acts) PutAccount(ctx context.Context, account pay.WalletAccount) (AddedAccount, error) {
	added := AddedAccount{WalletAccount: account}
	if err := a.checkAccount(account); err != nil {
		return added, err
	}
	if _, err := a.db.Merchant(ctx, account.MerchantID); err != nil {
		return added, &InputError{
			Field: "merchant", Value: "", Err: fmt.Errorf("%s: %w", account.MerchantID, err),
		}
	}
	added.CreatedAt = a.Now()
	added.UpdatedAt = added.CreatedAt
	if err := a.db.PutWalletAccount(ctx, added.WalletAccount); err != nil {
		return added, err
	}
	accounts, err := a.db.WalletAccounts(ctx, account.MerchantID)
	if err != nil {
		return added, err
	}
	added.Disabled = slices.ContainsFunc(accounts, func(have pay.WalletAccount) bool {
		return have.ID == account.ID && have.Disabled
	})
	if a.BaseURL != "" {
		added.Callback = fmt.Sprintf("%s/callback/%s/%s",
			strings.TrimRight(a.BaseURL, "/"), account.MerchantID, account.ID)
	}
	return added, nil
}

func (a Acts) checkAccount(account pay.WalletAccount) error {
	driver, ok := a.Wallets[account.Wallet]
	if !ok {
		return invalid("kind", account.Wallet, "not a wallet; there are: %s",
			strings.Join(slices.Sorted(maps.Keys(a.Wallets)), ", "))
	}
	if !accountIDs.MatchString(account.ID) {
		return invalid("id", account.ID, "must be 1 to 32 letters, digits and dashes")
	}
	for _, t := range account.PayTypes {
		if !slices.Contains(driver.Info.PayTypes, t) {
			return &InputError{Field: "pay-types", Err: fmt.Errorf("%s does not serve %q; it serves %s",
				account.Wallet, t, Join(driver.Info.PayTypes))}
		}
	}
	for _, c := range account.Currencies {
		settles := func(t pay.PayType) bool { return slices.Contains(driver.Info.Currencies[t], c) }
		if !slices.ContainsFunc(account.PayTypes, settles) {
			return &InputError{Field: "currencies",
				Err: fmt.Errorf("%q is none that %s settles in with these pay types",
					c, account.Wallet)}
		}
	}
	_, err := driver.Open(wallet.Account{
		WalletAccount: account, HTTP: outbound.Plain(outbound.Limits{}), Now: a.Now,
	})
	return err
}

// SetAccountDisabled disables an account for new orders, or enables it. Orders that
// it has go on either way.
func (a Acts) SetAccountDisabled(ctx context.Context, merchantID, id string, disabled bool) error {
	return a.db.SetWalletAccountDisabled(ctx, merchantID, id, disabled)
}

// Accounts lists a merchant's wallet accounts. They hold their secrets.
func (d *Deployment) Accounts(ctx context.Context, merchantID string) ([]pay.WalletAccount, error) {
	return d.db.WalletAccounts(ctx, merchantID)
}

// Shortened returns what tells a long setting, such as a public key or a
// certificate, from another one: of PEM, without the armour.
func Shortened(setting string) string {
	if len(setting) <= 64 {
		return setting
	}
	if block, _ := pem.Decode([]byte(setting)); block != nil {
		setting = base64.StdEncoding.EncodeToString(block.Bytes)
	}
	return setting[:8] + "…" + setting[len(setting)-16:]
}
