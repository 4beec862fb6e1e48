package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// The files of a sandbox's directory that others read.
const (
	File       = "sandbox.json" // Info, while the sandbox runs
	ConfigFile = "sampan.toml"  // the gateway's configuration, for the operator's commands
)

const (
	databaseFile  = "sampan.db"
	masterKeyFile = "master.key"
	walletDir     = "wallet" // the simulator's journal
	lockFile      = "lock"
	markFile      = ".sampan-sandbox"
)

// written is what a sandbox writes and Fresh removes.
var written = []string{
	ConfigFile, masterKeyFile, WalletKeysFile, appCertFile, alipayCertFile, rootCertsFile, walletDir,
	databaseFile, databaseFile + "-wal", databaseFile + "-shm",
}

// openDirectory makes the directory if it is missing, and locks it until unlock
// is called or the process ends.
func openDirectory(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("%s is in use by another sampan; choose another with --data", dir),
			f.Close())
	}
	return func() { f.Close() }, nil
}

// claim marks a directory as a sandbox's. A directory that holds files of the
// names above but no mark is somebody's deployment: its database and its master
// key must not be overwritten, let alone removed.
func claim(dir string) error {
	mark := filepath.Join(dir, markFile)
	if _, err := os.Stat(mark); err == nil {
		return nil
	}
	for _, name := range written {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			return fmt.Errorf("%s holds a %s that no sandbox made; choose another directory with --data",
				dir, name)
		}
	}
	return writeFile(mark, []byte("sampan sandbox --fresh empties this directory\n"))
}

// empty removes what a sandbox writes, and nothing else: the user may have named
// a directory with other files.
func empty(dir string) error {
	for _, name := range written {
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// writeJSON writes v to a file that only its owner can read, whole or not at all.
func writeJSON(path string, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(path, append(text, '\n'))
}

// writeFile writes a file that only its owner can read, whole or not at all.
func writeFile(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if _, err := f.Write(content); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
