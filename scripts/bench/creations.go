package main

import (
	"bufio"
	"context"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/sampanpay/sampan/internal/sign"
)

//go:embed orders.lua
var ordersLua []byte

// mostPerSecond is above the number of orders that any server here accepts in a second.
const mostPerSecond = 40_000

// load holds wrk's counts.
type load struct {
	perSecond float64
	p50, p99  time.Duration
	errors    int64
}

// order is a shop's payment request.
func order(number string) sign.Params {
	return sign.Params{
		"txamt": "1230", "txcurrcd": "HKD", "pay_type": "801107", "out_trade_no": number,
		"txdtm": "2026-11-22 12:00:00", "goods_name": "Oolong", "notify_url": "http://127.0.0.1:9/notify",
		"return_url": "https://shop.example/thanks",
	}
}

// form formats an order as a request's body.
func form(p sign.Params) string {
	v := url.Values{}
	for name, value := range p {
		v.Set(name, value)
	}
	return v.Encode()
}

// signOrders writes n signed orders for orders.lua. Their numbers begin with prefix.
func signOrders(path, appCode, key, prefix string, n int) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := bufio.NewWriter(f)
	fmt.Fprintf(w, "%s\n%s\n", appCode, strings.Replace(form(order("NUMBER")), "NUMBER", "#", 1))
	for i := range n {
		number := prefix + strconv.Itoa(i)
		fmt.Fprintf(w, "%s %s\n", number, sign.Request(order(number), key, sign.SHA256))
	}
	return w.Flush()
}

// wrk sends the file's orders to a server for the duration d.
func wrk(ctx context.Context, r run, base, orders string, connections int, d time.Duration) (load, error) {
	script := filepath.Join(r.dir, "orders.lua")
	if err := os.WriteFile(script, ordersLua, 0o600); err != nil {
		return load{}, err
	}
	out, err := exec.CommandContext(ctx, "wrk", "-t1", "-c", strconv.Itoa(connections), "-d",
		strconv.Itoa(int(d.Seconds())),
		"-s", script, base+"/trade/v1/payment", "--", orders).CombinedOutput()
	if err != nil {
		return load{}, fmt.Errorf("wrk: %w\n%s", err, out)
	}
	var requests, took, p50, p99 int64
	var l load
	_, result, _ := strings.Cut(string(out), "result ")
	if _, err := fmt.Sscan(result, &requests, &took, &p50, &p99, &l.errors); err != nil || took == 0 {
		return load{}, fmt.Errorf("wrk printed no result: %v\n%s", err, out)
	}
	l.perSecond = float64(requests) / (float64(took) / 1e6)
	l.p50, l.p99 = time.Duration(p50)*time.Microsecond, time.Duration(p99)*time.Microsecond
	return l, nil
}

// bareLoad measures the bare handler.
func bareLoad(ctx context.Context, r run, base string, connections int) (load, error) {
	orders := filepath.Join(r.dir, "orders")
	if err := signOrders(orders, bareAppCode, bareKey, "B", mostPerSecond); err != nil {
		return load{}, err
	}
	return wrk(ctx, r, base, orders, connections, r.duration)
}

// creations measures signed orders at a running gateway, and checks that every answered order is in
// the database.
func creations(ctx context.Context, r run, d *deployment, connections int) (load, error) {
	orders, prefix := filepath.Join(r.dir, "orders"), r.unique()
	if err := signOrders(orders, d.appCode, d.key, prefix,
		mostPerSecond*int(r.duration.Seconds())); err != nil {
		return load{}, err
	}
	l, err := wrk(ctx, r, d.base, orders, connections, r.duration)
	if err != nil {
		return l, err
	}
	stored, err := d.ask(ctx,
		"SELECT count(*) FROM payment WHERE order_no >= $1 AND order_no < $2", prefix, prefix+"~")
	if err != nil {
		return l, err
	}
	if answered := int64(l.perSecond * r.duration.Seconds() * 0.99); stored < answered-int64(connections) {
		return l, fmt.Errorf("%s: wrk counted %d answers, but %d orders are stored", d.kind, answered, stored)
	}
	return l, nil
}

// The row that a creation stores, to measure the databases' own rates.
const (
	rowColumns = `merchant_id, id, app_code, store_id, order_no, fingerprint, pay_type, account_id,
	amount, currency, goods, client_time, device_id, return_url, notify_url, open_id, no_credit, status,
	checkout, trade_no, buyer_id, failure, late, flagged, created_at, expires_at, opened_at, paid_at,
	closed_at, asked_at, due_at, inquiries, reserved, refunded, lease, claimable_at`
	rowValues = `'100001', %[1]s, '8A1B2C3D4E5F60718293A4B5C6D7E8F9', '', %[1]s,
	'9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08', '801107', 'alipay',
	1230, 'HKD', 'Oolong',
	'2026-11-22 12:00:00', '', 'https://shop.example/thanks', 'http://127.0.0.1:9/notify', '', 0, 'pending',
	'', '', '', '', 0, 0, %[2]s, %[2]s, 0, 0, 0, 0, %[2]s, 0, 0, 0, '', %[2]s`
)

// inserts returns the database's own rate of inserts of that row.
func (d *deployment) inserts(ctx context.Context, r run, clients int) (float64, error) {
	if d.kind == "postgres" {
		return d.pgbench(ctx, r, clients)
	}
	return d.plainLoop(ctx, r.duration)
}

