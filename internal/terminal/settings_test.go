package terminal

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sampanpay/sampan/internal/pay"
)

func TestReadSettings(t *testing.T) {
	file := filepath.Join(t.TempDir(), "cert")
	if err := os.WriteFile(file, []byte(" text\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	settings, secrets, err := ReadSettings(
		map[string]string{"partner": "2088", "dash": "-", "cert": "@" + file},
		map[string]string{"md5_key": "-"}, strings.NewReader("k\n"))
	want := map[string]string{"partner": "2088", "dash": "-", "cert": "text"}
	if diff := cmp.Diff(want, settings); err != nil || diff != "" {
		t.Errorf("%v -want +got:\n%s", err, diff)
	}
	if diff := cmp.Diff(map[string]pay.Secret{"md5_key": "k"}, secrets); diff != "" {
		t.Errorf("secrets -want +got:\n%s", diff)
	}
	for flag, try := range map[string][2]map[string]string{
		"--set a: ":    {{"a": "@/none"}, nil},
		"--secret b: ": {nil, {"b": "open"}},
	} {
		_, _, err := ReadSettings(try[0], try[1], strings.NewReader(""))
		if err == nil || !strings.HasPrefix(err.Error(), flag) {
			t.Errorf("%q: %v", flag, err)
		}
	}
}

func TestConfirmNeedsATerminal(t *testing.T) {
	var out strings.Builder
	err := Confirm("Close?", strings.NewReader("y\n"), &out)
	if err == nil || !strings.Contains(err.Error(), "--yes") || out.Len() > 0 {
		t.Errorf("asked %q: %v", out.String(), err)
	}
}
