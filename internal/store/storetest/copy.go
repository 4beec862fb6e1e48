package storetest

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Copy copies a database that nobody has open, as if a backup of it were restored,
// and returns the copy's address.
func Copy(t testing.TB, dsn string) string {
	t.Helper()
	path, ok := strings.CutPrefix(dsn, "sqlite:")
	if !ok {
		u, err := url.Parse(dsn)
		if err != nil {
			t.Fatal(err)
		}
		return makeDatabase(t, server(t), strings.TrimPrefix(u.Path, "/"))
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "sampan.db")
	if err := os.WriteFile(copied, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return "sqlite:" + copied
}
