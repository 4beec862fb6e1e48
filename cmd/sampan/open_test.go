package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

// After a call with an unknown outcome the command prints its number. Without it the
// next try would make a second order.
func TestOpenOutcomeSaysHowToGoOn(t *testing.T) {
	var calls []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		calls = append(calls, r.URL.Path+" "+string(body))
		if r.URL.Path == "/trade/v1/query" {
			io.WriteString(w,
				`{"respcd":"0000","page":"1","page_size":"10","data":[`+
					`{"syssn":"20260102100001000000000001","txamt":"1200","txcurrcd":"HKD","respcd":"0000"}]}`)
			return
		}
		w.WriteHeader(http.StatusServiceUnavailable)
		io.WriteString(w, `{"respcd":"1298","resperr":"outcome unknown","respmsg":"send it again"}`)
	}))
	defer server.Close()
	t.Setenv("SAMPAN_CLIENT_KEY", "abcd1234")
	for command, says := range map[string]string{
		"pay 12.00": `the same command with --order-no (CLI[0-9A-Z]+) makes no second order`,
		"refund 20260102100001000000000001 --yes": "" +
			`the same command with --order-no (CLI-R[0-9A-Z]+) gives nothing back twice`,
		"close 20260102100001000000000001 --yes": `the same command closes it`,
		"note 20260102100001000000000001 hello":  `adds the note`,
	} {
		t.Run(command, func(t *testing.T) {
			calls = nil
			var out bytes.Buffer
			args := append(strings.Fields(command), "--server", server.URL, "--app-code", "A")
			err := run(t.Context(), args, strings.NewReader(""), &out, &out)
			if err == nil || !strings.Contains(err.Error(), "1298") {
				t.Fatalf("got %v", err)
			}
			found := regexp.MustCompile(says).FindStringSubmatch(err.Error())
			if found == nil {
				t.Fatalf("%q does not say %q", err, says)
			}
			if len(found) > 1 && !strings.Contains(calls[len(calls)-1], "out_trade_no="+found[1]) {
				t.Errorf("it says %s, but sent %s", found[1], calls[len(calls)-1])
			}
		})
	}
}
