package crash_test

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/Shopify/toxiproxy/v2/stream"
	"github.com/Shopify/toxiproxy/v2/toxics"
	"github.com/rs/zerolog"

	"github.com/sampanpay/sampan/test/harness"
)

// Everything between the gateway, wallets and merchants goes over a network that does not do what
// it should. After it works again, nothing may be lost, and nothing that it has made up may have
// been believed.
func TestABadNetworkLosesNothing(t *testing.T) {
	t.Parallel()
	n := newBadNetwork(t)
	tiny := attributes{"average_size": 40, "size_variation": 30, "delay": 3000}
	var (
		slow    = toxic{Type: "latency", Toxicity: 0.7, Attributes: attributes{"latency": 300, "jitter": 300}}
		pieces  = toxic{Type: "slicer", Toxicity: 1, Attributes: tiny}
		drops   = toxic{Type: "timeout", Toxicity: 0.3, Attributes: attributes{"timeout": 1000}}
		halves  = toxic{Type: "limit_data", Toxicity: 0.4, Attributes: attributes{"bytes": 400}}
		resets  = toxic{Type: "reset_peer", Toxicity: 0.3, Attributes: attributes{"timeout": 5}}
		changes = toxic{Type: "corrupt", Toxicity: 0.6}
		repeats = toxic{Type: "duplicate", Toxicity: 0.6}
	)
	n.survive(t,
		n.fault("network: slow", slow).onlyInLongRuns(),
		n.fault("network: in pieces", pieces).onlyInLongRuns(),
		n.fault("network: drops what is sent", drops).onlyInLongRuns(),
		n.fault("network: hangs up halfway", halves).onlyInLongRuns(),
		n.fault("network: resets connections", resets).onlyInLongRuns(),
		n.fault("network: changes bytes", changes),
		n.fault("network: delivers twice", repeats),
		n.fault("network: all of it", slow.rarely(), pieces.rarely(), drops.rarely(),
			halves.rarely(), resets.rarely(), changes, repeats),
	)
}

// toxic is Toxiproxy's word for a fault of connections. Toxicity is the share of connections that
// have it.
type toxic struct {
	Type       string     `json:"type"`
	Stream     string     `json:"stream"`
	Toxicity   float32    `json:"toxicity"`
	Attributes attributes `json:"attributes,omitempty"`
}

type attributes map[string]any

// rarely is for use together with other faults.
func (x toxic) rarely() toxic {
	x.Toxicity /= 4
	return x
}

// badNetwork is a deployment and the three paths to and from its gateway.
type badNetwork struct {
	*deployment
	public   *path // to the gateway: merchants, buyers, the wallet's callbacks
	wallet   *path // from the gateway to the wallet
	merchant *path // from the gateway to the merchant
}

func newBadNetwork(t *testing.T) *badNetwork {
	t.Helper()
	toxics.Register("corrupt", new(corrupter))
	toxics.Register("duplicate", new(duplicator))
	n := &badNetwork{deployment: newDeployment(t, "sqlite:"+filepath.Join(t.TempDir(), "sampan.db"))}
	host := func(base string) string { return strings.TrimPrefix(base, "http://") }
	n.public = newPath(t, "public", host(n.Gateway))
	n.wallet = newPath(t, "wallet", host(n.walletProxy.URL))
	n.merchant = newPath(t, "merchant", "")
	n.Gateway = "http://" + n.public.address
	n.connectWallet(t, "http://"+n.wallet.address)
	n.delivery = manyShortGaps // the network is bad for a few seconds only
	return n
}

// fault is a time with these toxics, in both directions of all paths.
func (n *badNetwork) fault(name string, toxics ...toxic) fault {
	return fault{name: name, gaps: `"1s"`, inject: func(t *testing.T, d *deployment) {
		l := d.ledger
		n.merchant.upstream = l.server.Listener.Addr().String()
		l.notifyURL = "http://" + n.merchant.address
		l.HTTPClient.Timeout = 3 * time.Second
		l.transient = func(error) bool { return true }
		l.noisy = true
		n.reset(t)
		d.start(t)
		d.busy(t, func() {
			defer d.beginOutage(true)()
			n.reset(t, toxics...)
			time.Sleep(min(time.Duration(crashes(t))*400*time.Millisecond, 20*time.Second))
			n.reset(t)
		})
		t.Logf("%d notifications could not be verified", l.unverifiable.Load())
	}}
}

