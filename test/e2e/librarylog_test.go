package e2e_test

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sampanpay/sampan"
	"github.com/sampanpay/sampan/test/harness"
)

// A receiver sends answers without requests, and Go's HTTP client writes about them to Go's own
// logger. The log is JSON nevertheless, and is not flooded.
func TestAReceiverCannotBreakTheLog(t *testing.T) {
	d := harness.NewDeployment(t, "sqlite:"+filepath.Join(t.TempDir(), "sampan.db"))
	gateway := d.Serve(t, d.Address)
	shop := harness.NewMerchant(t, d.Endpoints)

	receiver, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer receiver.Close()
	const orders = 8
	notified := make(chan struct{}, orders)
	go func() {
		for {
			c, err := receiver.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				r := bufio.NewReader(c)
				for {
					q, err := http.ReadRequest(r)
					if err != nil {
						return
					}
					io.Copy(io.Discard, q.Body)
					io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nSUCCESS"+
						"HTTP/1.1 200 OK\r\nX: \x1b[31m\u202e\r\n\r\n{\"msg\":\"payment paid\"}\n"+
						strings.Repeat("A", 20_000))
					notified <- struct{}{}
				}
			}()
		}
	}()
	for n := range orders {
		order := shop.Order("STRAY-"+string(rune('A'+n)), sampan.Alipay)
		order.NotifyURL = "http://" + receiver.Addr().String() + "/"
		payment, err := shop.Pay(t.Context(), order)
		if err != nil {
			t.Fatal(err)
		}
		harness.OpenLink(t, payment.PayURL)
		d.Act(t, payment.ID, "pay")
		<-notified
	}
	harness.Eventually(t, "a line about it", func() bool {
		return strings.Contains(gateway.Log(), "Unsolicited response")
	})
	gateway.End(t) // then the log is complete
	about := 0
	for line := range strings.Lines(gateway.Log()) {
		var fields struct{ Msg, Text string }
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Errorf("a line that is not JSON: %.200q", line)
		}
		if len(line) > 6<<10 {
			t.Errorf("a line of %d bytes: %.200q", len(line), line)
		}
		if strings.ContainsAny(line, "\x1b\u202e") {
			t.Errorf("a line with control characters: %.200q", line)
		}
		if strings.Contains(fields.Text, "Unsolicited response") {
			about++
		}
	}
	if about == 0 {
		t.Error("the log has no line about it")
	}
}
