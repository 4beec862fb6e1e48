package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestKeyFileThatOthersMayChangeOrRead(t *testing.T) {
	for _, c := range []struct {
		mode, directory os.FileMode
		readable        bool
		want            string // the error; "" expects success
	}{
		{mode: 0o600}, {mode: 0o400}, {mode: 0o600, readable: true}, {mode: 0o700},
		{mode: 0o444, readable: true}, {mode: 0o644, readable: true}, {mode: 0o440, readable: true},
		{mode: 0o444, want: "can be read by every user of this machine (-r--r--r--); chmod 600 "},
		{mode: 0o644, want: "can be read by every user of this machine"},
		{mode: 0o604, want: "can be read by every user of this machine"},
		{mode: 0o640, want: "can be read by its group (-rw-r-----); chmod 600 "},
		{mode: 0o620, want: "can be changed by its group (-rw--w----); chmod 600 "},
		{mode: 0o602, want: "can be changed by every user of this machine"},
		{mode: 0o666, want: "can be changed by every user of this machine"},
		{mode: 0o666, readable: true,
			want: "can be changed by every user of this machine (-rw-rw-rw-); chmod go-w "},
		{mode: 0o664, readable: true, want: "can be changed by its group"},
		{mode: 0o600, directory: 0o777, want: "can be replaced by every user of this machine"},
		{mode: 0o600, directory: 0o777, readable: true,
			want: "can be replaced by every user of this machine"},
		{mode: 0o600, directory: 0o777 | os.ModeSticky},
		{mode: 0o600, directory: 0o775},
	} {
		dir := t.TempDir()
		// As Kubernetes mounts a secret: the name is a link into another directory.
		kept, key := filepath.Join(dir, "kept"), filepath.Join(dir, "master.key")
		if err := os.Mkdir(kept, 0o700); err != nil {
			t.Fatal(err)
		}
		target := filepath.Join(kept, "master.key")
		if err := os.WriteFile(target, []byte(strings.Repeat("0f", 32)+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("kept/master.key", key); err != nil {
			t.Fatal(err)
		}
		if c.directory == 0 {
			c.directory = 0o700
		}
		if err := os.Chmod(kept, c.directory); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(target, c.mode); err != nil {
			t.Fatal(err)
		}
		conf := Config{Database: "sqlite:x.db", MasterKeyFile: key, KeyReadable: c.readable}
		if err := conf.Complete(); err != nil || len(conf.MasterKey.Reveal()) != 64 {
			t.Fatal(err)
		}
		err := conf.KeyFile.Check(conf.KeyReadable)
		switch {
		case c.want == "" && err != nil,
			c.want != "" && (err == nil ||
				!strings.Contains(err.Error(), "master_key_file: "+key+" "+c.want)):
			t.Errorf("%v in %v, readable %v: %v, want %q", c.mode, c.directory, c.readable, err, c.want)
		}
	}
	if err := (KeyFile{}).Check(false); err != nil {
		t.Errorf("a key from the environment: %v", err)
	}
}
