package harness

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Process is a running program of ours that runs until it is interrupted or killed.
type Process struct {
	*exec.Cmd
	Secret string // must not be in the log

	exited         chan struct{} // closed when ProcessState is set
	stdout, stderr Output
}

// Start runs the program with the arguments until the end of the test. Then it is interrupted, and
// must exit with status 0.
func Start(t testing.TB, args ...string) *Process {
	t.Helper()
	p := &Process{Cmd: exec.Command(Binary(t), args...), exited: make(chan struct{})}
	p.Stdout, p.Stderr = &p.stdout, &p.stderr
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.exited)
		_ = p.Wait() // ProcessState holds the result
	}()
	t.Cleanup(func() { p.End(t) })
	return p
}

// Log is what the program has logged so far.
func (p *Process) Log() string { return p.stderr.String() }

// Ended reports whether the program has exited.
func (p *Process) Ended() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

// Kill ends the program as a power cut would.
func (p *Process) Kill(t testing.TB) {
	t.Helper()
	if err := p.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-p.exited
}

// End interrupts the program, unless the test has killed it, and checks its exit status and its
// log.
func (p *Process) End(t testing.TB) {
	if !p.Ended() {
		_ = p.Process.Signal(os.Interrupt)
		select {
		case <-p.exited:
			if code := p.ProcessState.ExitCode(); code != 0 {
				t.Errorf("interrupted, %s exited with %d, want 0", p.Args[1], code)
			}
		case <-time.After(Patience):
			_ = p.Process.Signal(syscall.SIGQUIT) // prints the stack of every goroutine
			<-p.exited
			t.Errorf("interrupted, %s did not exit", p.Args[1])
		}
	}
	log := p.Log()
	if strings.Contains(log, "DATA RACE") || strings.Contains(log, "panic") {
		t.Errorf("%s has raced or panicked", p.Args[1])
	}
	if p.Secret != "" && strings.Contains(log, p.Secret) {
		t.Errorf("the log of %s contains the client key", p.Args[1])
	}
	if t.Failed() {
		t.Logf("%s\nstdout:\n%s\nstderr:\n%s", p.Cmd, p.stdout.String(), log)
	}
}

// Program runs a command of ours, which must succeed, and returns what it printed.
func Program(t testing.TB, args ...string) string {
	t.Helper()
	return Run(t, exec.Command(Binary(t), args...))
}

// Run runs any command, which must succeed, and returns what it printed.
func Run(t testing.TB, cmd *exec.Cmd) string {
	t.Helper()
	var stdout, stderr Output
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s%s", cmd, err, stdout.String(), stderr.String())
	}
	return stdout.String()
}

// Audit runs sampan audit. It returns what that prints, and whether it finds the books in order.
func Audit(t testing.TB, config string, flags ...string) (printed string, inOrder bool) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), Binary(t),
		append([]string{"audit", "--config", config}, flags...)...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	found := errors.As(err, &exit) && exit.ExitCode() == 1 // differences
	if err != nil && !found || stderr.Len() > 0 {
		t.Fatalf("audit: %v, %s", err, stderr.String())
	}
	return stdout.String(), err == nil
}

// Output collects what a process writes. The test may read it meanwhile.
type Output struct {
	mu   sync.Mutex
	text strings.Builder
}

// Write implements io.Writer.
func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

// String returns what was written so far.
func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
