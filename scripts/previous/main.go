// Command previous fills a SQLite and a PostgreSQL database with the binary of the previous
// release: payments, refunds and orphans in every state, and every kind of event. It stores the
// databases and what that release's commands print about them. The migration's tests use them as
// the databases of existing deployments.
//
//	go run ./scripts/previous -commit e3d7c25 -postgres postgres://… -out internal/store/testdata/previous
//
// It takes about seven minutes, since the shortest life of an order is five. story.go tells what
// happens, steps.go has its steps, wallet.go plays the wallet, and release.go runs the release.
package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/sampanpay/sampan"
	"github.com/sampanpay/sampan/internal/wire/alipay"
	"github.com/sampanpay/sampan/internal/wire/mapi"
	"github.com/sampanpay/sampan/internal/wire/openapi"
)

func main() {
	log.SetFlags(log.Ltime)
	commit := flag.String("commit", "", "the release's commit")
	binary := flag.String("binary", "", "a binary of the release, to use instead of building one")
	server := flag.String("postgres", "", "a PostgreSQL server on which databases may be made")
	out := flag.String("out", "", "the directory for the databases")
	only := flag.String("only", "", "sqlite or postgres: fill only this one")
	flag.Parse()
	if err := run(*commit, *binary, *server, *out, *only); err != nil {
		log.Fatal(err)
	}
}

func run(commit, binary, server, out, only string) error {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "previous")
	if err != nil {
		return err
	}
	log.Println("working in", dir)
	if binary == "" {
		if binary, err = build(ctx, commit, dir); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	var both sync.WaitGroup
	failed := make(chan error, 2)
	for _, kind := range []string{"sqlite", "postgres"} {
		if only != "" && only != kind {
			continue
		}
		both.Go(func() {
			f := filler{
				ctx: ctx, kind: kind, binary: binary, server: server, dir: filepath.Join(dir, kind), out: out,
			}
			failed <- f.fill()
		})
	}
	both.Wait()
	close(failed)
	for e := range failed {
		err = errors.Join(err, e)
	}
	return err
}

// filler fills one database.
type filler struct {
	ctx                            context.Context
	kind, binary, server, dir, out string
	wallet                         *wallet
	md5Key, windowKey              string   // files
	windowPublic                   string   // the wallet's key
	receiver                       string   // where notifications are acknowledged
	main, shadow                   *release // shadow is a copy of the database from before the story
	tea, chain                     *sampan.Client
}

func (f *filler) fill() error {
	if err := os.Mkdir(f.dir, 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(f.dir, "master.key"), []byte(masterKey), 0o600); err != nil {
		return err
	}
	steps := []func() error{f.startWallet, f.startReceiver, f.setUp}
	for _, step := range steps {
		if err := step(); err != nil {
			return fmt.Errorf("%s: %w", f.kind, err)
		}
	}
	s := newStory(f)
	if err := s.tell(); err != nil {
		return fmt.Errorf("%s: %w", f.kind, err)
	}
	if err := errors.Join(f.main.stop(), f.shadow.stop()); err != nil {
		return err
	}
	return errors.Join(f.keepPrinted(s), f.keepDatabase())
}

func (f *filler) startWallet() error {
	application, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	alipays, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(application)
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(&alipays.PublicKey)
	if err != nil {
		return err
	}
	f.windowPublic = base64.StdEncoding.EncodeToString(public)
	f.windowKey = filepath.Join(f.dir, "window.key")
	f.md5Key = filepath.Join(f.dir, "md5.key")
	shared := "0123456789abcdefghijklmnopqrstuv"
	if err := errors.Join(
		os.WriteFile(f.windowKey, []byte(base64.StdEncoding.EncodeToString(private)), 0o600),
		os.WriteFile(f.md5Key, []byte(shared), 0o600)); err != nil {
		return err
	}
	f.wallet, err = startWallet(mapi.Keys{Type: mapi.MD5, Shared: shared},
		openapi.Keys{Type: alipay.RSA2, Private: alipays, Public: &application.PublicKey})
	return err
}

// startReceiver starts the merchants' server: /dead acknowledges nothing.
func (f *filler) startReceiver() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	f.receiver = "http://" + listener.Addr().String()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /dead", func(res http.ResponseWriter, _ *http.Request) {
		http.Error(res, "no", http.StatusTeapot)
	})
	mux.HandleFunc("POST /", func(res http.ResponseWriter, _ *http.Request) { fmt.Fprint(res, "success") })
	go func() { _ = http.Serve(listener, mux) }()
	return nil
}

