package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/sampanpay/sampan/internal/pay"
)

// makeKey is the command that makes a master key which only its owner can read.
const makeKey = "(umask 077; openssl rand -hex 32 > master.key)"

// KeyFile is the file that the master key was read from: its name, and its owner
// and mode when it was read. Info describes the file at the end of symbolic links.
type KeyFile struct {
	Name string
	Info fs.FileInfo // nil if the key comes from the environment
}

// readKeyFile reads a master key, without the white space around it.
func readKeyFile(name string) (pay.Secret, KeyFile, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", KeyFile{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", KeyFile{}, err
	}
	text, err := io.ReadAll(io.LimitReader(f, 64<<10))
	return pay.Secret(strings.TrimSpace(string(text))), KeyFile{name, info}, err
}

// KeyProblem is a permission that a key file must not have, and the command that
// removes it.
type KeyProblem struct{ Finding, Advice string }

// Problem returns which users besides the owner can change the key file, or can
// read it although readable is false. It returns the zero KeyProblem if there are
// none. The group may read the file if this process itself reads it through its
// group: a file of root's, with the group of the process.
func (k KeyFile) Problem(readable bool) KeyProblem {
	if k.Info == nil {
		return KeyProblem{}
	}
	mode := k.Info.Mode().Perm()
	if mode&0o022 != 0 {
		advice := "chmod 600 " + k.Name
		if readable {
			advice = "chmod go-w " + k.Name
		}
		return KeyProblem{fmt.Sprintf("%s can be changed by %s (%v)", k.Name, Writers(mode), mode), advice}
	}
	if dir, open := k.openDirectory(); open {
		finding := k.Name + " can be replaced by every user of this machine: its directory is open to all"
		return KeyProblem{finding, "chmod o-w " + dir}
	}
	if mode&0o004 != 0 && !readable || mode&0o040 != 0 && !readable && !k.readByGroup() {
		return KeyProblem{
			fmt.Sprintf("%s can be read by %s (%v)", k.Name, Readers(mode), mode),
			"chmod 600 " + k.Name + "; where a mounted secret has this mode, say master_key_readable = true",
		}
	}
	return KeyProblem{}
}

// Check returns Problem as an error. serve refuses to start with such a file.
func (k KeyFile) Check(readable bool) error {
	if f := k.Problem(readable); f != (KeyProblem{}) {
		return errors.New("master_key_file: " + f.Finding + "; " + f.Advice)
	}
	return nil
}

// openDirectory reports whether every user may replace the file: whether the
// directory at the end of symbolic links is writable for all and lacks the sticky
// bit. It also returns that directory.
func (k KeyFile) openDirectory() (string, bool) {
	path, err := filepath.EvalSymlinks(k.Name)
	if err != nil {
		return "", false
	}
	dir := filepath.Dir(path)
	info, err := os.Stat(dir)
	return dir, err == nil && info.Mode().Perm()&0o002 != 0 && info.Mode()&os.ModeSticky == 0
}

// readByGroup reports whether this process can read the file only through its
// group.
func (k KeyFile) readByGroup() bool {
	owner, ok := k.Info.Sys().(*syscall.Stat_t)
	if !ok || int(owner.Uid) == os.Geteuid() || os.Geteuid() == 0 {
		return false
	}
	groups, err := os.Getgroups()
	return int(owner.Gid) == os.Getegid() || err == nil && slices.Contains(groups, int(owner.Gid))
}

// Readers names the users besides the owner that can read a file of this mode.
func Readers(mode fs.FileMode) string { return others(mode, 0o040, 0o004) }

// Writers names the users besides the owner that can change a file of this mode.
func Writers(mode fs.FileMode) string { return others(mode, 0o020, 0o002) }

// others names the users besides the owner that have a permission.
func others(mode fs.FileMode, group, everybody fs.FileMode) string {
	switch {
	case mode&everybody != 0:
		return "every user of this machine"
	case mode&group != 0:
		return "its group"
	}
	return "nobody else"
}
