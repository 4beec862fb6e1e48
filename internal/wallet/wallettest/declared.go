package wallettest

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/sampanpay/sampan/internal/wallet"
)

func (s *suite) info() {
	i := s.Driver.Info
	if !i.Flow.Known() {
		s.Errorf("flow %q", i.Flow)
	}
	if s.Driver.Name == "" || i.Title == "" || i.LateMax <= 0 || len(i.PayTypes) == 0 {
		s.Errorf("name %q, title %q, late by at most %s, pay types %v",
			s.Driver.Name, i.Title, i.LateMax, i.PayTypes)
	}
	if !slices.Contains([]string{"alpha", "beta", "stable"}, i.Maturity) {
		s.Errorf("maturity %q", i.Maturity)
	}
	for _, t := range i.PayTypes {
		if !t.Known() || len(i.Currencies[t]) == 0 {
			s.Errorf("pay type %q with currencies %v", t, i.Currencies[t])
		}
		if t.NeedsOpenID() != (i.Flow == wallet.InApp) {
			s.Errorf("pay type %q: openid is needed: %t, but the flow is %s", t, t.NeedsOpenID(), i.Flow)
		}
		for _, c := range i.Currencies[t] {
			if !c.Known() {
				s.Errorf("pay type %q: unknown currency %q", t, c)
			}
		}
	}
	if len(i.Currencies) != len(i.PayTypes) {
		s.Errorf("currencies for %d of %d pay types", len(i.Currencies), len(i.PayTypes))
	}
	for _, x := range i.Settings {
		if x.Name == "" || x.Help == "" || x.Secret && x.Default != "" {
			s.Errorf("setting %+v", x)
		}
	}
}

func (s *suite) settings() {
	refused := func(what, name string, a wallet.Account) {
		s.Helper()
		_, err := s.Driver.Open(a)
		if s.scrubbed(err) == nil {
			s.Errorf("%s %s: accepted", what, name)
		} else if !strings.Contains(err.Error(), name) {
			s.Errorf("%s %s: the error does not name it: %v", what, name, err)
		}
	}
	clone := func() wallet.Account {
		a := s.account
		a.Settings, a.Secrets = maps.Clone(a.Settings), maps.Clone(a.Secrets)
		return a
	}
	for _, x := range s.Driver.Info.Settings {
		if x.Required {
			a := clone()
			delete(a.Settings, x.Name)
			delete(a.Secrets, x.Name)
			refused("without", x.Name, a)
		}
	}
	for name := range s.account.Secrets {
		a := clone()
		a.Secrets[name] = ""
		refused("with an empty", name, a)
		a = clone()
		a.Settings[name] = a.Secrets[name].Reveal()
		delete(a.Secrets, name)
		refused("with the secret among the settings:", name, a)
	}
	a := clone()
	a.Settings["no_such_setting"] = "1"
	refused("with", "no_such_setting", a)
}

func (s *suite) capabilities() {
	o := s.order()
	for _, x := range []struct {
		can  wallet.Capability
		call func() (wallet.State, error)
	}{
		{wallet.CanRefund, func() (wallet.State, error) {
			return s.c.Refund(context.Background(), wallet.Refund{
				ID: "20260102100001123456789013", Order: o, Amount: o.Amount, At: s.clock,
			})
		}},
		{wallet.CanClose, func() (wallet.State, error) { return s.c.Close(context.Background(), o) }},
	} {
		before := s.requests.Load()
		st, err := x.call()
		s.scrubbed(err)
		switch unsupported := errors.Is(err, wallet.ErrUnsupported); {
		case unsupported == s.Driver.Info.Supports(x.can):
			s.Errorf("%s: declared %t, but the call gives %v", x.can, !unsupported, err)
		case unsupported && s.requests.Load() != before:
			s.Errorf("%s: unsupported, yet the wallet was asked", x.can)
		case settles(st): // the server answers with status 500
			s.Errorf("%s: %s from a wallet that is out of order", x.can, st.Outcome)
		}
	}
}
