package config

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/sampanpay/sampan/internal/gateway"
	"github.com/sampanpay/sampan/internal/store"
)

// Complete fills in the defaults and checks every value. The error names the
// first key that is wrong.
func (c *Config) Complete() error {
	for _, check := range []func() error{
		c.checkDatabase, c.readMasterKey, c.checkAddresses, c.checkLimits, c.checkProxies,
	} {
		if err := check(); err != nil {
			return err
		}
	}
	_, err := c.Level()
	return err
}

func (c *Config) checkDatabase() error {
	if c.Database == "" {
		return errors.New(`database: missing; for example "sqlite:/var/lib/sampan/sampan.db"`)
	}
	if path, ok := strings.CutPrefix(c.Database, "sqlite://"); ok && !strings.HasPrefix(path, "/") {
		return fmt.Errorf("database: two slashes would name /%[1]s, in the root directory: "+
			"write sqlite:%[1]s or sqlite:/%[1]s", path)
	}
	return nil
}

// readMasterKey reads the master key from its file, unless the environment has it.
func (c *Config) readMasterKey() (err error) {
	switch {
	case c.MasterKey != "":
		return nil
	case c.MasterKeyFile == "":
		return errors.New(
			"master_key_file: missing, and SAMPAN_MASTER_KEY is not set; make one with: " + makeKey,
		)
	}
	if c.MasterKey, c.KeyFile, err = readKeyFile(c.MasterKeyFile); err != nil {
		return fmt.Errorf("master_key_file: %w", err)
	}
	return nil
}

func (c *Config) checkAddresses() (err error) {
	c.Listen = cmp.Or(c.Listen, "127.0.0.1:7700")
	c.Zone = cmp.Or(c.Zone, "Asia/Hong_Kong")
	c.PayURL = cmp.Or(c.PayURL, "link")
	if c.Location, err = time.LoadLocation(c.Zone); err != nil {
		return fmt.Errorf("zone: %w", err)
	}
	if c.PayURL != "link" && c.PayURL != "direct" {
		return fmt.Errorf("pay_url: %q is neither \"link\" nor \"direct\"", c.PayURL)
	}
	return nil
}

func (c *Config) checkLimits() error {
	c.Connections = cmp.Or(c.Connections, store.DefaultConnections)
	c.TroubleStatus = cmp.Or(c.TroubleStatus, http.StatusServiceUnavailable)
	switch {
	case c.Connections < 2 || c.Connections > 1000:
		return errors.New("database_connections: must be a number from 2 to 1000")
	case c.RefundDays < 0 || c.RefundDays > 9999:
		return errors.New("refund_days: must be a number of days from 1 to 9999")
	case c.TroubleStatus != http.StatusOK && c.TroubleStatus != http.StatusServiceUnavailable:
		return fmt.Errorf("trouble_status: %d is neither 200 nor 503", c.TroubleStatus)
	case c.MaxConnections < 0:
		return errors.New("max_connections: must be a number above 0; leave it out for the default")
	}
	if err := gateway.CheckLate(c.Late); err != nil {
		return fmt.Errorf("late: %w", err)
	}
	return nil
}

func (c *Config) checkProxies() error {
	c.Proxies = nil
	for _, text := range c.TrustedProxies {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return fmt.Errorf("trusted_proxies: %q is not a prefix such as 10.0.0.0/8", text)
		}
		c.Proxies = append(c.Proxies, prefix)
	}
	return nil
}

// CheckServe checks what only serve needs: base_url, and that nobody besides its
// owner can read or change the master key's file.
func (c *Config) CheckServe() error {
	if c.BaseURL == "" {
		return errors.New("base_url: missing; it is how buyers and wallets reach this server")
	}
	return c.KeyFile.Check(c.KeyReadable)
}

// IsSQLite reports whether the database is a SQLite file. Otherwise it is PostgreSQL.
func (c *Config) IsSQLite() bool { return strings.HasPrefix(c.Database, "sqlite:") }

// Level returns the log level of log_level; the default is info.
func (c *Config) Level() (slog.Level, error) {
	var level slog.Level
	if c.LogLevel == "" {
		return slog.LevelInfo, nil
	}
	if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil {
		return level, fmt.Errorf("log_level: %q is none of debug, info, warn, error", c.LogLevel)
	}
	return level, nil
}

// StoreConfig returns the settings that the store opens the database with.
func (c *Config) StoreConfig(log *slog.Logger) store.Config {
	return store.Config{DSN: c.Database, MasterKey: c.MasterKey, Log: log, Connections: c.Connections}
}
