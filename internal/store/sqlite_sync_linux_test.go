package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/sampanpay/sampan/internal/pay"
)

// failing is what a child process has seen after its syncs began to fail.
type failing struct {
	Unknown, Stopped []bool // of each change that was under way
	Events           int    // changes before that, in the large case
	After            string // the error of the next change
	AfterIsNothing   bool   // and that nothing of it was written
	Errors           int
	Log              string
}

// A failed sync is the last one: nobody knows what the disk holds, and the next
// sync would report success. A kernel filter fails the child's syncs.
func TestAFailedSyncStopsTheDatabase(t *testing.T) {
	if work := os.Getenv("STORE_TEST_SYNC"); work != "" {
		failSyncs(t, work, os.Getenv("STORE_TEST_CASE"))
		return
	}
	if secComp[runtime.GOARCH] == 0 {
		t.Skip("the filter is not written for " + runtime.GOARCH)
	}
	for _, c := range []string{"one", "group", "checkpoint", "read"} {
		t.Run(c, func(t *testing.T) {
			dir := t.TempDir()
			child := exec.Command(os.Args[0], "-test.run=^TestAFailedSyncStopsTheDatabase$")
			child.Env = append(os.Environ(), "STORE_TEST_SYNC="+dir, "STORE_TEST_CASE="+c)
			out, err := child.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			line, _, _ := strings.Cut(string(out), "\n")
			var f failing
			if err := json.Unmarshal([]byte(line), &f); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if f.Errors != 1 || !f.AfterIsNothing || !strings.Contains(f.After, "disk I/O error") &&
				!strings.Contains(f.After, "malformed") {
				t.Errorf("%d ERROR lines; the next change: %s\n%s", f.Errors, f.After, f.Log)
			}
			for i := range f.Unknown {
				if f.Unknown[i] != (c == "one" || c == "group") || f.Stopped[i] != (c != "checkpoint") {
					t.Errorf("change %d: unknown %v, stopped %v", i, f.Unknown[i], f.Stopped[i])
				}
			}
			// Everything acknowledged is stored, and nothing that was refused.
			db, err := createForTest(t,
				Config{DSN: "sqlite:" + filepath.Join(dir, "s.db"), MasterKey: testKey})
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			events, err := db.Events(t.Context(), "m", "p")
			if err != nil {
				t.Fatal(err)
			}
			ids := map[string]bool{}
			for _, e := range events {
				ids[e.ID] = true
			}
			for i := range f.Events {
				if !ids[fmt.Sprint("before-", i)] {
					t.Errorf("change %d was acknowledged, and is not there", i)
				}
			}
			if ids["after"] {
				t.Error("what was refused is there")
			}
		})
	}
}

// failSyncs is what the child process does: it changes something, makes its syncs
// (or reads) fail, changes more, and prints what it has seen.
func failSyncs(t *testing.T, dir, what string) {
	path := filepath.Join(dir, "s.db")
	log := &errorLog{}
	db, err := createForTest(t, Config{
		DSN: "sqlite:" + path, MasterKey: testKey, Log: slog.New(slog.NewTextHandler(log, nil)),
		LookEvery: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	e := db.engine.(*sqliteEngine)
	var f failing
	change := func(id string, size int) error {
		return db.Tx(t.Context(), func(tx *Tx) error {
			return tx.AddEvent(pay.Event{MerchantID: "m", PaymentID: "p", ID: id,
				Note: strings.Repeat("x", size)})
		})
	}
	saw := func(err error) {
		f.Unknown = append(f.Unknown, errors.Is(err, ErrOutcomeUnknown))
		f.Stopped = append(f.Stopped, errors.Is(err, ErrStopped))
	}
	for ; f.Events < 3; f.Events++ {
		if err := change(fmt.Sprint("before-", f.Events), 10); err != nil {
			t.Fatal(err)
		}
	}
	switch what {
	case "one":
		deny(t, "", syscall.SYS_FSYNC, syscall.SYS_FDATASYNC)
		saw(change("under way", 10))
	case "group":
		deny(t, "", syscall.SYS_FSYNC, syscall.SYS_FDATASYNC)
		batch := []*job{event(t.Context(), db, 1, "ok"), event(t.Context(), db, 2, "ok"),
			event(t.Context(), db, 3, "ok")}
		e.commit(batch)
		for _, j := range batch {
			saw(j.err)
		}
	case "checkpoint": // which nobody waits for: changes go well until it comes
		deny(t, path, syscall.SYS_FSYNC, syscall.SYS_FDATASYNC)
		for e.stop.err() == nil && f.Events < 1000 {
			if err := change(fmt.Sprint("before-", f.Events), 100_000); err == nil {
				f.Events++
			} else if !errors.Is(err, ErrStopped) {
				t.Fatal(err)
			}
		}
	case "read":
		deny(t, "", syscall.SYS_PREAD64)
		_, err := db.Refund(t.Context(), "m", "p")
		for i := 0; err == nil || errors.Is(err, ErrNotFound); i++ {
			_, err = db.Refund(t.Context(), "m", fmt.Sprint(i))
		}
		saw(err)
	}
	err = change("after", 10)
	f.After, f.AfterIsNothing = fmt.Sprint(err), errors.Is(err, ErrStopped) && errors.Is(err, ErrUnavailable)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	f.Errors, f.Log = log.errors(), log.text.String()
	if err := json.NewEncoder(os.Stdout).Encode(f); err != nil {
		t.Fatal(err)
	}
	os.Exit(0)
}

// secComp is the number of the system call seccomp.
var secComp = map[string]uintptr{"amd64": 317, "arm64": 277}

// deny makes the kernel answer EIO to these calls of this process, for good: to all
// of them, or to those on the file at path.
func deny(t *testing.T, path string, calls ...int) {
	t.Helper()
	const (
		load   = 0x20 // BPF_LD | BPF_W | BPF_ABS
		equal  = 0x15 // BPF_JMP | BPF_JEQ | BPF_K
		answer = 0x06 // BPF_RET | BPF_K
		allow  = 0x7fff0000
		refuse = 0x00050000 | uint32(syscall.EIO)
	)
	var program []syscall.SockFilter
	add := func(code uint16, jt, jf uint8, k uint32) {
		program = append(program, syscall.SockFilter{Code: code, Jt: jt, Jf: jf, K: k})
	}
	files := []uint32{0}
	if path != "" {
		files = nil
		open, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		for _, fd := range open {
			if to, _ := os.Readlink("/proc/self/fd/" + fd.Name()); to == path {
				n, _ := strconv.Atoi(fd.Name())
				files = append(files, uint32(n))
			}
		}
	}
	for _, call := range calls {
		for _, file := range files {
			if path == "" {
				add(load, 0, 0, 0) // the call's number
				add(equal, 0, 1, uint32(call))
				add(answer, 0, 0, refuse)
				continue
			}
			add(load, 0, 0, 0)
			add(equal, 0, 3, uint32(call))
			add(load, 0, 0, 16) // its first argument
			add(equal, 0, 1, file)
			add(answer, 0, 0, refuse)
		}
	}
	add(answer, 0, 0, allow)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const noNewPrivileges, setFilter, allThreads = 38, 1, 1
	if _, _, e := syscall.RawSyscall6(syscall.SYS_PRCTL, noNewPrivileges, 1, 0, 0, 0, 0); e != 0 {
		t.Fatal(e)
	}
	filter := syscall.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	if _, _, e := syscall.RawSyscall(secComp[runtime.GOARCH], setFilter, allThreads,
		uintptr(unsafe.Pointer(&filter))); e != 0 {
		t.Fatal(e)
	}
}
