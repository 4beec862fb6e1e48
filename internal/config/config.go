package config

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"time"
	_ "time/tzdata" // zones must be there on a bare machine too

	"github.com/pelletier/go-toml/v2"

	"github.com/sampanpay/sampan/internal/delivery"
	"github.com/sampanpay/sampan/internal/gateway"
	"github.com/sampanpay/sampan/internal/outbound"
	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
)

// Config is the file that serve and the operator's commands read. Every key is
// explained in sampan.example.toml. The environment wins over the file for the
// few values that differ between machines: SAMPAN_LISTEN, SAMPAN_BASE_URL,
// SAMPAN_DATABASE, SAMPAN_MASTER_KEY.
type Config struct {
	Listen         string   `toml:"listen,omitempty"`
	BaseURL        string   `toml:"base_url,omitempty"`
	Database       string   `toml:"database,omitempty"`
	Connections    int      `toml:"database_connections,omitempty"`
	MasterKeyFile  string   `toml:"master_key_file,omitempty"`
	KeyReadable    bool     `toml:"master_key_readable,omitempty"`
	Zone           string   `toml:"zone,omitempty"`
	PayURL         string   `toml:"pay_url,omitempty"`
	TrustedProxies []string `toml:"trusted_proxies,omitempty"`
	LogFormat      string   `toml:"log_format,omitempty"`
	LogLevel       string   `toml:"log_level,omitempty"`
	RefundDays     int      `toml:"refund_days,omitempty"`
	MaxConnections int      `toml:"max_connections,omitempty"`
	TroubleStatus  int      `toml:"trouble_status,omitempty"`

	Late     map[pay.Status]gateway.LatePolicy `toml:"late,omitempty"`
	Delivery Delivery                          `toml:"delivery,omitempty"`
	Recover  Recover                           `toml:"recover,omitempty"`

	MasterKey pay.Secret     `toml:"-"`
	KeyFile   KeyFile        `toml:"-"` // zero if the key came from the environment
	Location  *time.Location `toml:"-"` // of Zone
	Proxies   []netip.Prefix `toml:"-"` // of TrustedProxies
}

// Delivery is the table of the notifications to merchants.
type Delivery struct {
	Ports   []uint16         `toml:"ports,omitempty"`
	Allow   []outbound.Allow `toml:"allow,omitempty"`
	Gaps    []Duration       `toml:"gaps,omitempty"`
	Timeout Duration         `toml:"timeout,omitempty"`
	Lease   Duration         `toml:"lease,omitempty"`
}

// Recover is the table of the inquiries at wallets.
type Recover struct {
	Looks  []Duration `toml:"looks,omitempty"`
	Margin Duration   `toml:"margin,omitempty"`
	Lease  Duration   `toml:"lease,omitempty"`
}

// Duration is a time.Duration that reads as "2m" or "10s".
type Duration time.Duration

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil || v <= 0 {
		return fmt.Errorf("%q is not a duration such as \"90s\" or \"2h\"", text)
	}
	*d = Duration(v)
	return nil
}

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// Durations are plain ones; nil, for the default, if there are none.
func Durations(ds []Duration) []time.Duration {
	var out []time.Duration
	for _, d := range ds {
		out = append(out, time.Duration(d))
	}
	return out
}

