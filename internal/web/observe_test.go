package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// observe serves one GET and returns the answer and its line in the log.
func observe(t *testing.T, serve Handler, broken Broken) (*httptest.ResponseRecorder, map[string]any) {
	t.Helper()
	var log bytes.Buffer
	now := time.Now()
	o := Observer{
		Log: slog.New(slog.NewJSONHandler(&log, nil)), Random: strings.NewReader("12345678"),
		Now: func() time.Time { now = now.Add(time.Second); return now },
	}
	w := httptest.NewRecorder()
	o.Handle(serve, broken).ServeHTTP(w, httptest.NewRequest("GET", "/secret?token=x", nil))
	var line map[string]any
	if err := json.Unmarshal(log.Bytes(), &line); err != nil {
		t.Fatalf("%v: %s", err, log.String())
	}
	if id := w.Header().Get("X-Request-Id"); id != "3132333435363738" || line["request"] != id ||
		line["took"] != 1e9 {
		t.Errorf("X-Request-Id %q, logged %v", id, line)
	}
	return w, line
}

func TestARequestIsOneLineInTheLog(t *testing.T) {
	w, line := observe(t, func(w http.ResponseWriter, _ *http.Request, e *Entry) {
		e.Path = "/{token}"
		e.Add("syssn", "7")
		e.Add("respcd", "")
		w.WriteHeader(http.StatusTeapot)
		w.WriteHeader(http.StatusOK) // net/http ignores it
	}, nil)
	if w.Code != http.StatusTeapot || line["status"] != 418.0 || line["level"] != "INFO" ||
		line["path"] != "/{token}" || line["syssn"] != "7" {
		t.Errorf("got %d, logged %v", w.Code, line)
	}
	if _, ok := line["respcd"]; ok {
		t.Error("an empty value is in the log")
	}
	if _, line = observe(t, func(http.ResponseWriter, *http.Request, *Entry) {},
		nil); line["status"] != 200.0 ||
		line["path"] != "/secret" {
		t.Errorf("logged %v", line)
	}
}

func TestAPanicIsAnsweredOnce(t *testing.T) {
	sorry := func(w http.ResponseWriter, _ *http.Request, e *Entry, err error) {
		e.Fail(err)
		http.Error(w, "sorry", http.StatusServiceUnavailable)
	}
	for name, tt := range map[string]struct {
		serve  Handler
		broken Broken
		code   int
		body   string
	}{
		"before the answer": {func(http.ResponseWriter, *http.Request, *Entry) { panic("why") },
			sorry, 503, "sorry\n"},
		"within the answer": {func(w http.ResponseWriter, _ *http.Request, _ *Entry) {
			io.WriteString(w, "half")
			panic("why")
		}, sorry, 200, "half"},
		"and again": {func(http.ResponseWriter, *http.Request, *Entry) { panic("first") },
			func(http.ResponseWriter, *http.Request, *Entry, error) { panic("why") }, 500,
			"internal error; request 3132333435363738\n"},
	} {
		w, line := observe(t, tt.serve, tt.broken)
		reason, _ := line["error"].(string)
		if w.Code != tt.code || w.Body.String() != tt.body || line["level"] != "ERROR" ||
			line["status"] != float64(tt.code) ||
			!strings.Contains(reason, "panic: why") || !strings.Contains(reason, "observe_test.go") {
			t.Errorf("%s: got %d %q, logged %v", name, w.Code, w.Body, line)
		}
	}
}

// A client that sends too much must not keep its connection busy with the rest.
func TestTooLongABodyClosesTheConnection(t *testing.T) {
	o := Observer{Log: slog.New(slog.DiscardHandler), Now: time.Now}
	server := httptest.NewServer(o.Handle(func(w http.ResponseWriter, r *http.Request, _ *Entry) {
		_, err := io.ReadAll(LimitBody(w, r, 10))
		var tooLong *http.MaxBytesError
		if !errors.As(err, &tooLong) {
			t.Errorf("got %v", err)
		}
		w.WriteHeader(http.StatusRequestEntityTooLarge)
	}, nil))
	defer server.Close()
	response, err := http.Post(server.URL, "text/plain", strings.NewReader(strings.Repeat("x", 11)))
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusRequestEntityTooLarge || !response.Close {
		t.Errorf("got %d, close %v", response.StatusCode, response.Close)
	}
}

func TestOverloadedClientsAreAskedToRepeat(t *testing.T) {
	w := httptest.NewRecorder()
	Overloaded(w, httptest.NewRequest("GET", "/pay/x", nil))
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "1" || w.Body.Len() == 0 {
		t.Errorf("got %d, %v, %q", w.Code, w.Header(), w.Body)
	}
}

func TestClipCutsBetweenCharacters(t *testing.T) {
	for s, want := range map[string]string{"": "", "abc": "abc", "abcd": "abc…", "茶茶茶茶": "茶茶茶…",
		"a\xff": "a\uFFFD"} {
		if got := Clip(s, 3); got != want {
			t.Errorf("%q: got %q, want %q", s, got, want)
		}
	}
}