// plainLoop returns how many single-row inserts a second SQLite commits one by one, with the
// gateway's durability, into a copy of the schema.
func (d *deployment) plainLoop(ctx context.Context, duration time.Duration) (float64, error) {
	path, _ := strings.CutPrefix(d.dsn, "sqlite:")
	db, err := sql.Open("sqlite",
		"file:"+path+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=foreign_keys(1)")
	if err != nil {
		return 0, err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	row := fmt.Sprintf(rowValues, "$1", "$2")
	insert, err := db.PrepareContext(ctx, "INSERT INTO payment ("+rowColumns+") VALUES ("+row+")")
	if err != nil {
		return 0, err
	}
	defer insert.Close()
	start := time.Now()
	n := 0
	for ; time.Since(start) < duration; n++ {
		id := time.Now().UnixNano()
		if _, err := insert.ExecContext(ctx, strconv.FormatInt(id, 10), id/1e6); err != nil {
			return 0, err
		}
	}
	return float64(n) / time.Since(start).Seconds(), nil
}

// pgbench returns PostgreSQL's rate for the same insert with this number of clients. The rate
// excludes the time to connect.
func (d *deployment) pgbench(ctx context.Context, r run, clients int) (float64, error) {
	script := filepath.Join(r.dir, "insert.sql")
	text := "\\set id random(1, 9000000000000000000)\n\\set at 1795348800000 + :id % 1000000\n" +
		"INSERT INTO payment (" +
		strings.ReplaceAll(rowColumns, "\n\t", " ") + ") VALUES (" +
		strings.ReplaceAll(fmt.Sprintf(rowValues, "(:id)::bigint::text",
			"(:at)::bigint"), "\n\t", " ") + ");\n"
	if err := os.WriteFile(script, []byte(text), 0o600); err != nil {
		return 0, err
	}
	out, err := exec.CommandContext(ctx, "pgbench", "-n", "-M", "prepared", "-c", strconv.Itoa(clients), "-j",
		strconv.Itoa(min(2, clients)),
		"-T", strconv.Itoa(int(r.duration.Seconds())+3), "-f", script, d.dsn).CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("pgbench: %w\n%s", err, out)
	}
	_, rest, _ := strings.Cut(string(out), "tps = ")
	words := strings.Fields(rest)
	if len(words) == 0 || strings.Contains(string(out), "aborted") {
		return 0, fmt.Errorf("pgbench gave no rate:\n%s", out)
	}
	return strconv.ParseFloat(words[0], 64)
}

// side holds the measurements with one number of connections, one element for each turn.
type side struct {
	ours, bare, inserts, toBare, toInserts []float64
	p50, p99                               []time.Duration
	errors                                 int64
}

// turns measures the gateway, the bare handler and the database's own inserts in turn, several
// times.
func turns(ctx context.Context, r run, d, own *deployment, bareURL string, connections int) (side, error) {
	var s side
	for range r.rounds {
		bare, err := bareLoad(ctx, r, bareURL, connections)
		if err != nil {
			return s, err
		}
		ours, err := creations(ctx, r, d, connections)
		if err != nil {
			return s, err
		}
		inserts, err := own.inserts(ctx, r, connections)
		if err != nil {
			return s, err
		}
		s.ours, s.bare, s.inserts = append(s.ours, ours.perSecond), append(s.bare, bare.perSecond),
			append(s.inserts, inserts)
		s.toBare, s.toInserts = append(s.toBare, ours.perSecond/bare.perSecond),
			append(s.toInserts, ours.perSecond/inserts)
		s.p50, s.p99 = append(s.p50, ours.p50), append(s.p99, ours.p99)
		s.errors += ours.errors + bare.errors
	}
	return s, nil
}

func measureCreations(ctx context.Context, r run, out *report) error {
	bare, bareURL, err := startBare(ctx, r, "")
	if err != nil {
		return err
	}
	out.title("Signed creations over HTTP on loopback, by wrk",
		"database", "connections", "per s", "p50", "p99", "errors",
		"bare handler/s", "ratio", "own inserts/s", "ratio")
	for _, kind := range r.kinds() {
		d, err := deploy(ctx, r, kind, "creations", "http://127.0.0.1:9/")
		if err != nil {
			return err
		}
		own, err := deploy(ctx, r, kind, "inserts", "http://127.0.0.1:9/")
		if err != nil {
			return err
		}
		server, err := d.serve(ctx)
		if err != nil {
			return err
		}
		for _, connections := range []int{1, 16, 64} {
			s, err := turns(ctx, r, d, own, bareURL, connections)
			if err != nil {
				return err
			}
			p50, p99 := median(s.p50).Round(10*time.Microsecond), median(s.p99).Round(10*time.Microsecond)
			toBare, toInserts := median(s.toBare), median(s.toInserts)
			out.row(kind, strconv.Itoa(connections), whole(median(s.ours)), p50.String(), p99.String(),
				strconv.FormatInt(s.errors, 10),
				whole(median(s.bare)), ratioOf(toBare), whole(median(s.inserts)), ratioOf(toInserts))
			if connections < 64 {
				continue
			}
			out.creations[kind] = median(s.ours)
			if kind == "sqlite" {
				out.target("sqlite: creations, of the bare handler's",
					ratioOf(toBare), "≥ 0.40", toBare >= 0.4)
				out.target("sqlite: creations, p99", p99.String(), "≤ 40ms", p99 <= 40*time.Millisecond)
			} else {
				out.target("postgres: creations, of pgbench's inserts",
					ratioOf(toInserts), "≥ 2.00", toInserts >= 2)
			}
		}
		if err := server.end(); err != nil {
			return err
		}
	}
	return bare.kill()
}
