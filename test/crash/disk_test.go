package crash_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sampanpay/sampan"
	"github.com/sampanpay/sampan/test/harness"
)

// While the disk is full, the gateway says so and acknowledges nothing. When there is space again,
// it goes on without a restart.
func TestAFullDiskLosesNothing(t *testing.T) {
	t.Parallel()
	t.Run("a disk", func(t *testing.T) {
		t.Parallel()
		if !longRun() {
			t.Skip("in a short run the other test does as much")
		}
		disk := newDisk(t)
		newDeployment(t, "sqlite:"+filepath.Join(disk.dir, "sampan.db")).survive(t,
			fault{name: "SQLite: the disk is full", gaps: shortGaps, inject: disk.fillAtRandom})
	})
	t.Run("a limit", func(t *testing.T) {
		t.Parallel()
		l := limit{filepath.Join(t.TempDir(), "sampan.db")}
		newDeployment(t, "sqlite:"+l.path).survive(t,
			fault{name: "SQLite: its files may not grow", gaps: shortGaps, inject: l.limitAtRandom})
	})
}

// disk is a small file system of the test's own.
type disk struct {
	dir, ballast string
}

// newDisk mounts a disk. It skips the test if this user must not mount: the other test needs no
// privilege.
func newDisk(t *testing.T) *disk {
	t.Helper()
	x := &disk{dir: t.TempDir()}
	x.ballast = filepath.Join(x.dir, "ballast")
	if err := syscall.Mount("tmpfs", x.dir, "tmpfs", 0, "size=64m"); err != nil {
		t.Skipf("a disk cannot be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(x.dir, 0); err != nil {
			t.Error(err)
		}
	})
	return x
}

func (x *disk) fillAtRandom(t *testing.T, d *deployment) {
	d.runOutOfSpace(t, x.fill, func() error { return os.Remove(x.ballast) })
}

// fill leaves at most 64 KiB free.
func (x *disk) fill() error {
	f, err := os.OpenFile(x.ballast, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	for page := make([]byte, 4096); err == nil; {
		_, err = f.Write(page)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		return err
	}
	end, err := f.Seek(0, 1)
	if err != nil {
		return err
	}
	return f.Truncate(max(0, end-rand.N(int64(64<<10))))
}

// limit limits the size of the running gateway's files, as a quota does. path is the database's.
type limit struct{ path string }

func (l limit) limitAtRandom(t *testing.T, d *deployment) {
	set := func(bytes string) error {
		pid := strconv.Itoa(d.gateway.Process.Pid)
		out, err := exec.Command("prlimit", "--pid", pid, "--fsize="+bytes+":").CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	}
	d.runOutOfSpace(t, func() error {
		wal, err := os.Stat(l.path + "-wal")
		if err != nil {
			return err
		}
		return set(strconv.FormatInt(rand.N(wal.Size()+64<<10), 10))
	}, func() error { return set("unlimited") })
}

// runOutOfSpace takes the gateway's space away and gives it back, again and again.
func (d *deployment) runOutOfSpace(t *testing.T, fill, empty func() error) {
	var refused atomic.Int64
	d.ledger.transient = func(err error) bool {
		var e *sampan.Error
		if !errors.As(err, &e) {
			return false // the gateway must answer
		}
		unavailable := e.HTTPStatus == http.StatusServiceUnavailable && sampan.Repeat(err)
		if !unavailable && e.Code != sampan.CodeOutcomeUnknown {
			return false
		}
		refused.Add(1)
		return true
	}
	d.start(t)
	d.busy(t, func() {
		for range max(2, crashes(t)/4) {
			d.work(t)
			before := refused.Load()
			end := d.beginOutage(false)
			if err := fill(); err != nil {
				t.Error(err)
			}
			harness.Eventually(t, "the gateway to run out of space",
				func() bool { return refused.Load() > before+10 })
			time.Sleep(rand.N(time.Second))
			if err := empty(); err != nil {
				t.Error(err)
			}
			end()
		}
	})
	t.Logf("%d orders were refused for lack of space, and taken later", refused.Load())
}
