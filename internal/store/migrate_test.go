package store_test

import (
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/sampanpay/sampan/internal/store/migrations"
)

func TestOperatingSaysWhatMayRunBesideEachStep(t *testing.T) {
	text, err := os.ReadFile("../../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, files := range []fs.FS{migrations.SQLite, migrations.Postgres} {
		names, err := fs.Glob(files, "*.sql")
		if err != nil || len(names) == 0 {
			t.Fatal(names, err)
		}
		for _, name := range names {
			if !strings.Contains(string(text), "| `"+strings.TrimSuffix(name, ".sql")+"` |") {
				t.Errorf("docs/operating.md does not say whether the previous release may run beside %s", name)
			}
		}
	}
}
