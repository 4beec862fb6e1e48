package crash_test

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
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

// A frozen process (SIGSTOP) accepts connections and requests, because its kernel does, and answers
// none. The database's server, the wallet and the merchant's receiver are frozen for a while and go
// on.
func TestAFrozenProcessLosesNothing(t *testing.T) {
	t.Parallel()
	pg := newCluster(t)
	d := newDeployment(t, pg.DSN)
	d.delivery = manyShortGaps // the receiver is frozen for a few seconds only
	receiver := newRelay(t)
	d.survive(t,
		fault{name: "PostgreSQL stands still", gaps: shortGaps, inject: func(t *testing.T, d *deployment) {
			d.freezeAtRandom(t, false, func() int { return pg.Server.Process.Pid })
		}},
		fault{name: "the wallet stands still", gaps: shortGaps, inject: func(t *testing.T, d *deployment) {
			d.freezeAtRandom(t, false, func() int { return d.Simulator.Process.Pid })
		}},
		fault{name: "the receiver stands still", gaps: shortGaps, inject: func(t *testing.T, d *deployment) {
			receiver.forward(d.ledger.server.Listener.Addr().String())
			d.ledger.notifyURL = "http://" + receiver.address
			d.freezeAtRandom(t, true, func() int { return receiver.Process.Pid })
		}},
	)
}

// manyShortGaps makes the gateway repeat a notification every second.
var manyShortGaps = `gaps = [` + strings.TrimSuffix(strings.Repeat(`"1s", `, 60), ", ") + `]`

// freezeAtRandom freezes a process and its children, again and again. lossy: deliveries of
// notifications fail meanwhile.
func (d *deployment) freezeAtRandom(t *testing.T, lossy bool, pid func() int) {
	d.ledger.transient = unavailable
	d.start(t)
	d.busy(t, func() {
		for range max(2, crashes(t)/4) {
			d.work(t)
			end := d.beginOutage(lossy)
			thaw := freeze(t, pid())
			time.Sleep(freezeTime())
			thaw()
			harness.AwaitOK(t, d.Gateway+"/readyz")
			end()
		}
	})
}

// freezeTime is how long a process is frozen: in a long run up to more than every deadline of the
// gateway.
func freezeTime() time.Duration {
	if longRun() {
		return rand.N(25 * time.Second)
	}
	return rand.N(4 * time.Second)
}

// freeze stops a process and its children until thaw is called, or the test ends.
func freeze(t *testing.T, pid int) (thaw func()) {
	t.Helper()
	stopped := []int{pid}
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil { // first, so that it starts no more children
		t.Fatal(err)
	}
	thaw = sync.OnceFunc(func() {
		for _, pid := range stopped {
			_ = syscall.Kill(pid, syscall.SIGCONT) // fails if the process was killed meanwhile
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
		t.Skip("there is no /proc in which to find a server's processes")
	}
	for _, name := range stats {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // the process has exited
		}
		_, rest, _ := strings.Cut(string(text), ") ") // the name in brackets can hold anything
		if fields := strings.Fields(rest); len(fields) > 1 && fields[1] == strconv.Itoa(pid) {
			child, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
			all = append(all, child)
		}
	}
	return all
}

// relay is a process of its own that forwards connections, so that it can be frozen as a receiver
// can.
type relay struct {
	*exec.Cmd
	address string
	to      io.Writer
}

// asRelay is the variable that makes this test binary a relay.
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

// forward sends new connections to the address.
func (r *relay) forward(address string) { fmt.Fprintln(r.to, address) }

// runRelay is the process. It prints the address that it listens on, and reads where to forward to.
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
		os.Exit(0) // the test has ended
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
