package doctor

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSaysWhoElseReadsTheConfiguration(t *testing.T) {
	const password = "holds the database's password, and can be read by "
	for _, c := range []struct {
		mode     os.FileMode
		database string
		want     string // "" if nothing is said
	}{
		{0o600, "postgres://u:hidden@127.0.0.1:1/x", ""},
		{0o644, "postgres://u@127.0.0.1:1/x", ""},
		{0o644, "sqlite:x.db", ""},
		{0o640, "postgres://u:hidden@127.0.0.1:1/x", password + "its group (-rw-r-----)"},
		{0o644, "postgres://u:hidden@127.0.0.1:1/x", password + "every user of this machine"},
		{0o664, "sqlite:x.db", "can be changed by its group (-rw-rw-r--)"},
		{0o666, "sqlite:x.db", "can be changed by every user of this machine"},
	} {
		dir := t.TempDir()
		key, file := filepath.Join(dir, "master.key"), filepath.Join(dir, "sampan.toml")
		c.database = strings.Replace(c.database, "sqlite:", "sqlite:"+dir+"/", 1)
		text := fmt.Sprintf("database = %q\nmaster_key_file = %q\n", c.database, key)
		for name, text := range map[string]string{key: strings.Repeat("0f", 32), file: text} {
			if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chmod(file, c.mode); err != nil {
			t.Fatal(err)
		}
		said, _ := findings(t, file, offline)
		doubted := strings.Contains(said, "! configuration ")
		if doubted != (c.want != "") || strings.Contains(said, "hidden") ||
			c.want != "" && !strings.Contains(said, "! configuration   "+file+" "+c.want) {
			t.Errorf("%v, %.20s: want %q in\n%s", c.mode, c.database, c.want, said)
		}
	}
}
