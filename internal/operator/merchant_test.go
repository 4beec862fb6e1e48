package operator

import (
	"errors"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
)

func TestAddMerchant(t *testing.T) {
	each(t, func(t *testing.T, d *Deployment, _ pay.Credential) {
		good := NewMerchant{Name: "Tea", PerSecond: 100, PerMinute: 400}
		for field, change := range map[string]func(*NewMerchant){
			"id":           func(n *NewMerchant) { n.ID = "12345" },
			"mcc":          func(n *NewMerchant) { n.MCC = "58" },
			"per-second":   func(n *NewMerchant) { n.PerSecond = 0 },
			"per-minute":   func(n *NewMerchant) { n.PerMinute = -1 },
			"notify-url":   func(n *NewMerchant) { n.NotifyURL = "http://127.0.0.1/notify" },
			"return-hosts": func(n *NewMerchant) { n.ReturnHosts = []string{"https://shop.example"} },
		} {
			bad := good
			change(&bad)
			_, _, err := d.By(alice).AddMerchant(t.Context(), bad)
			wantField(t, err, field)
		}
		good.ReturnHosts = []string{"Shop.example", ""}
		m, c, err := d.By(alice).AddMerchant(t.Context(), good)
		check(t, err)
		key := regexp.MustCompile(`^[0-9A-F]{32}$`)
		if !sixDigits.MatchString(m.ID) || !key.MatchString(c.AppCode) ||
			!key.MatchString(c.ClientKey.Reveal()) {
			t.Errorf("drawn: %s, %s", m.ID, c.AppCode)
		}
		if !slices.Equal(c.ReturnHosts, []string{"shop.example"}) {
			t.Errorf("hosts: %v", c.ReturnHosts)
		}
		good.ID = m.ID
		if _, _, err := d.By(alice).AddMerchant(t.Context(), good); !errors.Is(err, store.ErrExists) {
			t.Errorf("an ID in use: %v", err)
		}
		stored, err := d.db.Credential(t.Context(), c.AppCode)
		check(t, err)
		if stored.ClientKey != c.ClientKey || stored.MerchantID != m.ID {
			t.Errorf("stored: %s of %s", stored.AppCode, stored.MerchantID)
		}
	})
}

func TestAddStoreNeedsAnAppCodeWithStores(t *testing.T) {
	each(t, func(t *testing.T, d *Deployment, c pay.Credential) {
		for _, tt := range []struct {
			store pay.Store
			field string
		}{
			{pay.Store{AppCode: c.AppCode, ID: "M 1"}, "id"},
			{pay.Store{AppCode: c.AppCode, ID: "M1", MCC: "x"}, "mcc"},
			{pay.Store{AppCode: "NOBODY", ID: "M1"}, "app-code"},
			{pay.Store{AppCode: c.AppCode, ID: "M1"}, "app-code"}, // it has no stores
		} {
			_, err := d.By(alice).AddStore(t.Context(), tt.store)
			wantField(t, err, tt.field)
		}
	})
}

func TestChangeCredentialChangesWhatIsNamed(t *testing.T) {
	each(t, func(t *testing.T, d *Deployment, c pay.Credential) {
		hosts, age, only := []string{"B.example"}, 90*time.Second, true
		done, err := d.By(alice).ChangeCredential(t.Context(), c.AppCode,
			CredentialChange{ReturnHosts: &hosts, MaxAge: &age})
		check(t, err)
		if !slices.Equal(*done.ReturnHosts, []string{"b.example"}) || *done.MaxAge != age ||
			done.SHA256Only != nil {
			t.Errorf("done: %+v", done)
		}
		_, err = d.By(alice).ChangeCredential(t.Context(), c.AppCode, CredentialChange{SHA256Only: &only})
		check(t, err)
		age = 1500 * time.Millisecond
		_, err = d.By(alice).ChangeCredential(t.Context(), c.AppCode, CredentialChange{MaxAge: &age})
		wantField(t, err, "max-age")
		now, err := d.db.Credential(t.Context(), c.AppCode)
		check(t, err)
		if !slices.Equal(now.ReturnHosts, []string{"b.example"}) ||
			now.MaxAge != 90*time.Second || !now.SHA256Only {
			t.Errorf("stored: %+v", now)
		}
		key, err := d.By(alice).RotateKey(t.Context(), c.AppCode)
		check(t, err)
		if now, err = d.db.Credential(t.Context(),
			c.AppCode); err != nil || now.ClientKey != key || key == c.ClientKey {
			t.Errorf("the key was not replaced: %v", err)
		}
	})
}

func TestSetDisabledNamesOnePart(t *testing.T) {
	each(t, func(t *testing.T, d *Deployment, c pay.Credential) {
		act, all := d.By(alice), pay.Disabling{Disabled: true, StopRefunds: true}
		wantField(t, act.SetDisabled(t.Context(), Part{Merchant: "100001", Store: "M1"}, all), "app-code")
		wantField(t, act.SetDisabled(t.Context(), Part{AppCode: c.AppCode}, all), "refunds")
		links := pay.Disabling{Disabled: true, KeepLinks: true}
		wantField(t, act.SetDisabled(t.Context(), Part{AppCode: c.AppCode}, links), "links")
		err := act.SetDisabled(t.Context(), Part{Merchant: "999999"}, all)
		if !errors.Is(err, store.ErrNotFound) {
			t.Errorf("an unknown merchant: %v", err)
		}
		check(t, act.SetDisabled(t.Context(), Part{Merchant: "100001"}, all))
		check(t, act.SetDisabled(t.Context(), Part{AppCode: c.AppCode}, pay.Disabling{Disabled: true}))
		merchants, err := d.Merchants(t.Context())
		check(t, err)
		if m := merchants[0]; m.Disabling != all || !m.Credentials[0].Disabled {
			t.Errorf("stored: %+v", m)
		}
	})
}

func TestConsequencesDependOnPartAndChoice(t *testing.T) {
	d := &Deployment{}
	merchant, code := Part{Merchant: "100001"}, Part{AppCode: "A"}
	topics := func(p Part, by pay.Disabling) (all []string) {
		for _, c := range d.Consequences(p, by) {
			all = append(all, c.Topic)
		}
		return all
	}
	disabled, keep := pay.Disabling{Disabled: true}, pay.Disabling{Disabled: true, KeepLinks: true}
	for _, tt := range []struct {
		part   Part
		by     pay.Disabling
		payURL string
		want   []string
	}{
		{merchant, pay.Disabling{}, "link", nil},
		{code, disabled, "link", []string{"calls", "links"}},
		{merchant, disabled, "link", []string{"orders", "links", "refunds"}},
		{merchant, disabled, "direct", []string{"orders", "links", "", "refunds"}},
		{merchant, keep, "direct", []string{"orders", "links", "refunds"}},
	} {
		d.PayURL = tt.payURL
		if got := topics(tt.part, tt.by); !slices.Equal(got, tt.want) {
			t.Errorf("%v, %+v, %s: got %q, want %q", tt.part, tt.by, tt.payURL, got, tt.want)
		}
	}
}
