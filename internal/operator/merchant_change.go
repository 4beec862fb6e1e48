package operator

import (
	"context"
	"errors"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
)

// NoticedWithin is how soon running servers follow a change to a merchant, an
// app code, a store or a wallet account.
const NoticedWithin = store.CacheFor

// CredentialChange is what to change of an app code. What is nil stays.
type CredentialChange struct {
	ReturnHosts *[]string // all hosts that its authorisation links may return to
	MaxAge      *time.Duration
	SHA256Only  *bool
}

// ChangeCredential changes an app code and returns what it has changed, with the
// hosts as they are stored. With an error, that may be a part.
func (a Acts) ChangeCredential(
	ctx context.Context, appCode string, want CredentialChange,
) (done CredentialChange, err error) {
	var hosts []string
	if want.ReturnHosts != nil {
		if hosts, err = readReturnHosts(*want.ReturnHosts); err != nil {
			return done, err
		}
	}
	if want.MaxAge != nil && (*want.MaxAge < 0 || *want.MaxAge%time.Second != 0) {
		return done, &InputError{
			Field: "max-age", Err: errors.New("must be in whole seconds, as 90s or 10m, or 0 for any"),
		}
	}
	if want.ReturnHosts != nil {
		if err := a.db.SetReturnHosts(ctx, appCode, hosts); err != nil {
			return done, err
		}
		done.ReturnHosts = &hosts
	}
	if want.MaxAge != nil {
		if err := a.db.SetMaxAge(ctx, appCode, *want.MaxAge); err != nil {
			return done, err
		}
		done.MaxAge = want.MaxAge
	}
	if want.SHA256Only != nil {
		if err := a.db.SetSHA256Only(ctx, appCode, *want.SHA256Only); err != nil {
			return done, err
		}
		done.SHA256Only = want.SHA256Only
	}
	return done, nil
}

// RotateKey replaces an app code's client key and returns the new one, which is
// shown this once. The old one signs nothing any more.
func (a Acts) RotateKey(ctx context.Context, appCode string) (pay.Secret, error) {
	key := pay.Secret(newKey())
	if err := a.db.SetClientKey(ctx, appCode, key); err != nil {
		return "", err
	}
	return key, nil
}

// Part names a merchant, one of its app codes, or a store of an app code.
type Part struct {
	Merchant string // the merchant as a whole; without AppCode
	AppCode  string // this app code alone, or with Store
	Store    string // this store of the app code alone
}

// String names the part for people.
func (p Part) String() string {
	switch {
	case p.AppCode == "":
		return "merchant " + p.Merchant
	case p.Store == "":
		return "app code " + p.AppCode
	}
	return "store " + p.Store
}

// isAppCode reports whether the part is an app code as a whole.
func (p Part) isAppCode() bool { return p.AppCode != "" && p.Store == "" }

// SetDisabled disables or enables a part of a merchant. KeepLinks and
// StopRefunds are for a merchant or a store: a disabled app code is refused
// everything.
func (a Acts) SetDisabled(ctx context.Context, p Part, d pay.Disabling) error {
	switch {
	case p.Store != "" && p.AppCode == "":
		return &InputError{Field: "app-code", Err: errors.New("missing: a store belongs to an app code")}
	case p.isAppCode() && d.KeepLinks:
		return &InputError{Field: "links", Err: errNotOfAppCode}
	case p.isAppCode() && d.StopRefunds:
		return &InputError{Field: "refunds", Err: errNotOfAppCode}
	case p.isAppCode():
		return a.db.SetCredentialDisabled(ctx, p.AppCode, d.Disabled)
	case p.Store == "":
		return a.db.SetMerchantDisabled(ctx, p.Merchant, d)
	}
	c, err := a.db.Credential(ctx, p.AppCode)
	if err != nil {
		return err
	}
	return a.db.SetStoreDisabled(ctx, c.MerchantID, p.AppCode, p.Store, d)
}

var errNotOfAppCode = errors.New(
	"belongs to a merchant or a store; a disabled app code is refused everything",
)

// Consequence is what a disabling does to one thing.
type Consequence struct {
	Topic string // calls, orders, links or refunds; "" goes on with the last
	Text  string
}

// Consequences says what happens to the calls, orders, links and refunds of a
// part that is disabled so.
func (d *Deployment) Consequences(p Part, by pay.Disabling) []Consequence {
	switch {
	case !by.Disabled:
		return nil
	case p.isAppCode():
		return []Consequence{
			{"calls", "refused, each as wrongly signed (1108)"},
			{"links", "kept: buyers can pay the orders that are open; they are notified as before"},
		}
	}
	links := "closed: who opens one reads that the shop takes no orders now; " +
		"money that comes all the same is recorded and notified"
	if by.KeepLinks {
		links = "kept: buyers can pay the orders that are open"
	}
	refunds := "kept: the merchant can give money back"
	if by.StopRefunds {
		refunds = "stopped: new ones are refused (1243); late money that goes back by itself still does"
	}
	all := []Consequence{
		{"orders", "new ones are refused (1243); queries, closings and notes go on"}, {"links", links},
	}
	if !by.KeepLinks && d.PayURL == "direct" {
		all = append(all, Consequence{"",
			`the addresses that pay_url = "direct" has handed out are the wallet's own: ` +
				`they cannot be closed`})
	}
	return append(all, Consequence{"refunds", refunds})
}
