package checkout

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// logged answers one request and returns its line in the log.
func logged(t *testing.T, p Payments, target string) (line map[string]any, w *httptest.ResponseRecorder) {
	t.Helper()
	var log bytes.Buffer
	mux := http.NewServeMux()
	New(Config{
		Payments: p, BaseURL: "https://pay.example.com", Now: func() time.Time { return noon },
		Log: slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}).Register(mux)
	w = httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, target, nil))
	if strings.Contains(log.String(), trueToken) || strings.Contains(log.String(), walletURL) {
		t.Errorf("%s: the log has what opens the payment:\n%s", target, log.String())
	}
	if err := json.Unmarshal(log.Bytes(), &line); err != nil {
		t.Fatalf("%s: %v:\n%s", target, err, log.String())
	}
	if line["request"] == "" || line["request"] != w.Header().Get("X-Request-Id") {
		t.Errorf("%s: request %v went back as %q", target, line["request"], w.Header().Get("X-Request-Id"))
	}
	return line, w
}

func TestEachRequestIsLoggedWithoutItsToken(t *testing.T) {
	id := pending().ID
	for target, want := range map[string]map[string]any{
		"/pay/" + trueToken:    {"level": "INFO", "path": "/pay/{token}", "status": 302.0, "syssn": id},
		"/return/" + trueToken: {"level": "INFO", "path": "/return/{token}", "status": 200.0, "syssn": id},
		"/pay/" + trueToken + "/status": {"level": "DEBUG", "path": "/pay/{token}/status", "status": 200.0,
			"syssn": id},
		"/pay/nope?x=" + trueToken: {"level": "INFO", "path": "/pay/{token}", "status": 404.0},
		"/checkout/none.js":        {"level": "DEBUG", "path": "/checkout/{file}", "status": 404.0},
	} {
		line, _ := logged(t, pending(), target)
		want["msg"], want["method"], want["took"] = "request", "GET", 0.0
		delete(line, "time")
		delete(line, "request")
		if diff := cmp.Diff(want, line); diff != "" {
			t.Errorf("%s (-want +got):\n%s", target, diff)
		}
	}
}

func TestAPanicIsShownAsTroubleAndLogged(t *testing.T) {
	mux := http.NewServeMux()
	var log bytes.Buffer
	c := New(Config{Payments: nil, Now: func() time.Time { return noon },
		Log: slog.New(slog.NewJSONHandler(&log, nil))})
	c.Register(mux)
	w := httptest.NewRecorder()
	// no Payments: a nil pointer
	mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/pay/"+trueToken, nil))
	if w.Code != http.StatusServiceUnavailable {
		t.Errorf("got %d", w.Code)
	}
	shows(t, w, "Something went wrong")
	hides(t, w, "panic")
	if got := log.String(); !strings.Contains(got, `"level":"ERROR"`) ||
		!strings.Contains(got, "checkout.go") || strings.Contains(got, trueToken) {
		t.Errorf("logged %s", got)
	}
}
