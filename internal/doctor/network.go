package doctor

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sampanpay/sampan/internal/outbound"
	"github.com/sampanpay/sampan/internal/terminal"
)

// port checks whether serve can listen, or already does.
func (d *checkup) port() {
	const what = "listen"
	ctx, cancel := d.within()
	defer cancel()
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", d.Listen)
	if err == nil {
		d.good(what, "%s is free: serve does not run here now", d.Listen)
		if err := l.Close(); err != nil {
			d.wrong(what, err.Error(), "")
		}
		return
	}
	host, port, splitErr := net.SplitHostPort(d.Listen)
	if splitErr != nil {
		d.wrong(what, splitErr.Error(), `write it like "127.0.0.1:7700"`)
		return
	}
	if ip := net.ParseIP(host); host == "" || ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	ready, getErr := d.get("http://" + net.JoinHostPort(host, port) + "/readyz")
	switch {
	case getErr == nil && ready.fromSampan():
		d.listening = true
		d.good(what, "a healthy Sampan listens at %s", d.Listen)
	case getErr == nil && ready.status == http.StatusServiceUnavailable:
		d.listening = true
		d.wrong(what,
			fmt.Sprintf("what listens at %s is not ready: %s", d.Listen,
				terminal.Visible(strings.TrimSpace(ready.body))), "see its log")
	default:
		d.wrong(what, fmt.Sprintf("serve cannot listen: %v", err), "end what has the port, or choose another")
	}
}

// baseURLReached requests this deployment's base_url, as far as that is possible
// from this machine.
func (d *checkup) baseURLReached() {
	const what = "callbacks"
	u, err := url.Parse(d.BaseURL)
	if err != nil || u.Host == "" {
		return // baseURL has reported it
	}
	if !d.resolves("base_url", u.Hostname()) {
		return
	}
	live, err := d.get(strings.TrimRight(d.BaseURL, "/") + "/livez")
	const mind = "the wallet posts to addresses below it: the way in from the internet must lead here"
	switch {
	case err != nil && !d.listening:
		d.warn(what, fmt.Sprintf("base_url does not answer: %v", err), "start serve, and run doctor again")
	case err != nil:
		d.wrong(what, fmt.Sprintf("base_url does not answer: %v", err), mind)
	case live.status >= 300 && live.status < 400:
		d.wrong(what, fmt.Sprintf("base_url redirects (%d)", live.status),
			"give the address that it redirects to: wallets do not follow")
	case !live.fromSampan():
		d.wrong(what, fmt.Sprintf("what answers at base_url is not Sampan (%d to /livez)", live.status), mind)
	default:
		d.good(what, "base_url leads to a Sampan from here; it must also do so from the wallet")
	}
	if live.certificate != nil {
		d.certificate(live.certificate)
	}
}

// certificate warns two weeks before a certificate ends.
func (d *checkup) certificate(c *x509.Certificate) {
	if c.NotAfter.Sub(d.now()) < 14*24*time.Hour {
		d.warn("base_url", "its certificate ends on "+c.NotAfter.In(d.Location).Format(time.DateTime),
			"renew it")
	}
}

// walletsReached checks that every wallet in use answers, and compares its clock with
// this machine's.
func (d *checkup) walletsReached() {
	const what = "wallets"
	for _, g := range d.gateways {
		u, err := url.Parse(g)
		if err != nil || !d.resolves(what, u.Hostname()) {
			continue
		}
		from := d.now()
		there, err := d.get(g)
		if err != nil {
			if private(u.Hostname()) {
				d.warn(what, fmt.Sprintf("%s does not answer: %v", g, err), "start the simulator")
				continue
			}
			d.wrong(what, fmt.Sprintf("%s does not answer: %v", g, err),
				"payments cannot be confirmed without it: let this machine reach it")
			continue
		}
		d.good(what, "%s answers", g)
		if private(u.Hostname()) {
			d.warn(what, g+" is not the wallet's own address", "fit for a sandbox only: no money moves")
		}
		if theirs, err := http.ParseTime(there.date); err == nil {
			d.offset("the wallet's", from.Sub(theirs), 10*time.Second, 5*time.Minute)
		}
	}
}

// resolves reports whether a host's name leads to an address.
func (d *checkup) resolves(what, host string) bool {
	ctx, cancel := d.within()
	defer cancel()
	_, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		d.wrong(what, fmt.Sprintf("%s has no address: %v", host, err),
			"look at the name, and at this machine's resolver")
	}
	return err == nil
}

// answer is the part of an HTTP answer that the checks use.
type answer struct {
	status      int
	body        string // its beginning
	date        string
	certificate *x509.Certificate // nil without TLS
}

// fromSampan reports whether the answer is that of a healthy Sampan.
func (a answer) fromSampan() bool { return a.status == http.StatusOK && a.body == "ok\n" }

// get requests an address. It follows no redirect and uses no proxy. Errors do not
// repeat the address.
func (d *checkup) get(address string) (answer, error) {
	ctx, cancel := d.within()
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return answer{}, err
	}
	r.Header.Set("User-Agent", "sampan-doctor")
	client := outbound.Plain(outbound.Limits{})
	defer client.CloseIdleConnections()
	response, err := client.Do(r)
	if err != nil {
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		if errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("no answer in %v", checkWithin)
		}
		return answer{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<10))
	a := answer{status: response.StatusCode, body: string(body), date: response.Header.Get("Date")}
	if response.TLS != nil {
		a.certificate = response.TLS.PeerCertificates[0]
	}
	return a, err
}
