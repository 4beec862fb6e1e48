package delivery

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/sampanpay/sampan/internal/outbound"
	"github.com/sampanpay/sampan/internal/sign"
	"github.com/sampanpay/sampan/internal/store"
)

// sender returns a Sender that talks to real servers on this machine.
func sender(t *testing.T, db *store.DB, timeout time.Duration) (*Sender, *logs) {
	t.Helper()
	l := &logs{}
	s, err := New(Config{
		Store: db, Client: outbound.Guarded(
			outbound.Rules{Allow: []outbound.Allow{{Prefix: netip.MustParsePrefix("127.0.0.0/8")}}}),
		Now: time.Now, Log: slog.New(slog.NewTextHandler(l, nil)), Timeout: timeout,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Client.CloseIdleConnections)
	return s, l
}

func TestOnlySuccessWith200IsAnAcknowledgement(t *testing.T) {
	db := openStore(t)
	say := func(status int, answer string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "https://elsewhere.example/")
			w.WriteHeader(status)
			io.WriteString(w, answer)
		}
	}
	for _, tt := range []struct {
		name   string
		serve  http.HandlerFunc
		status int
		answer string // that is kept
		why    string // "" if acknowledged
	}{
		{"SUCCESS", say(200, "SUCCESS"), 200, "SUCCESS", ""},
		{"with white space around", say(200, " \r\n\tSUCCESS\n\n"), 200, " \r\n\tSUCCESS\n\n", ""},
		{"in lower case", say(200, "success"), 200, "success", "other than SUCCESS"},
		{"in quotes", say(200, `"SUCCESS"`), 200, `"SUCCESS"`, "other than SUCCESS"},
		{"with more behind it", say(200, "SUCCESS!"), 200, "SUCCESS!", "other than SUCCESS"},
		{"nothing", say(200, ""), 200, "", "other than SUCCESS"},
		{"with 201", say(201, "SUCCESS"), 201, "SUCCESS", "answered 201"},
		{"with 204", say(204, ""), 204, "", "answered 204"},
		{"with 302", say(302, "SUCCESS"), 302, "SUCCESS", "answered 302"},
		{"with 404", say(404, "SUCCESS"), 404, "SUCCESS", "answered 404"},
		{"with 500", say(500, "SUCCESS"), 500, "SUCCESS", "answered 500"},
		{"two megabytes", say(200, strings.Repeat("SUCCESS ", 1<<18)), 200, strings.Repeat("SUCCESS ", 128),
			"more than 1024 bytes"},
		{"two megabytes of white space", say(200, "SUCCESS"+strings.Repeat(" ", 2<<20)), 200,
			"SUCCESS" + strings.Repeat(" ", 1017), "more than 1024 bytes"},
		{"what is no text", say(200, "\x00caf\xe9\xff"), 200, "\ufffdcaf\ufffd\ufffd", "other than SUCCESS"},
		{"nothing in time", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, 0, "",
			"no whole answer within 400ms"},
		{"a drop now and then", func(w http.ResponseWriter, r *http.Request) {
			for _, c := range "SUCCESS" {
				fmt.Fprintf(w, "%c", c)
				w.(http.Flusher).Flush()
				select {
				case <-r.Context().Done():
					return
				case <-time.After(100 * time.Millisecond):
				}
			}
		}, 200, "SUC", "no whole answer within 400ms"},
		{"headers without end", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Long", strings.Repeat("x", 64<<10))
			io.WriteString(w, "SUCCESS")
		}, 0, "", "headers exceeded"},
		{"less than was announced", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "8")
			io.WriteString(w, "SUCCESS")
		}, 200, "SUCCESS", "EOF"},
		{"not HTTP", func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				io.WriteString(conn, "SUCCESS\r\n\r\n")
				conn.Close()
			}
		}, 0, "", "malformed HTTP"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				io.Copy(io.Discard, r.Body) // or the server does not notice that the client leaves
				tt.serve(w, r)
			}))
			srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
			srv.Start()
			t.Cleanup(srv.Close)
			timeout := 5 * time.Second
			if strings.Contains(tt.why, "400ms") {
				timeout = 400 * time.Millisecond
			}
			s, log := sender(t, db, timeout)
			id := strings.ReplaceAll(tt.name, " ", "-")
			add(t, db, srv.URL+"/"+id, id)
			claimed, err := db.ClaimDeliveries(t.Context(), store.Claim{
				Now: time.Now(), Lease: time.Minute, Keys: map[string]int{srv.URL + "/" + id: 1}})
			if err != nil || len(claimed) != 1 {
				t.Fatalf("claimed %v, %v", claimed, err)
			}
			began := time.Now()
			s.attempt(t.Context(), claimed[0])
			if took := time.Since(began); took > timeout+2*time.Second {
				t.Errorf("it took %v", took)
			}
			a := attempts(t, db, id)[0]
			if a.Status != tt.status || !strings.Contains(a.Error, tt.why) ||
				(tt.why == "") != (a.Error == "") {
				t.Errorf("got %d and %q, want %d and %q", a.Status, a.Error, tt.status, tt.why)
			}
			if !strings.HasPrefix(a.Answer, tt.answer) || len(a.Answer) > maxAnswer {
				t.Errorf("kept %d bytes: %q", len(a.Answer), a.Answer)
			}
			if state := delivery(t, db, id).State; (state == store.DeliveryDone) != (tt.why == "") {
				t.Errorf("it is %s now", state)
			}
			for _, secret := range []string{"secret-token", clientKey} {
				if strings.Contains(a.Error+log.String(), secret) {
					t.Errorf("%s is told: %s\n%s", secret, a.Error, log)
				}
			}
		})
	}
}

