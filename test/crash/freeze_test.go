package crash_test

import (
	"bufio"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sampanpay/sampan/test/harness"
)

// A process that stands still takes connections and requests, and answers none:
// its kernel does the former. The database's server, the wallet and the
// merchants' receiver are stopped so (SIGSTOP), and go on after a while.
func TestAFrozenProcessLosesNothing(t *testing.T) {
	t.Parallel()
	pg := newCluster(t)
	s := newDeployment(t, pg.DSN)
	// Notifications that a frozen receiver did not acknowledge are sent again soon.
	s.delivery = `gaps = [` + strings.TrimSuffix(strings.Repeat(`"1s", `, 60), ", ") + `]`
	receiver := newRelay(t)
	s.suffers(t,
		ordeal{what: "PostgreSQL stands still", looks: looks, strike: func(t *testing.T, s *deployment) {
			s.freezes(t, false, func() int { return pg.Server.Process.Pid })
		}},
		ordeal{what: "the wallet stands still", looks: looks, strike: func(t *testing.T, s *deployment) {
			s.freezes(t, false, func() int { return s.Simulator.Process.Pid })
		}},
		ordeal{what: "the receiver stands still", looks: looks, strike: func(t *testing.T, s *deployment) {
			receiver.lead(s.ledger.server.Listener.Addr().String())
			s.ledger.address = "http://" + receiver.address
			s.freezes(t, true, func() int { return receiver.Process.Pid })
		}},
	)
}

// freezes stops a process, and all that it has started, again and again. It is
// lossy if that makes attempts at notifications fail.
func (s *deployment) freezes(t *testing.T, lossy bool, pid func() int) {
	s.ledger.transient = inTrouble
	s.up(t)
	s.busy(t, func() {
		for range max(2, crashes(t)/4) {
			s.work(t)
			over := s.trouble(lossy)
			thaw := freeze(t, pid())
			time.Sleep(standstill())
			thaw()
			harness.AwaitOK(t, s.Gateway+"/readyz")
			over()
		}
	})
}

// standstill is how long a process stands still: in a long run beyond every
// deadline that the gateway has.
func standstill() time.Duration {
	if long() {
		return mathrand.N(25 * time.Second)
	}
	return mathrand.N(4 * time.Second)
}

// freeze stops a process and its children until thaw, or the end of the test.
func freeze(t *testing.T, pid int) (thaw func()) {
	t.Helper()
	stopped := []int{pid}
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil { // first: it starts no more
		t.Fatal(err)
	}
	thaw = sync.OnceFunc(func() {
		for _, pid := range stopped {
			_ = syscall.Kill(pid, syscall.SIGCONT) // one that was killed meanwhile has gone
		}
	})
	t.Cleanup(thaw)
	for _, child := range children(t, pid) {
		if err := syscall.Kill(child, syscall.SIGSTOP); err == nil {
			stopped = append(stopped, child)
		}
	}
	return thaw
}

func children(t *testing.T, pid int) (all []int) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || len(stats) == 0 {
		t.Skip("there is no /proc to find a server's processes in")
	}
	for _, name := range stats {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		_, rest, _ := strings.Cut(string(text), ") ") // the name in brackets may hold anything
		if fields := strings.Fields(rest); len(fields) > 1 && fields[1] == strconv.Itoa(pid) {
			child, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
			all = append(all, child)
		}
	}
	return all
}

// A relay is a process of its own that passes connections on, so that it can be
// stopped as a receiver's would be.
type relay struct {
	*exec.Cmd
	address string
	to      io.Writer
}

// asRelay is the variable that makes this program a relay.
const asRelay = "SAMPAN_TEST_RELAY"

func newRelay(t *testing.T) *relay {
	t.Helper()
	r := &relay{Cmd: exec.Command(os.Args[0])}
	r.Env = append(os.Environ(), asRelay+"=1")
	in, err := r.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := r.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = r.Process.Kill()
		_ = r.Wait()
	})
	r.to = in
	if r.address, err = bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	r.address = strings.TrimSpace(r.address)
	return r
}

// lead has new connections go to the address.
func (r *relay) lead(address string) { fmt.Fprintln(r.to, address) }

// runRelay is the process: it prints where it listens, and reads where to lead.
func runRelay() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(l.Addr())
	var mu sync.Mutex
	var target string
	go func() {
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			mu.Lock()
			target = lines.Text()
			mu.Unlock()
		}
		os.Exit(0) // whoever started it has gone
	}()
	for {
		from, err := l.Accept()
		if err != nil {
			panic(err)
		}
		mu.Lock()
		address := target
		mu.Unlock()
		go func() {
			defer from.Close()
			to, err := net.Dial("tcp", address)
			if err != nil {
				return
			}
			defer to.Close()
			go func() {
				io.Copy(to, from)
				to.Close()
			}()
			io.Copy(from, to)
		}()
	}
}
