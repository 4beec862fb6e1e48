package server

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sampanpay/sampan/internal/config"
)

func TestTroubleStatusOfTheConfiguration(t *testing.T) {
	for configured, want := range map[int]int{0: 503, 503: 503, 200: 200} {
		s := assembled(t, func(c *config.Config) { c.TroubleStatus = configured })
		if err := s.Store.Close(); err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest(http.MethodPost, "/trade/v1/payment", strings.NewReader("a=1"))
		r.Header.Set("X-QF-APPCODE", "A")
		r.Header.Set("X-QF-SIGN", "00")
		w := httptest.NewRecorder()
		s.Handler.ServeHTTP(w, r)
		retry := w.Header().Get("Retry-After")
		if w.Code != want || !strings.Contains(w.Body.String(), `"respcd":"1297"`) || retry != "1" {
			t.Errorf("trouble_status %d: %d, Retry-After %q, %s", configured, w.Code, retry, w.Body)
		}
	}
}