func TestRequestHasFrozenBytesAndSignature(t *testing.T) {
	db := openStore(t)
	body := []byte(`{"status": "1",  "goods_name": "\u5976"}`)
	heard := make(chan string, 1)
	// A bare listener, since net/http would change the spelling of headers.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		var all []byte
		for buf := make([]byte, 4096); !bytes.HasSuffix(all, body); {
			n, err := conn.Read(buf)
			if err != nil {
				break
			}
			all = append(all, buf[:n]...)
		}
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nSUCCESS")
		heard <- string(all)
	}()
	s, _ := sender(t, db, 5*time.Second)
	status, _, err := s.post(t.Context(), store.Delivery{AppCode: appCode,
		URL: "http://" + l.Addr().String() + "/n?a=b", Body: body})
	if status != 200 || err != nil {
		t.Fatalf("got %d, %v", status, err)
	}
	request := <-heard
	for _, want := range []string{
		"POST /n?a=b HTTP/1.1\r\n", "\r\nContent-Type: application/json\r\n", "\r\nUser-Agent: Sampan\r\n",
		"\r\nX-QF-SIGN: " + sign.Notification(body, clientKey) + "\r\n", "\r\n\r\n" + string(body),
	} {
		if !strings.Contains(request, want) {
			t.Errorf("no %q in\n%s", want, request)
		}
	}
	if strings.Contains(request, "Accept-Encoding") {
		t.Errorf("a packed answer is asked for:\n%s", request)
	}
}

func TestWhyNothingWasReachedTellsNoSecret(t *testing.T) {
	db := openStore(t)
	s, _ := sender(t, db, 5*time.Second)
	for address, want := range map[string]string{
		"http://10.0.0.1/n?token=secret":       "prohibited IP",
		"http://169.254.169.254/n?t=secret":    "metadata",
		"http://127.0.0.1:1/n?token=secret":    "refused",
		"http://127.0.0.1:1\x7f/secret":        "cannot be used",
		"ftp://merchant.example/n?t=secret":    "unsupported protocol",
		"http://[::1%25lo]:80/n?secret=secret": "prohibited",
	} {
		status, _, err := s.post(t.Context(),
			store.Delivery{AppCode: appCode, URL: address, Body: []byte("{}")})
		if status != 0 || err == nil || !strings.Contains(err.Error(), want) ||
			strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: got %d, %v", address, status, err)
		}
	}
	_, _, err := s.post(t.Context(), store.Delivery{AppCode: "nobody's", URL: "http://127.0.0.1:1/"})
	if err == nil || errors.As(err, new(*notSentError)) {
		t.Errorf("an unknown app code must use up the plan: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err = s.post(ended, store.Delivery{AppCode: "another", URL: "http://127.0.0.1:1/"})
	if !errors.As(err, new(*notSentError)) {
		t.Errorf("trouble of our own is taken for the receiver's: %v", err)
	}
}

func TestAnswersAreKeptAsText(t *testing.T) {
	for in, want := range map[string]string{
		"":                              "",
		"SUCCESS":                       "SUCCESS",
		"a\x00b":                        "a\ufffdb",
		"caf\xe9":                       "caf", // as if it were cut
		"caf\xe9!":                      "caf\ufffd!",
		"奶茶":                            "奶茶",
		strings.Repeat("x", 1023) + "茶": strings.Repeat("x", 1023),
		strings.Repeat("茶", 400):        strings.Repeat("茶", 341),
		strings.Repeat("😀", 300) + "x":  strings.Repeat("😀", 256),
		strings.Repeat("x", 5000):       strings.Repeat("x", 1024),
	} {
		if got := printable([]byte(in)); got != want {
			t.Errorf("%.30q…: got %q", in, got)
		}
	}
}

func FuzzPrintable(f *testing.F) {
	f.Add([]byte("\x00\xff\xf0\x9f"))
	f.Add([]byte(strings.Repeat("a", 1022) + "😀"))
	f.Fuzz(func(t *testing.T, in []byte) {
		got := printable(in)
		if !utf8.ValidString(got) || strings.Contains(got, "\x00") ||
			utf8.RuneCountInString(got) > maxAnswer {
			t.Errorf("%q became %q", in, got)
		}
	})
}
