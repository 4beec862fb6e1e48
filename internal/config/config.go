package config

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"time"
	_ "time/tzdata" // a bare machine has no zone files

	"github.com/pelletier/go-toml/v2"

	"github.com/sampanpay/sampan/internal/gateway"
	"github.com/sampanpay/sampan/internal/outbound"
	"github.com/sampanpay/sampan/internal/pay"
)

// Config is the content of a configuration file. sampan.example.toml explains
// every key. For the four values that differ between machines the environment
// takes precedence over the file: SAMPAN_LISTEN, SAMPAN_BASE_URL,
// SAMPAN_DATABASE and SAMPAN_MASTER_KEY.
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

	// Complete sets these from the keys above and the environment.
	MasterKey pay.Secret     `toml:"-"`
	KeyFile   KeyFile        `toml:"-"` // zero if the key comes from the environment
	Location  *time.Location `toml:"-"` // of Zone
	Proxies   []netip.Prefix `toml:"-"` // of TrustedProxies
}

// Delivery is the table [delivery]: the notifications to merchants.
type Delivery struct {
	Ports   []uint16         `toml:"ports,omitempty"`
	Allow   []outbound.Allow `toml:"allow,omitempty"`
	Gaps    []Duration       `toml:"gaps,omitempty"`
	Timeout Duration         `toml:"timeout,omitempty"`
	Lease   Duration         `toml:"lease,omitempty"`
}

// Recover is the table [recover]: the inquiries at wallets.
type Recover struct {
	Looks  []Duration `toml:"looks,omitempty"`
	Margin Duration   `toml:"margin,omitempty"`
	Lease  Duration   `toml:"lease,omitempty"`
}

// Duration is a time.Duration that is written as "2m" or "10s".
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

// Durations converts ds. An empty list becomes nil, which stands for the default.
func Durations(ds []Duration) []time.Duration {
	var out []time.Duration
	for _, d := range ds {
		out = append(out, time.Duration(d))
	}
	return out
}

// Read reads a configuration file and the environment, and calls Complete. An
// error names the key, and never repeats a line of the file.
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
	for name, value := range map[string]*string{
		"LISTEN": &c.Listen, "BASE_URL": &c.BaseURL, "DATABASE": &c.Database,
	} {
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

// unreadable returns which lines of a file cannot be read. It does not repeat a
// line: there may be a password in it.
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

// Encode writes the configuration as a file that Read reads.
func (c Config) Encode() ([]byte, error) { return toml.Marshal(c) }
