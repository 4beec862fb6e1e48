package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/sampanpay/sampan"
)

// build builds the release of a commit into dir and returns the binary's path.
func build(ctx context.Context, commit, dir string) (string, error) {
	tree, binary := filepath.Join(dir, "tree"), filepath.Join(dir, "sampan")
	archive := exec.CommandContext(ctx, "git", "archive", "--format=tar", commit)
	untar := exec.CommandContext(ctx, "tar", "-x", "-C", tree)
	var err error
	if err = os.MkdirAll(tree, 0o755); err != nil {
		return "", err
	}
	if untar.Stdin, err = archive.StdoutPipe(); err != nil {
		return "", err
	}
	archive.Stderr, untar.Stderr = os.Stderr, os.Stderr
	if err := untar.Start(); err != nil {
		return "", err
	}
	if err := archive.Run(); err != nil {
		return "", err
	}
	if err := untar.Wait(); err != nil {
		return "", err
	}
	compile := exec.CommandContext(ctx, "go", "build", "-o", binary, "./cmd/sampan")
	compile.Dir, compile.Stderr = tree, os.Stderr
	return binary, compile.Run()
}

// release is a deployment that the previous release's binary serves.
type release struct {
	ctx     context.Context
	binary  string
	config  string
	gateway string
	serving *exec.Cmd
}

// masterKey seals the secrets of the databases that are kept. It guards nothing.
const masterKey = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

func newRelease(ctx context.Context, binary, dir, name, dsn string) (*release, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		return nil, err
	}
	r := &release{
		ctx: ctx, binary: binary, config: filepath.Join(dir, name+".toml"), gateway: "http://" + address,
	}
	text := fmt.Sprintf(`listen = %q
base_url = %q
database = %q
master_key_file = %q
log_format = "text"
log_level = "warn"
[delivery]
allow = ["127.0.0.0/8:*"]
gaps = ["1s"]
[recover]
looks = ["1s"]
margin = "1s"
`, address, r.gateway, dsn, filepath.Join(dir, "master.key"))
	return r, os.WriteFile(r.config, []byte(text), 0o600)
}

// run runs a command of the release and returns what it prints.
func (r *release) run(args ...string) (string, error) {
	cmd := exec.CommandContext(r.ctx, r.binary, append(args, "--config", r.config)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return string(out), fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// serve starts the gateway and waits until it is ready.
func (r *release) serve(log string) error {
	file, err := os.Create(log)
	if err != nil {
		return err
	}
	r.serving = exec.CommandContext(r.ctx, r.binary, "serve", "--config", r.config)
	r.serving.Stdout, r.serving.Stderr = file, file
	if err := r.serving.Start(); err != nil {
		return err
	}
	for range 100 {
		if res, err := http.Get(r.gateway + "/readyz"); err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	return fmt.Errorf("%s: not ready", r.config)
}

func (r *release) stop() error {
	if err := r.serving.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return r.serving.Wait()
}

// merchant adds a merchant and returns a client of its app code.
func (r *release) merchant(id, name string, flags ...string) (*sampan.Client, error) {
	out, err := r.run(append([]string{"merchant", "add", "--id", id, "--name", name,
		"--per-second", "10000", "--per-minute", "100000"}, flags...)...)
	if err != nil {
		return nil, err
	}
	m := regexp.MustCompile(`app_code +(\S+)\s+client_key +(\S+)`).FindStringSubmatch(out)
	if m == nil {
		return nil, fmt.Errorf("no credential in %q", out)
	}
	return &sampan.Client{BaseURL: r.gateway, AppCode: m[1], ClientKey: m[2]}, nil
}

// open opens a pay link as a browser does, and follows no redirect.
func open(link string) error {
	client := &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	req, err := http.NewRequest(http.MethodGet, link, nil)
	if err != nil {
		return err
	}
	req.Header.Set("User-Agent",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "+
			"Version/18.5 Mobile/15E148 Safari/604.1")
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return err
}
