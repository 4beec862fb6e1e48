// Package harness runs the program as its users do: it builds the binary once a run, starts it as
// processes of their own, and gives tests the operator's commands, a merchant's server, the buyer's
// steps at the wallet, and PostgreSQL servers that can be stopped.
//
// Read process.go first, then sandbox.go (one process with everything) and deployment.go (an
// operator's configuration, with the gateway and the wallet as processes), then merchant.go and
// postgres.go.
package harness

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"sync"
	"testing"
	"time"
)

// Patience is how long one step of a process or a browser may take, on a slow machine under the
// race detector.
const Patience = 60 * time.Second

var scratch string // a folder for the whole run

// Main runs the tests of a package, in its TestMain, and returns the exit status.
func Main(m *testing.M) int {
	// Tests run hundreds of short commands. Under the race detector each would sleep for a second
	// before it exits.
	if os.Getenv("GORACE") == "" {
		os.Setenv("GORACE", "atexit_sleep_ms=10")
	}
	// The go command does not see when the program has changed. It caches a result only with a log
	// of what the tests have read, so this turns caching off.
	flag.Parse()
	err := flag.Set("test.testlogfile", "")
	if err == nil {
		scratch, err = os.MkdirTemp("", "sampan-test-")
	}
	// Tests run the program as another user too.
	if err := errors.Join(err, os.Chmod(scratch, 0o711)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(scratch)
	return m.Run()
}

// Binary returns the path of the program. It is built on first use, with the race detector if the
// tests have it.
func Binary(t testing.TB) string {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

var build = sync.OnceValues(func() (path string, err error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	path = filepath.Join(scratch, "sampan")
	args := []string{"-C", root, "build", "-buildvcs=false", "-o", path}
	race := debug.BuildSetting{Key: "-race", Value: "true"}
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, race) {
		args = append(args, "-race")
	}
	if out, err := exec.Command("go", append(args, "./cmd/sampan")...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

// Root is the directory of the main module. A test's working directory is two levels below it.
func Root() (string, error) { return filepath.Abs(filepath.Join("..", "..")) }

// Eventually waits until ok, for a step that another process does.
func Eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(Patience)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v in vain for %s", Patience, what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// AwaitOK waits until the address answers 200.
func AwaitOK(t testing.TB, address string) {
	t.Helper()
	Eventually(t, address, func() bool { return OK(address) })
}

// OK reports whether the address answers 200.
func OK(address string) bool {
	res, err := http.Get(address)
	if err != nil {
		return false
	}
	res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// Missing skips the test because the machine lacks something that it needs. Continuous integration
// must have everything: there, the test fails.
func Missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is missing: scripts/test-deps installs it", what)
	}
	t.Skipf("%s is missing: scripts/test-deps installs it", what)
}

// FreeAddress returns a loopback address that no process listens on. Its port is below those that
// the system gives to outgoing connections: none of them can take it while the process that listens
// there is down.
func FreeAddress(t testing.TB) string {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 12000+rand.N(20000)))
		if err == nil {
			defer l.Close()
			return l.Addr().String()
		}
	}
	t.Fatal("a hundred ports are taken")
	return ""
}
