package store_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/store/migrations"
	"github.com/sampanpay/sampan/internal/store/storetest"
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
				t.Errorf("docs/operating.md does not say whether the previous release may run beside %s",
					name)
			}
		}
	}
}

// A wrong path must not put our tables into another program's file.
func TestMigrateLeavesAnotherProgramsFileAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "contacts.db")
	_, err := open(t, "sqlite", path).ExecContext(t.Context(), "CREATE TABLE contact (name TEXT)")
	if err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = store.Migrate(t.Context(), store.Config{DSN: "sqlite:" + path, MasterKey: storetest.MasterKey})
	if err == nil || !strings.Contains(err.Error(), `has a table "contact" and no schema of Sampan's`) {
		t.Errorf("got %v", err)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file was changed, %v", err)
	}
}