// setUp makes the database with two merchants and their accounts, and a copy of it, as a backup is
// one. Both are served.
func (f *filler) setUp() (err error) {
	dsn, shadow := "sqlite:"+filepath.Join(f.dir, "sampan.db"), "sqlite:"+filepath.Join(f.dir, "shadow.db")
	if f.kind == "postgres" {
		if dsn, err = f.database("sampan_previous", ""); err != nil {
			return err
		}
	}
	if f.main, err = newRelease(f.ctx, f.binary, f.dir, "main", dsn); err != nil {
		return err
	}
	if err := f.furnish(); err != nil {
		return err
	}
	if f.kind == "postgres" {
		shadow, err = f.database("sampan_previous_shadow", " TEMPLATE sampan_previous")
	} else {
		_, err = f.main.run("backup", filepath.Join(f.dir, "shadow.db"))
	}
	if err != nil {
		return err
	}
	if f.shadow, err = newRelease(f.ctx, f.binary, f.dir, "shadow", shadow); err != nil {
		return err
	}
	return errors.Join(f.main.serve(filepath.Join(f.dir, "main.log")),
		f.shadow.serve(filepath.Join(f.dir, "shadow.log")))
}

// furnish adds the merchants and their wallet accounts.
func (f *filler) furnish() (err error) {
	if _, err := f.main.run("migrate"); err != nil {
		return err
	}
	if f.tea, err = f.main.merchant("100001", "Tea House"); err != nil {
		return err
	}
	if f.chain, err = f.main.merchant("100002", "Noodle Chain",
		"--stores", "--notify-url", f.receiver); err != nil {
		return err
	}
	global := []string{"--kind", "alipayglobal",
		"--pay-types", "801107,801512", "--secret", "md5_key=@" + f.md5Key,
		"--set", "gateway=" + f.wallet.address + "/mapi", "--set", "sign_type=MD5", "--set", "confirm=no",
		"--set", "refund_gap=0s"}
	for _, args := range [][]string{
		append([]string{"wallet", "add", "--merchant", "100001", "--id", "main", "--currencies", "HKD,JPY",
			"--set", "partner=2088000000000001"}, global...),
		append([]string{"wallet", "add", "--merchant", "100002", "--id", "main", "--currencies", "HKD",
			"--set", "partner=2088000000000002"}, global...),
		{"wallet", "add", "--merchant", "100001", "--id", "window",
			"--kind", "servicewindow", "--pay-types", "800107",
			"--currencies", "CNY", "--set", "gateway=" + f.wallet.address + "/openapi",
			"--set", "app_id=" + appID,
			"--set", "alipay_public_key=" + f.windowPublic, "--secret", "private_key=@" + f.windowKey},
		{"merchant", "add-store", "--app-code", f.chain.AppCode,
			"--id", "S1", "--name", "Noodles, first street"},
	} {
		if _, err := f.main.run(args...); err != nil {
			return err
		}
	}
	return nil
}

// appID is the application's number at the open platform.
const appID = "2021000000000001"

// database makes a database on the server, and returns its address.
func (f *filler) database(name, like string) (string, error) {
	admin, err := pgx.Connect(f.ctx, f.server)
	if err != nil {
		return "", err
	}
	defer admin.Close(f.ctx)
	for _, text := range []string{"DROP DATABASE IF EXISTS " + name, "CREATE DATABASE " + name + like} {
		if _, err := admin.Exec(f.ctx, text); err != nil {
			return "", err
		}
	}
	u, err := url.Parse(f.server)
	if err != nil {
		return "", err
	}
	u.Path = "/" + name
	return u.String(), nil
}

// keepPrinted keeps what the release prints about the database.
func (f *filler) keepPrinted(s *story) error {
	var b bytes.Buffer
	printed := func(args ...string) error {
		text, err := f.main.run(args...)
		fmt.Fprintf(&b, "$ sampan %s\n%s\n", strings.Join(args, " "), text)
		return err
	}
	if err := printed("audit"); err != nil {
		return err
	}
	for _, number := range s.numbers {
		if err := printed("payment", "show", number); err != nil {
			return err
		}
	}
	for _, number := range s.sortedOrphans() {
		if err := printed("orphan", "show", number); err != nil {
			return err
		}
	}
	if err := printed("orphan", "list", "--state", "all"); err != nil {
		return err
	}
	return keep(filepath.Join(f.out, f.kind+".txt.gz"), b.Bytes())
}

// keepDatabase keeps the database: SQLite's file, or the statements that make it.
func (f *filler) keepDatabase() error {
	if f.kind == "sqlite" {
		file := filepath.Join(f.dir, "kept.db")
		if _, err := f.main.run("backup", file); err != nil {
			return err
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		return keep(filepath.Join(f.out, "sqlite.db.gz"), text)
	}
	u, err := url.Parse(f.server)
	if err != nil {
		return err
	}
	u.Path = "/sampan_previous"
	cmd := exec.CommandContext(f.ctx, "pg_dump",
		"--no-owner", "--no-privileges", "--inserts", "--rows-per-insert=50",
		"-d", u.String())
	cmd.Stderr = os.Stderr
	text, err := cmd.Output()
	if err != nil {
		return err
	}
	var b bytes.Buffer
	for line := range bytes.Lines(text) {
		if !bytes.HasPrefix(line, []byte(`\`)) { // psql's own commands
			b.Write(line)
		}
	}
	return keep(filepath.Join(f.out, "postgres.sql.gz"), b.Bytes())
}

// keep writes a file, compressed.
func keep(path string, text []byte) error {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := z.Write(text); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	return os.WriteFile(path, b.Bytes(), 0o644)
}
