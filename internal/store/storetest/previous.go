package storetest

import (
	"bytes"
	"compress/gzip"
	"embed"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"
)

// previous are databases of schema 8 that the binary of the release before
// 00009_house has filled with everything that it can record, and what its commands
// printed about them. scripts/previous makes them.
//
//go:embed previous/*.gz
var previous embed.FS

// EachPrevious runs f on a database of each kind that the previous release has
// filled, as subtests, with its address and what that release printed about it.
// The master key is MasterKey.
func EachPrevious(t *testing.T, f func(t *testing.T, dsn, printed string)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "sampan.db")
		if err := os.WriteFile(path, unzip(t, "sqlite.db"), 0o600); err != nil {
			t.Fatal(err)
		}
		f(t, "sqlite:"+path, string(unzip(t, "sqlite.txt")))
	})
	t.Run("postgres", func(t *testing.T) {
		dsn := EmptyPostgresDSN(t)
		conn, err := pgx.Connect(t.Context(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		_, err = conn.Exec(t.Context(), string(unzip(t, "postgres.sql")))
		if closed := conn.Close(t.Context()); err != nil || closed != nil {
			t.Fatal(err, closed)
		}
		f(t, dsn, string(unzip(t, "postgres.txt")))
	})
}

func unzip(t *testing.T, name string) []byte {
	t.Helper()
	file, err := previous.ReadFile("previous/" + name + ".gz")
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
