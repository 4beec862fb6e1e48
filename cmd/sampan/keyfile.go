package main

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

// keyFile is the file that the master key was read from: its name, and what its
// owner and mode were when it was read. Links have been followed.
type keyFile struct {
	name string
	info fs.FileInfo // nil if the key came from elsewhere
}

// readKeyFile reads a master key.
func readKeyFile(name string) (pay.Secret, keyFile, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", keyFile{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", keyFile{}, err
	}
	text, err := io.ReadAll(io.LimitReader(f, 64<<10))
	return pay.Secret(strings.TrimSpace(string(text))), keyFile{name, info}, err
}

// keyFault is what is wrong with who may do what to a key file, and the cure.
type keyFault struct{ finding, cure string }

// fault says who but its owner may change a key file, or read it unless that is
// allowed; the zero keyFault if nobody may. The group may read it where that is
// how this process reads it: a file of root's and of the process's group.
func (k keyFile) fault(readable bool) keyFault {
	if k.info == nil {
		return keyFault{}
	}
	mode := k.info.Mode().Perm()
	if mode&0o022 != 0 {
		cure := "chmod 600 " + k.name
		if readable {
			cure = "chmod go-w " + k.name
		}
		return keyFault{fmt.Sprintf("%s can be changed by %s (%v)", k.name, others(mode, 0o020, 0o002), mode), cure}
	}
	if dir, open := k.openDirectory(); open {
		return keyFault{fmt.Sprintf("%s can be replaced by every user of this machine: its directory is open to all", k.name), "chmod o-w " + dir}
	}
	if mode&0o004 != 0 && !readable || mode&0o040 != 0 && !readable && !k.readByGroup() {
		return keyFault{
			fmt.Sprintf("%s can be read by %s (%v)", k.name, others(mode, 0o040, 0o004), mode),
			"chmod 600 " + k.name + "; where a mounted secret has this mode, say master_key_readable = true",
		}
	}
	return keyFault{}
}

// check is fault as an error.
func (k keyFile) check(readable bool) error {
	if f := k.fault(readable); f != (keyFault{}) {
		return errors.New("master_key_file: " + f.finding + "; " + f.cure)
	}
	return nil
}

// openDirectory reports whether everybody may put another file in place of this
// one: the directory of the file itself, where the links end, and whether it is
// open to all without the bit that leaves each user's files to the user.
func (k keyFile) openDirectory() (string, bool) {
	path, err := filepath.EvalSymlinks(k.name)
	if err != nil {
		return "", false
	}
	dir := filepath.Dir(path)
	info, err := os.Stat(dir)
	return dir, err == nil && info.Mode().Perm()&0o002 != 0 && info.Mode()&os.ModeSticky == 0
}

// readByGroup reports whether this process needs its group to read the file.
func (k keyFile) readByGroup() bool {
	owner, ok := k.info.Sys().(*syscall.Stat_t)
	if !ok || int(owner.Uid) == os.Geteuid() || os.Geteuid() == 0 {
		return false
	}
	groups, err := os.Getgroups()
	return int(owner.Gid) == os.Getegid() || err == nil && slices.Contains(groups, int(owner.Gid))
}

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