// Read reads and checks a configuration file. Errors name the key.
func Read(path string) (Config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("read the configuration: %w", err)
	}
	var c Config
	decoder := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields()
	if err := decoder.Decode(&c); err != nil {
		return Config{}, fmt.Errorf("%s: %w", path, unreadable(err))
	}
	for name, value := range map[string]*string{"LISTEN": &c.Listen, "BASE_URL": &c.BaseURL, "DATABASE": &c.Database} {
		if v := os.Getenv("SAMPAN_" + name); v != "" {
			*value = v
		}
	}
	c.MasterKey = pay.Secret(os.Getenv("SAMPAN_MASTER_KEY"))
	if err := c.Complete(); err != nil {
		return Config{}, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// unreadable says where a file is wrong, and does not repeat the line: there
// may be a password in it.
func unreadable(err error) error {
	var unknown *toml.StrictMissingError
	var wrong *toml.DecodeError
	switch {
	case errors.As(err, &unknown):
		var keys []string
		for _, e := range unknown.Errors {
			line, _ := e.Position()
			keys = append(keys, fmt.Sprintf("%s (line %d)", strings.Join(e.Key(), "."), line))
		}
		return fmt.Errorf("unknown keys: %s", strings.Join(keys, ", "))
	case errors.As(err, &wrong):
		line, _ := wrong.Position()
		return fmt.Errorf("line %d: %w", line, err)
	}
	return err
}

// Complete fills in the defaults and checks the values.
func (c *Config) Complete() error {
	if c.Database == "" {
		return errors.New(`database: missing; for example "sqlite:/var/lib/sampan/sampan.db"`)
	}
	if path, ok := strings.CutPrefix(c.Database, "sqlite://"); ok && !strings.HasPrefix(path, "/") {
		return fmt.Errorf("database: two slashes would name /%[1]s, in the root directory: write sqlite:%[1]s or sqlite:/%[1]s", path)
	}
	if c.MasterKey == "" {
		if c.MasterKeyFile == "" {
			return errors.New("master_key_file: missing, and SAMPAN_MASTER_KEY is not set; make one with: " + makeKey)
		}
		var err error
		if c.MasterKey, c.KeyFile, err = readKeyFile(c.MasterKeyFile); err != nil {
			return fmt.Errorf("master_key_file: %w", err)
		}
	}
	if c.Listen == "" {
		c.Listen = "127.0.0.1:7700"
	}
	if c.Zone == "" {
		c.Zone = "Asia/Hong_Kong"
	}
	var err error
	if c.Location, err = time.LoadLocation(c.Zone); err != nil {
		return fmt.Errorf("zone: %w", err)
	}
	switch c.PayURL {
	case "":
		c.PayURL = "link"
	case "link", "direct":
	default:
		return fmt.Errorf("pay_url: %q is neither \"link\" nor \"direct\"", c.PayURL)
	}
	switch {
	case c.Connections == 0:
		c.Connections = store.DefaultConnections
	case c.Connections < 2 || c.Connections > 1000:
		return errors.New("database_connections: must be a number from 2 to 1000")
	}
	if c.RefundDays < 0 || c.RefundDays > 9999 {
		return errors.New("refund_days: must be a number of days from 1 to 9999")
	}
	switch c.TroubleStatus {
	case 0:
		c.TroubleStatus = http.StatusServiceUnavailable
	case http.StatusOK, http.StatusServiceUnavailable:
	default:
		return fmt.Errorf("trouble_status: %d is neither 200 nor 503", c.TroubleStatus)
	}
	if c.MaxConnections < 0 {
		return errors.New("max_connections: must be a number above 0; leave it out for the default")
	}
	if err := gateway.CheckLate(c.Late); err != nil {
		return fmt.Errorf("late: %w", err)
	}
	c.Proxies = nil
	for _, text := range c.TrustedProxies {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return fmt.Errorf("trusted_proxies: %q is not a prefix such as 10.0.0.0/8", text)
		}
		c.Proxies = append(c.Proxies, prefix)
	}
	if _, err := c.Level(); err != nil {
		return err
	}
	return nil
}

// Encode writes the configuration as a file that Read reads.
func (c Config) Encode() ([]byte, error) { return toml.Marshal(c) }

// StoreConfig is what the database is opened with.
func (c *Config) StoreConfig(log *slog.Logger) store.Config {
	return store.Config{DSN: c.Database, MasterKey: c.MasterKey, Log: log, Connections: c.Connections}
}

// Notification writes the body that tells a merchant of a payment.
func (c *Config) Notification(p pay.Payment) []byte { return delivery.Body(p, c.Location) }

// RefundNotification is Notification for a refund.
func (c *Config) RefundNotification(r pay.Refund, p pay.Payment) []byte {
	return delivery.RefundBody(r, p, c.Location)
}

// Level is the log level.
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
