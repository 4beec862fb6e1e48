// Package main_test drives the true binary from outside, as a merchant, a
// buyer's phone and an operator do.
package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long a real process or browser may take for one step, on a
// slow machine under the race detector.
const patience = 60 * time.Second

var scratch string // a folder for the whole run, removed after it

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		if scratch, err = os.MkdirTemp("", "sampan-e2e-"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(scratch)
		return m.Run()
	}())
}

// binary is the path of the program, built once a run, under the race detector
// if the tests are.
var binary = sync.OnceValues(func() (string, error) {
	args := []string{"build", "-buildvcs=false", "-o", filepath.Join(scratch, "sampan")}
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		args = append(args, "-race")
	}
	if out, err := exec.Command("go", append(args, ".")...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return filepath.Join(scratch, "sampan"), nil
})

// sampan makes the command that runs the program with the arguments.
func sampan(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	return exec.Command(path, args...)
}

// A sandbox is a running `sampan sandbox`, and what it wrote for scripts.
type sandbox struct {
	Gateway   string `json:"gateway"`
	Wallet    string `json:"wallet"`
	Control   string `json:"control"`
	Shop      string `json:"shop"`
	AppCode   string `json:"app_code"`
	ClientKey string `json:"client_key"`

	dir            string
	process        *exec.Cmd
	exited         chan struct{} // closed once process.Wait has returned
	stdout, stderr output
}

// startSandbox starts the program over the data in dir and waits until it has
// written sandbox.json. It listens where at says (base URLs of an earlier
// sandbox), or else on free ports. At the end of the test it is interrupted,
// and must then end by itself with success.
func startSandbox(t *testing.T, dir string, at *sandbox, flags ...string) *sandbox {
	t.Helper()
	address := func(base string) string {
		if u, err := url.Parse(base); err == nil && u.Host != "" {
			return u.Host
		}
		return "127.0.0.1:0"
	}
	if at == nil {
		at = &sandbox{}
	}
	ready := filepath.Join(dir, "sandbox.json")
	if err := os.Remove(ready); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	s := &sandbox{dir: dir, exited: make(chan struct{})}
	s.process = sampan(t, append([]string{"sandbox", "--data", dir,
		"--gateway", address(at.Gateway), "--wallet", address(at.Wallet), "--control", address(at.Control), "--shop", address(at.Shop)}, flags...)...)
	s.process.Stdout, s.process.Stderr = &s.stdout, &s.stderr
	if err := s.process.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(s.exited)
		_ = s.process.Wait() // its state is read from ProcessState
	}()
	t.Cleanup(func() { s.end(t) })

	eventually(t, "sandbox.json", func() bool {
		select {
		case <-s.exited:
			t.Fatalf("sandbox ended at once: %v", s.process.ProcessState)
		default:
		}
		data, err := os.ReadFile(ready)
		if err != nil {
			return false
		}
		if err := json.Unmarshal(data, s); err != nil {
			t.Fatalf("sandbox.json was not written atomically: %v", err)
		}
		return true
	})
	return s
}

// kill ends the program as a power cut would.
func (s *sandbox) kill(t *testing.T) {
	t.Helper()
	if err := s.process.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-s.exited
}

// end interrupts the program, unless it has been killed, and checks how it goes.
func (s *sandbox) end(t *testing.T) {
	if t.Failed() {
		defer func() { t.Logf("stdout:\n%s\nstderr:\n%s", s.stdout.String(), s.stderr.String()) }()
	}
	select {
	case <-s.exited: // killed by the test, or ended too early, which the test has seen
	default:
		_ = s.process.Process.Signal(os.Interrupt)
		select {
		case <-s.exited:
			if code := s.process.ProcessState.ExitCode(); code != 0 {
				t.Errorf("interrupted, sandbox ended with %d, want 0", code)
			}
		case <-time.After(patience):
			_ = s.process.Process.Signal(syscall.SIGQUIT) // prints where every goroutine hangs
			<-s.exited
			t.Error("interrupted, sandbox did not end")
		}
	}
	if log := s.stderr.String(); strings.Contains(log, "DATA RACE") {
		t.Error("the race detector has found a race")
	} else if s.ClientKey != "" && strings.Contains(log, s.ClientKey) {
		t.Error("the log has the client key in it")
	}
}

// output collects what a process writes while the test reads it.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// eventually waits until ok, for a step that happens in another process.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v in vain for %s", patience, what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// needed skips the test for want of something on the machine. In continuous
// integration nothing may be missing: there it fails.
func needed(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is missing: scripts/test-deps installs it", what)
	}
	t.Skipf("%s is missing: scripts/test-deps installs it", what)
}

// artefacts is the folder for what people look at after a run.
func artefacts(t *testing.T, parts ...string) string {
	t.Helper()
	dir := filepath.Join(append([]string{"..", "..", "artifacts", "e2e"}, parts...)...)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// run runs a command to its end and returns what it wrote on its output.
func run(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, io.MultiWriter(&stderr)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	defer stop()
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%s: %v\n%s%s", cmd, err, stdout.Bytes(), stderr.Bytes())
	}
	return stdout.String()
}
