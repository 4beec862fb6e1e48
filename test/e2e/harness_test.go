// Package e2e_test drives the true binary from outside, as a merchant, a
// buyer's phone and an operator do.
package e2e_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
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
	if os.Getenv(asRelay) != "" {
		runRelay()
	}
	// Hundreds of short commands are run. Under the race detector each would sleep for a second at its end.
	if os.Getenv("GORACE") == "" {
		os.Setenv("GORACE", "atexit_sleep_ms=10")
	}
	// The go command cannot see that the program has changed. Without this log of what the tests have read, it
	// does not keep their result for the next time.
	flag.Parse()
	if err := flag.Set("test.testlogfile", ""); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
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
	args := []string{"-C", "../..", "build", "-buildvcs=false", "-o", filepath.Join(scratch, "sampan")}
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		args = append(args, "-race")
	}
	if out, err := exec.Command("go", append(args, "./cmd/sampan")...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return filepath.Join(scratch, "sampan"), nil
})

// A process is a running program of ours that is meant to run until it is told
// to end.
type process struct {
	*exec.Cmd
	exited         chan struct{} // closed once ProcessState is there
	stdout, stderr output
	secret         string // what must not be in the log
}

// start runs the program with the arguments until the end of the test. Then it
// is interrupted, and must end by itself with success.
func start(t testing.TB, args ...string) *process {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{Cmd: exec.Command(path, args...), exited: make(chan struct{})}
	p.Stdout, p.Stderr = &p.stdout, &p.stderr
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.exited)
		_ = p.Wait() // how it ended is in ProcessState
	}()
	t.Cleanup(func() { p.end(t) })
	return p
}

// ended reports whether the program is no longer running.
func (p *process) ended() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

// kill ends the program as a power cut would.
func (p *process) kill(t testing.TB) {
	t.Helper()
	if err := p.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-p.exited
}

// end interrupts the program, unless the test has killed it, and looks at how
// it goes and at what it has logged.
func (p *process) end(t testing.TB) {
	if !p.ended() {
		_ = p.Process.Signal(os.Interrupt)
		select {
		case <-p.exited:
			if code := p.ProcessState.ExitCode(); code != 0 {
				t.Errorf("interrupted, %s ended with %d, want 0", p.Args[1], code)
			}
		case <-time.After(patience):
			_ = p.Process.Signal(syscall.SIGQUIT) // shows where every goroutine hangs
			<-p.exited
			t.Errorf("interrupted, %s did not end", p.Args[1])
		}
	}
	log := p.stderr.String()
	if strings.Contains(log, "DATA RACE") || strings.Contains(log, "panic") {
		t.Errorf("%s has raced or panicked", p.Args[1])
	}
	if p.secret != "" && strings.Contains(log, p.secret) {
		t.Errorf("the log of %s has the client key in it", p.Args[1])
	}
	if t.Failed() {
		t.Logf("%s\nstdout:\n%s\nstderr:\n%s", p.Cmd, p.stdout.String(), log)
	}
}

// A sandbox is a running `sampan sandbox`, and what it wrote for scripts.
type sandbox struct {
	*process `json:"-"`
	dir      string

	Gateway   string `json:"gateway"`
	Wallet    string `json:"wallet"`
	Control   string `json:"control"`
	Shop      string `json:"shop"`
	App       string `json:"app"`
	AppCode   string `json:"app_code"`
	ClientKey string `json:"client_key"`
}

// startSandbox starts a new sandbox on free ports.
func startSandbox(t *testing.T) *sandbox {
	t.Helper()
	return (&sandbox{dir: t.TempDir()}).start(t, "--fresh")
}

// again starts a killed sandbox over the data and on the ports that it had.
func (s *sandbox) again(t *testing.T) *sandbox {
	t.Helper()
	return s.start(t)
}

func (s *sandbox) start(t *testing.T, flags ...string) *sandbox {
	t.Helper()
	ready := filepath.Join(s.dir, "sandbox.json")
	if err := os.Remove(ready); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	address := func(base string) string {
		if u, err := url.Parse(base); err == nil && base != "" {
			return u.Host
		}
		return "127.0.0.1:0"
	}
	next := &sandbox{dir: s.dir}
	next.process = start(t, append([]string{"sandbox", "--data", s.dir, "--gateway", address(s.Gateway),
		"--wallet", address(s.Wallet), "--control", address(s.Control), "--shop", address(s.Shop), "--app", address(s.App)}, flags...)...)
	eventually(t, "sandbox.json", func() bool {
		if next.ended() {
			t.Fatalf("the sandbox ended: %v", next.ProcessState)
		}
		data, err := os.ReadFile(ready)
		if err != nil {
			return false
		}
		if err := json.Unmarshal(data, next); err != nil {
			t.Fatalf("sandbox.json was not written at one go: %v", err)
		}
		return true
	})
	next.secret = next.ClientKey
	return next
}

// eventually waits until ok, for a step that happens in another process.
func eventually(t testing.TB, what string, ok func() bool) {
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

// run runs a command to its end, which must be success, and returns what it
// wrote on its output.
func run(t testing.TB, cmd *exec.Cmd) string {
	t.Helper()
	var stdout, stderr output
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s%s", cmd, err, stdout.String(), stderr.String())
	}
	return stdout.String()
}

// output collects what a process writes, while the test may read it.
type output struct {
	mu   sync.Mutex
	text strings.Builder
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
