package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/sampanpay/sampan/internal/config"
	"github.com/sampanpay/sampan/internal/operator"
	"github.com/sampanpay/sampan/internal/wallet"
)

// configFlag is the flag of the operators' commands.
type configFlag struct {
	Config string `required:"" type:"existingfile" help:"Configuration file, as for serve." placeholder:"FILE"`
}

// look runs fn, which only reads, on the database of the configuration file.
func (f configFlag) look(ctx context.Context, fn func(*operator.Deployment) error) error {
	return f.open(ctx, operator.OpenReadOnly, fn)
}

// change runs fn on the database of the configuration file, which must have the
// schema that this program knows.
func (f configFlag) change(ctx context.Context, fn func(operator.Acts) error) error {
	return f.open(ctx, operator.Open, func(d *operator.Deployment) error {
		return fn(d.By(operator.OnCommandLine()))
	})
}

func (f configFlag) open(ctx context.Context,
	open func(context.Context, config.Config, map[string]wallet.Driver) (*operator.Deployment, error),
	fn func(*operator.Deployment) error,
) error {
	c, err := config.Read(f.Config)
	if err != nil {
		return err
	}
	d, err := open(ctx, c, wallets)
	if err != nil {
		return err
	}
	return errors.Join(flagError(fn(d)), d.Close())
}

// flagError names the flag whose value a use case refuses.
func flagError(err error) error {
	if _, ok := errors.AsType[*operator.InputError](err); ok {
		return fmt.Errorf("--%w", err)
	}
	return err
}
