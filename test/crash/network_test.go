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

// All that the gateway says to wallets and merchants, and they to it, goes over
// a network that does not do what it should. When it does again, nothing may be
// lost, and nothing that it made up may be believed.
func TestABadNetworkLosesNothing(t *testing.T) {
	t.Parallel()
	n := newBadNetwork(t)
	var (
		slow    = toxic{Type: "latency", Toxicity: 0.7, Attributes: attributes{"latency": 300, "jitter": 300}}
		pieces  = toxic{Type: "slicer", Toxicity: 1, Attributes: attributes{"average_size": 40, "size_variation": 30, "delay": 3000}}
		drops   = toxic{Type: "timeout", Toxicity: 0.3, Attributes: attributes{"timeout": 1000}}
		halves  = toxic{Type: "limit_data", Toxicity: 0.4, Attributes: attributes{"bytes": 400}}
		resets  = toxic{Type: "reset_peer", Toxicity: 0.3, Attributes: attributes{"timeout": 5}}
		changes = toxic{Type: "corrupt", Toxicity: 0.6}
		repeats = toxic{Type: "duplicate", Toxicity: 0.6}
	)
	n.suffers(t,
		n.ordeal("network: slow", slow).inLongRuns(),
		n.ordeal("network: in pieces", pieces).inLongRuns(),
		n.ordeal("network: drops what is sent", drops).inLongRuns(),
		n.ordeal("network: hangs up halfway", halves).inLongRuns(),
		n.ordeal("network: resets connections", resets).inLongRuns(),
		n.ordeal("network: changes bytes", changes),
		n.ordeal("network: delivers twice", repeats),
		n.ordeal("network: all of it", slow.rarely(), pieces.rarely(), drops.rarely(), halves.rarely(), resets.rarely(), changes, repeats),
	)
}

// A toxic is a fault of connections. Toxicity is the part of them that have it.
type toxic struct {
	Type       string     `json:"type"`
	Stream     string     `json:"stream"`
	Toxicity   float32    `json:"toxicity"`
	Attributes attributes `json:"attributes,omitempty"`
}

type attributes map[string]any

// rarely is for when there is more to suffer from.
func (x toxic) rarely() toxic {
	x.Toxicity /= 4
	return x
}

// A badNetwork is a site and the three ways from and to the gateway.
type badNetwork struct {
	*deployment
	public   *way // to the gateway: merchants, buyers, the wallet's notices
	wallet   *way // from the gateway to the wallet
	merchant *way // from the gateway to the merchant
}

func newBadNetwork(t *testing.T) *badNetwork {
	t.Helper()
	toxics.Register("corrupt", new(corrupter))
	toxics.Register("duplicate", new(duplicator))
	n := &badNetwork{deployment: newDeployment(t, "sqlite:"+filepath.Join(t.TempDir(), "sampan.db"))}
	host := func(base string) string { return strings.TrimPrefix(base, "http://") }
	n.public = newWay(t, "public", host(n.Gateway))
	n.wallet = newWay(t, "wallet", host(n.deployment.wallet.URL))
	n.merchant = newWay(t, "merchant", "")
	n.Gateway = "http://" + n.public.address
	n.connect(t, "http://"+n.wallet.address)
	// The gateway asks and tells again soon, as the network is bad for a
	// few seconds only.
	n.delivery = `gaps = [` + strings.TrimSuffix(strings.Repeat(`"1s", `, 60), ", ") + `]`
	return n
}

// ordeal is a time with these toxics, in both directions of all ways.
func (n *badNetwork) ordeal(what string, toxics ...toxic) ordeal {
	return ordeal{what: what, looks: `"1s"`, strike: func(t *testing.T, s *deployment) {
		l := s.ledger
		n.merchant.upstream = l.server.Listener.Addr().String()
		l.address = "http://" + n.merchant.address
		l.HTTPClient.Timeout = 3 * time.Second
		l.transient = func(error) bool { return true }
		l.noisy = true
		n.open(t)
		s.up(t)
		s.busy(t, func() {
			defer s.trouble(true)()
			n.open(t, toxics...)
			time.Sleep(min(time.Duration(crashes(t))*400*time.Millisecond, 20*time.Second))
			n.open(t)
		})
		t.Logf("%d notifications were not believed", l.refused.Load())
	}}
}

// open cuts every connection and lets new ones through, with these toxics.
func (n *badNetwork) open(t *testing.T, toxics ...toxic) {
	t.Helper()
	for _, w := range []*way{n.public, n.wallet, n.merchant} {
		w.open(t, toxics...)
	}
}

// A way is an address that leads to another.
type way struct {
	name, address, upstream string
	proxy                   *toxiproxy.Proxy
}

func newWay(t *testing.T, name, upstream string) *way {
	t.Helper()
	w := &way{name: name, address: harness.FreeAddress(t), upstream: upstream}
	t.Cleanup(func() {
		if w.proxy != nil {
			w.proxy.Stop()
		}
	})
	return w
}

// open cuts every connection and lets new ones through, with these toxics.
//
// The trade API signs requests and notifications and not its answers: for those
// there is TLS. So nothing is changed in what the gateway answers.
func (w *way) open(t *testing.T, toxics ...toxic) {
	t.Helper()
	if w.proxy != nil {
		w.proxy.Stop()
	}
	w.proxy = toxiproxy.NewProxy(toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()), w.name, w.address, w.upstream)
	for _, x := range toxics {
		for _, x.Stream = range []string{"upstream", "downstream"} {
			switch {
			case x.Type == "corrupt" && x.Stream == "downstream" && w.name == "public", x.Type == "duplicate" && x.Stream == "downstream":
				continue
			case x.Type == "duplicate":
				x.Attributes = attributes{"upstream": w.upstream}
			}
			text, err := json.Marshal(x)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.proxy.Toxics.AddToxicJson(bytes.NewReader(text)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.proxy.Start(); err != nil {
		t.Fatal(err)
	}
}

// each hands every message to f, until the connection ends.
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

// corrupter changes one byte of half of the messages, in the body if there is one.
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

// another is a different byte, of the same kind if it can be: only a signature
// finds that.
func another(b byte) byte {
	switch {
	case '0' <= b && b <= '9':
		return '0' + (b-'0'+byte(1+rand.N(9)))%10
	case 'a' <= b && b <= 'z':
		return 'a' + (b-'a'+byte(1+rand.N(25)))%26
	}
	return b ^ byte(1+rand.N(255))
}

// duplicator has half of the requests arrive once more, a moment later.
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
		return // the first one may have more luck
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	if _, err := conn.Write(request); err == nil {
		_, _ = conn.Read(make([]byte, 1<<10)) // until it is answered
	}
}
