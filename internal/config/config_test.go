package config

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sampanpay/sampan/internal/gateway"
)

// The example file claims to show every key. This test reads the keys that are
// commented out too.
func TestExampleShowsEveryKey(t *testing.T) {
	text, err := os.ReadFile("../../sampan.example.toml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	key := filepath.Join(dir, "master.key")
	if err := os.WriteFile(key, []byte(strings.Repeat("0f", 32)), 0o600); err != nil {
		t.Fatal(err)
	}
	shown := regexp.MustCompile(`(?m)^#([a-z_]+ = )`).ReplaceAllString(string(text), "$1")
	for _, name := range tomlKeys(reflect.TypeFor[Config]()) {
		if !regexp.MustCompile(`(?m)^(` + name + ` = |\[` + name + `\]$)`).MatchString(shown) {
			t.Errorf("%s is not shown", name)
		}
	}
	path := filepath.Join(dir, "sampan.toml")
	err = os.WriteFile(path, []byte(strings.ReplaceAll(shown, "/etc/sampan/master.key", key)), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	c, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	// The defaults that the example shows are the defaults of the program.
	for status, policy := range gateway.DefaultLate {
		if c.Late[status] != policy {
			t.Errorf("late.%s: the example shows %q, the default is %q", status, c.Late[status], policy)
		}
	}
	if len(c.Late) != len(gateway.DefaultLate) {
		t.Errorf("late: %v", c.Late)
	}
	if window := time.Duration(c.RefundDays) * 24 * time.Hour; window != gateway.DefaultRefundWindow {
		t.Errorf("refund_days: the example shows %s, the default is %s", window, gateway.DefaultRefundWindow)
	}
}

// With two slashes a relative path would name a file in the root directory.
func TestDatabaseOfTwoSlashesIsRefused(t *testing.T) {
	for dsn, fine := range map[string]bool{
		"sqlite://sampan.db": false, "sqlite://var/lib/sampan.db": false,
		"sqlite:sampan.db": true, "sqlite:/var/lib/sampan.db": true, "sqlite:///var/lib/sampan.db": true,
	} {
		c := Config{Database: dsn}
		if err := c.Complete(); err == nil || strings.Contains(err.Error(), "two slashes") == fine {
			t.Errorf("%s: %v", dsn, err)
		}
	}
}

// tomlKeys lists the keys of a configuration, including those of its tables.
func tomlKeys(of reflect.Type) (keys []string) {
	for i := range of.NumField() {
		f := of.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("toml"), ",")
		if name == "" || name == "-" {
			continue
		}
		keys = append(keys, name)
		if f.Type.Kind() == reflect.Struct {
			keys = append(keys, tomlKeys(f.Type)...)
		}
	}
	return keys
}

func TestTroubleStatusIs200Or503(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("SAMPAN_MASTER_KEY", strings.Repeat("0f", 32))
	for line, want := range map[string]int{
		// 0: refused
		"": 503, "trouble_status = 503": 503, "trouble_status = 200": 200, "trouble_status = 500": 0,
	} {
		path := filepath.Join(dir, "sampan.toml")
		if err := os.WriteFile(path, []byte("database = \"sqlite:x.db\"\n"+line), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := Read(path)
		switch {
		case want == 0 && (err == nil ||
			!strings.Contains(err.Error(), "trouble_status: 500 is neither 200 nor 503")):
			t.Errorf("%q: got %v, want an error", line, err)
		case want != 0 && (err != nil || c.TroubleStatus != want):
			t.Errorf("%q: got %d, %v, want %d", line, c.TroubleStatus, err, want)
		}
	}
}
