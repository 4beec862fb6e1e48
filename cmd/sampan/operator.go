package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/sampanpay/sampan/internal/config"
	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
)

// deployment is an open database with its configuration, for the commands of the
// people who run a deployment.
type deployment struct {
	*store.DB
	config.Config
}

// configFlag is shared by the operator's commands.
type configFlag struct {
	Config string `required:"" type:"existingfile" help:"Configuration file, as for serve." placeholder:"FILE"`
}

// openDatabase is store.Open or store.OpenReadOnly.
type openDatabase func(context.Context, store.Config) (*store.DB, error)

func openOperator(ctx context.Context, c config.Config, open openDatabase) (deployment, error) {
	db, err := open(ctx, c.StoreConfig(slog.New(slog.DiscardHandler)))
	if err != nil {
		return deployment{}, err
	}
	return deployment{DB: db, Config: c}, nil
}

// look runs fn, which only reads, on the database of the configuration file. It
// creates, changes and locks nothing.
func (f configFlag) look(ctx context.Context, fn func(deployment) error) error {
	return f.open(ctx, store.OpenReadOnly, fn)
}

// change runs fn on the database of the configuration file, which must have the
// schema that this program knows.
func (f configFlag) change(ctx context.Context, fn func(deployment) error) error {
	return f.open(ctx, store.Open, fn)
}

func (f configFlag) open(ctx context.Context, open openDatabase, fn func(deployment) error) error {
	c, err := config.Read(f.Config)
	if err != nil {
		return err
	}
	o, err := openOperator(ctx, c, open)
	if err != nil {
		return err
	}
	return errors.Join(fn(o), o.Close())
}

// when prints a time for people, in the deployment's zone.
func when(t time.Time, zone *time.Location) string {
	if t.IsZero() {
		return "-"
	}
	return t.In(zone).Format("2006-01-02 15:04:05")
}

// newCode draws a random name or key of n bytes, in upper-case hex.
func newCode(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails
	return strings.ToUpper(hex.EncodeToString(b))
}

// readSecret reads a secret named by "@FILE", "-" (standard input) or
// "env:NAME", so that it stands neither in the shell's history nor in ps.
func readSecret(source string, stdin io.Reader) (pay.Secret, error) {
	var text []byte
	var err error
	switch {
	case source == "-":
		text, err = io.ReadAll(io.LimitReader(stdin, 64<<10))
	case strings.HasPrefix(source, "@"):
		text, err = os.ReadFile(source[1:])
	case strings.HasPrefix(source, "env:"):
		value, ok := os.LookupEnv(source[4:])
		if !ok {
			return "", fmt.Errorf("%s is not set", source[4:])
		}
		text = []byte(value)
	default:
		return "", errors.New("give a secret as @FILE, as - for standard input, or as env:NAME, never on the command line")
	}
	if err != nil {
		return "", fmt.Errorf("read a secret: %w", err)
	}
	if secret := strings.TrimSpace(string(text)); secret != "" {
		return pay.Secret(secret), nil
	}
	return "", fmt.Errorf("the secret from %s is empty", source)
}
