package terminal

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReadSecret(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte(" from a file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("A_SECRET", "from the environment")
	t.Setenv("AN_EMPTY_ONE", " ")
	for _, tt := range []struct{ source, want, err string }{
		{source: "@" + file, want: "from a file"},
		{source: "-", want: "from standard input"},
		{source: "env:A_SECRET", want: "from the environment"},
		{source: "env:AN_EMPTY_ONE", err: "is empty"},
		{source: "env:NO_SUCH_SECRET", err: "NO_SUCH_SECRET is not set"},
		{source: "@nowhere", err: "no such file"},
		{source: "the-secret-itself", err: "never on the command line"},
	} {
		got, err := ReadSecret(tt.source, strings.NewReader("from standard input\n"))
		switch {
		case tt.err == "" && (err != nil || got.Reveal() != tt.want):
			t.Errorf("%s: got %q, %v", tt.source, got.Reveal(), err)
		case tt.err != "" && (err == nil ||
			!strings.Contains(err.Error(), tt.err) || strings.Contains(err.Error(), "itself")):
			t.Errorf("%s: got %v, want %q", tt.source, err, tt.err)
		}
	}
}

func TestReadText(t *testing.T) {
	file := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(file, []byte("a=1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for source, want := range map[string]string{"a=1&b=2": "a=1&b=2", "@" + file: "a=1\n", "-": "stdin"} {
		if got, err := ReadText(source, strings.NewReader("stdin")); err != nil || got != want {
			t.Errorf("%s: got %q, %v", source, got, err)
		}
	}
	if _, err := ReadText("-", strings.NewReader(strings.Repeat("x", 64<<10+1))); err == nil {
		t.Error("a text of over 64 KiB is read")
	}
}
