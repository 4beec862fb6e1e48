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

// makeKey is how a master key is made so that only its owner can read it.
const makeKey = "(umask 077; openssl rand -hex 32 > master.key)"

// KeyFile is the file that the master key was read from: its name, and what its
// owner and mode were when it was read. Links have been followed.
type KeyFile struct {
	Name string
	Info fs.FileInfo // nil if the key came from elsewhere
}

// readKeyFile reads a master key.
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

// KeyFault is what is wrong with who may do what to a key file, and the cure.
type KeyFault struct{ Finding, Cure string }

// Fault says who but its owner may change a key file, or read it unless that is
// allowed; the zero KeyFault if nobody may. The group may read it where that is
// how this process reads it: a file of root's and of the process's group.
func (k KeyFile) Fault(readable bool) KeyFault {
	if k.Info == nil {
		return KeyFault{}
	}
	mode := k.Info.Mode().Perm()
	if mode&0o022 != 0 {
		cure := "chmod 600 " + k.Name
		if readable {
			cure = "chmod go-w " + k.Name
		}
		return KeyFault{fmt.Sprintf("%s can be changed by %s (%v)", k.Name, Writers(mode), mode), cure}
	}
	if dir, open := k.openDirectory(); open {
		return KeyFault{fmt.Sprintf("%s can be replaced by every user of this machine: its directory is open to all", k.Name), "chmod o-w " + dir}
	}
	if mode&0o004 != 0 && !readable || mode&0o040 != 0 && !readable && !k.readByGroup() {
		return KeyFault{
			fmt.Sprintf("%s can be read by %s (%v)", k.Name, Readers(mode), mode),
			"chmod 600 " + k.Name + "; where a mounted secret has this mode, say master_key_readable = true",
		}
	}
	return KeyFault{}
}

// Check is Fault as an error.
func (k KeyFile) Check(readable bool) error {
	if f := k.Fault(readable); f != (KeyFault{}) {
		return errors.New("master_key_file: " + f.Finding + "; " + f.Cure)
	}
	return nil
}

// openDirectory reports whether everybody may put another file in place of this
// one: the directory of the file itself, where the links end, and whether it is
// open to all without the bit that leaves each user's files to the user.
func (k KeyFile) openDirectory() (string, bool) {
	path, err := filepath.EvalSymlinks(k.Name)
	if err != nil {
		return "", false
	}
	dir := filepath.Dir(path)
	info, err := os.Stat(dir)
	return dir, err == nil && info.Mode().Perm()&0o002 != 0 && info.Mode()&os.ModeSticky == 0
}

// readByGroup reports whether this process needs its group to read the file.
func (k KeyFile) readByGroup() bool {
	owner, ok := k.Info.Sys().(*syscall.Stat_t)
	if !ok || int(owner.Uid) == os.Geteuid() || os.Geteuid() == 0 {
		return false
	}
	groups, err := os.Getgroups()
	return int(owner.Gid) == os.Getegid() || err == nil && slices.Contains(groups, int(owner.Gid))
}

// Readers names who besides its owner can read a file of this mode.
func Readers(mode fs.FileMode) string { return others(mode, 0o040, 0o004) }

// Writers names who besides its owner can change a file of this mode.
func Writers(mode fs.FileMode) string { return others(mode, 0o020, 0o002) }

// others names who has a right that the owner alone should have.
func others(mode fs.FileMode, group, everybody fs.FileMode) string {
	switch {
	case mode&everybody != 0:
		return "every user of this machine"
	case mode&group != 0:
		return "its group"
	}
	return "nobody else"
}
