package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "modernc.org/sqlite"             // the driver "sqlite"
)

const masterKey = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

// The wallet account that every deployment here has.
const (
	partner = "2088000000000001"
	md5Key  = "760bdzec6y9goq7ctyx96ezkz78287de"
)

// deployment is a gateway set up as an operator does it: a database, a configuration, a merchant
// with very high limits, and a wallet account.
type deployment struct {
	kind           string // sqlite or postgres
	binary, config string
	dsn, base      string
	merchants      []merchant
	appCode, key   string // of the first merchant
}

// deploy sets up a deployment of the kind in an empty database, with a wallet account whose gateway
// is at walletURL.
func deploy(ctx context.Context, r run, kind, name, walletURL string) (*deployment, error) {
	dir := filepath.Join(r.dir, kind+"-"+name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	d := &deployment{
		kind: kind, binary: r.binary, config: filepath.Join(dir, "sampan.toml"),
		dsn: "sqlite:" + filepath.Join(dir, "sampan.db"),
	}
	if kind == "postgres" {
		var err error
		if d.dsn, err = newDatabase(ctx, r.postgres, name); err != nil {
			return nil, err
		}
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	d.base = "http://" + address
	key := filepath.Join(dir, "master.key")
	text := fmt.Sprintf("listen = %q\nbase_url = %q\ndatabase = %q\nmaster_key_file = %q\n",
		address, d.base, d.dsn, key) +
		"[delivery]\nallow = [\"127.0.0.0/8:*\"]\n"
	err = errors.Join(os.WriteFile(key, []byte(masterKey), 0o600),
		os.WriteFile(d.config, []byte(text), 0o600))
	if err != nil {
		return nil, err
	}
	if _, err := d.operate(ctx, "migrate"); err != nil {
		return nil, err
	}
	secret := filepath.Join(dir, "md5.key")
	if err := os.WriteFile(secret, []byte(md5Key), 0o600); err != nil {
		return nil, err
	}
	for i := range merchants {
		m, err := d.addMerchant(ctx, strconv.Itoa(100001+i), walletURL, secret)
		if err != nil {
			return nil, err
		}
		d.merchants = append(d.merchants, m)
	}
	d.appCode, d.key = d.merchants[0].appCode, d.merchants[0].key
	return d, nil
}

// merchants is how many merchants a deployment has, each with a wallet account of its own: the
// gateway confirms a few callbacks at once for each account.
const merchants = 8

type merchant struct{ id, appCode, key string }

func (d *deployment) addMerchant(ctx context.Context, id, walletURL, secret string) (merchant, error) {
	m := merchant{id: id}
	printed, err := d.operate(ctx, "merchant", "add", "--id", id, "--name", "Tea House",
		"--per-second", "1000000", "--per-minute", "60000000")
	if err != nil {
		return m, err
	}
	words := strings.Fields(printed)
	for i, w := range words[:len(words)-1] {
		switch w {
		case "app_code":
			m.appCode = words[i+1]
		case "client_key":
			m.key = words[i+1]
		}
	}
	_, err = d.operate(ctx, "wallet", "add", "--merchant", id,
		"--id", "alipay", "--kind", "alipayglobal",
		"--pay-types", "801107", "--currencies", "HKD",
		"--set", "gateway="+walletURL, "--set", "partner="+partner,
		"--set", "sign_type=MD5", "--secret", "md5_key=@"+secret)
	return m, err
}

// operate runs an operator's command.
func (d *deployment) operate(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, d.binary, append(args, "--config", d.config)...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("sampan %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// server is a process that serves HTTP.
type server struct {
	*exec.Cmd
	log *os.File
}

// serve starts the gateway and waits until it is ready. Its log goes to a file, as in a deployment.
func (d *deployment) serve(ctx context.Context) (*server, error) {
	return startServer(ctx, d.base+"/readyz",
		filepath.Join(filepath.Dir(d.config), "serve.log"), d.binary, "serve",
		"--config", d.config)
}

func startServer(ctx context.Context, ready, log string, name string, args ...string) (*server, error) {
	f, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	s := &server{Cmd: exec.CommandContext(ctx, name, args...), log: f}
	s.Stdout, s.Stderr = f, f
	s.Cancel = func() error { return s.Process.Signal(syscall.SIGTERM) }
	s.WaitDelay = 20 * time.Second
	if err := s.Start(); err != nil {
		return nil, err
	}
	return s, answers(ctx, ready, 10*time.Second)
}

// end stops the process and waits for it.
func (s *server) end() error {
	defer s.log.Close()
	if err := s.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return s.Wait()
}

// kill ends the process at once.
func (s *server) kill() error {
	defer s.log.Close()
	if err := s.Process.Kill(); err != nil {
		return err
	}
	s.Wait() // returns that it was killed
	return nil
}

// resident returns the process's resident memory in MiB.
func (s *server) resident() (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
	return kib / 1024, err
}

// answers waits until the address answers 200. It asks every millisecond.
func answers(ctx context.Context, address string, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return err
		}
		res, err := http.DefaultClient.Do(req)
		if err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%s does not answer: %w", address, err)
		}
		time.Sleep(time.Millisecond)
	}
}

// open opens a separate connection to the deployment's database.
func (d *deployment) open() (*sql.DB, error) {
	if path, ok := strings.CutPrefix(d.dsn, "sqlite:"); ok {
		return sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(10000)")
	}
	return sql.Open("pgx", d.dsn)
}

// ask reads one number from the deployment's database.
func (d *deployment) ask(ctx context.Context, text string, args ...any) (n int64, err error) {
	db, err := d.open()
	if err != nil {
		return 0, err
	}
	defer db.Close()
	return n, db.QueryRowContext(ctx, text, args...).Scan(&n)
}

// newDatabase creates an empty database on the server and returns its address.
func newDatabase(ctx context.Context, server, name string) (string, error) {
	u, err := url.Parse(server)
	if err != nil {
		return "", errors.New("the PostgreSQL server's address cannot be parsed")
	}
	admin, err := sql.Open("pgx", server)
	if err != nil {
		return "", err
	}
	defer admin.Close()
	u.Path = "/bench_" + name
	_, err = admin.ExecContext(ctx, "CREATE DATABASE bench_"+name)
	return u.String(), err
}

// freeAddress returns a free loopback address.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