// reset cuts every connection. New ones have these toxics.
func (n *badNetwork) reset(t *testing.T, toxics ...toxic) {
	t.Helper()
	for _, p := range []*path{n.public, n.wallet, n.merchant} {
		p.reset(t, toxics...)
	}
}

// path is an address that forwards to another.
type path struct {
	name, address, upstream string
	proxy                   *toxiproxy.Proxy
}

func newPath(t *testing.T, name, upstream string) *path {
	t.Helper()
	p := &path{name: name, address: harness.FreeAddress(t), upstream: upstream}
	t.Cleanup(func() {
		if p.proxy != nil {
			p.proxy.Stop()
		}
	})
	return p
}

// reset cuts every connection. New ones have these toxics.
//
// The trade API signs requests and notifications, but not its answers: those are protected by TLS
// only. So nothing is changed in the gateway's answers.
func (p *path) reset(t *testing.T, toxics ...toxic) {
	t.Helper()
	if p.proxy != nil {
		p.proxy.Stop()
	}
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	p.proxy = toxiproxy.NewProxy(server, p.name, p.address, p.upstream)
	for _, x := range toxics {
		for _, x.Stream = range []string{"upstream", "downstream"} {
			answers := x.Stream == "downstream"
			if answers && (x.Type == "duplicate" || x.Type == "corrupt" && p.name == "public") {
				continue
			}
			if x.Type == "duplicate" {
				x.Attributes = attributes{"upstream": p.upstream}
			}
			text, err := json.Marshal(x)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := p.proxy.Toxics.AddToxicJson(bytes.NewReader(text)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := p.proxy.Start(); err != nil {
		t.Fatal(err)
	}
}

// each passes every message to f, until the connection ends.
func each(stub *toxics.ToxicStub, f func(*stream.StreamChunk)) {
	for {
		select {
		case <-stub.Interrupt:
			return
		case c := <-stub.Input:
			if c == nil {
				stub.Close()
				return
			}
			f(c)
		}
	}
}

// corrupter changes one byte of half of the messages, in the body if a message has one.
type corrupter struct{}

// Pipe implements toxics.Toxic.
func (*corrupter) Pipe(stub *toxics.ToxicStub) {
	each(stub, func(c *stream.StreamChunk) {
		body := c.Data
		if _, after, ok := bytes.Cut(c.Data, []byte("\r\n\r\n")); ok && len(after) > 0 {
			body = after
		}
		if rand.N(2) == 0 {
			at := rand.N(len(body))
			body[at] = another(body[at])
		}
		stub.Output <- c
	})
}

// another returns a different byte. A digit becomes a digit and a letter a letter: only a signature
// detects that.
func another(b byte) byte {
	switch {
	case '0' <= b && b <= '9':
		return '0' + (b-'0'+byte(1+rand.N(9)))%10
	case 'a' <= b && b <= 'z':
		return 'a' + (b-'a'+byte(1+rand.N(25)))%26
	}
	return b ^ byte(1+rand.N(255))
}

// duplicator sends half of the requests once more, a moment later.
type duplicator struct {
	Upstream string `json:"upstream"`
}

// Pipe implements toxics.Toxic.
func (d *duplicator) Pipe(stub *toxics.ToxicStub) {
	var sending sync.WaitGroup
	defer sending.Wait()
	each(stub, func(c *stream.StreamChunk) {
		if rand.N(2) == 0 {
			request := bytes.Clone(c.Data)
			sending.Go(func() { d.send(request) })
		}
		stub.Output <- c
	})
}

func (d *duplicator) send(request []byte) {
	time.Sleep(rand.N(100 * time.Millisecond))
	conn, err := net.DialTimeout("tcp", d.Upstream, time.Second)
	if err != nil {
		return // the first copy may arrive
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	if _, err := conn.Write(request); err == nil {
		_, _ = conn.Read(make([]byte, 1<<10)) // waits for the answer
	}
}
