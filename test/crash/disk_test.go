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

// While there is no room the gateway says so and acknowledges nothing, and when
// there is room again it goes on, without being started anew.
func TestAFullDiskLosesNothing(t *testing.T) {
	t.Parallel()
	t.Run("a disk", func(t *testing.T) {
		t.Parallel()
		if !long() {
			t.Skip("the other one does as much in a short run")
		}
		d := newDisk(t)
		newDeployment(t, "sqlite:"+filepath.Join(d.dir, "sampan.db")).suffers(t, ordeal{what: "SQLite: the disk is full", looks: looks, strike: d.fillAtRandom})
	})
	t.Run("a limit", func(t *testing.T) {
		t.Parallel()
		l := limit{filepath.Join(t.TempDir(), "sampan.db")}
		newDeployment(t, "sqlite:"+l.path).suffers(t, ordeal{what: "SQLite: its files may not grow", looks: looks, strike: l.limitAtRandom})
	})
}

// A disk is a small file system of the test's own.
type disk struct {
	dir, ballast string
}

// newDisk mounts a disk. Where that is not allowed the test is skipped: there is
// another that needs no right.
func newDisk(t *testing.T) *disk {
	t.Helper()
	d := &disk{dir: t.TempDir()}
	d.ballast = filepath.Join(d.dir, "ballast")
	if err := syscall.Mount("tmpfs", d.dir, "tmpfs", 0, "size=64m"); err != nil {
		t.Skipf("a disk cannot be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(d.dir, 0); err != nil {
			t.Error(err)
		}
	})
	return d
}

func (d *disk) fillAtRandom(t *testing.T, s *deployment) {
	s.runsOut(t, d.fill, func() error { return os.Remove(d.ballast) })
}

// fill leaves next to no room.
func (d *disk) fill() error {
	f, err := os.OpenFile(d.ballast, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
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

// A limit is one on the size of files, as a quota would be: of the gateway's,
// while it runs.
type limit struct{ path string }

func (l limit) limitAtRandom(t *testing.T, s *deployment) {
	set := func(bytes string) error {
		out, err := exec.Command("prlimit", "--pid", strconv.Itoa(s.gateway.Process.Pid), "--fsize="+bytes+":").CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	}
	s.runsOut(t, func() error {
		wal, err := os.Stat(l.path + "-wal")
		if err != nil {
			return err
		}
		return set(strconv.FormatInt(rand.N(wal.Size()+64<<10), 10))
	}, func() error { return set("unlimited") })
}

// runsOut has the gateway run out of room again and again.
func (s *deployment) runsOut(t *testing.T, fill, empty func() error) {
	var refused atomic.Int64
	s.ledger.transient = func(err error) bool {
		var e *sampan.Error
		if !errors.As(err, &e) || (e.HTTPStatus != http.StatusServiceUnavailable || !sampan.Repeat(err)) && e.Code != sampan.CodeOutcomeUnknown {
			return false // it is there, and answers
		}
		refused.Add(1)
		return true
	}
	s.up(t)
	s.busy(t, func() {
		for range max(2, crashes(t)/4) {
			s.work(t)
			before := refused.Load()
			over := s.trouble(false)
			if err := fill(); err != nil {
				t.Error(err)
			}
			harness.Eventually(t, "the gateway to run out of room", func() bool { return refused.Load() > before+10 })
			time.Sleep(rand.N(time.Second))
			if err := empty(); err != nil {
				t.Error(err)
			}
			over()
		}
	})
	t.Logf("%d orders were refused for want of room, and taken later", refused.Load())
}
