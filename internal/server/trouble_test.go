package server

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sampanpay/sampan/internal/config"
)

func TestTheConfigurationChoosesTheStatusOfTrouble(t *testing.T) {
	t.Setenv("SAMPAN_MASTER_KEY", strings.Repeat("0f", 32))
	for line, want := range map[string]int{"": 503, "trouble_status = 200\n": 200} {
		dir := t.TempDir()
		file := filepath.Join(dir, "sampan.toml")
		text := "database = \"sqlite:" + filepath.Join(dir, "x.db") + "\"\nbase_url = \"https://pay.example\"\n" + line
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := config.Read(file)
		if err != nil {
			t.Fatal(err)
		}
		s, err := New(t.Context(), c, drivers, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Store.Close(); err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest(http.MethodPost, "/trade/v1/payment", strings.NewReader("a=1"))
		r.Header.Set("X-QF-APPCODE", "A")
		r.Header.Set("X-QF-SIGN", "00")
		w := httptest.NewRecorder()
		s.Handler.ServeHTTP(w, r)
		if w.Code != want || !strings.Contains(w.Body.String(), `"respcd":"1297"`) || w.Header().Get("Retry-After") != "1" {
			t.Errorf("%q: %d, Retry-After %q, %s", line, w.Code, w.Header().Get("Retry-After"), w.Body)
		}
	}
}
