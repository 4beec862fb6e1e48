package sampan_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sampanpay/sampan"
)

// The manual lists the codes of two groups by name. All other codes mean a certain failure.
func TestRepeatAgreesWithTheManual(t *testing.T) {
	manual, err := os.ReadFile("docs/errors.md")
	if err != nil {
		t.Fatal(err)
	}
	again := map[string]bool{}
	for _, list := range []string{"Not known yet", "Retry later"} {
		line := regexp.MustCompile(`(?m)^- \*\*` + list + `\*\*: (.*)$`).FindSubmatch(manual)
		if line == nil {
			t.Fatalf("the manual has no list %q", list)
		}
		codes, _, _ := strings.Cut(string(line[1]), ". ")
		for _, code := range regexp.MustCompile("`(\\d{4})`").FindAllStringSubmatch(codes, -1) {
			again[code[1]] = true
		}
	}
	if len(again) < 8 {
		t.Fatalf("only %v are listed", again)
	}
	rows := regexp.MustCompile("(?m)^\\| `(\\d{4})` \\|").FindAllSubmatch(manual, -1)
	if len(rows) < 25 {
		t.Fatalf("only %d codes", len(rows))
	}
	for _, row := range rows {
		code := string(row[1])
		err := error(&sampan.Error{Code: sampan.Code(code), HTTPStatus: 200})
		if got := sampan.Repeat(err); code != "0000" && got != again[code] {
			t.Errorf("%s: Repeat is %v, the manual says %v", code, got, again[code])
		}
	}
}

func TestRepeatByKindOfError(t *testing.T) {
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		change func(*gateway)
		want   bool
	}{
		"gateway fault, nothing stored":  {answer(503, `{"respcd":"1297"}`), nil, true},
		"gateway fault, perhaps stored":  {answer(503, `{"respcd":"1298"}`), nil, true},
		"gateway fault under status 200": {answer(200, `{"respcd":"1252"}`), nil, true},
		"a success under another status": {answer(503, accepted), nil, true},
		"a proxy's page":                 {answer(503, "<html>"), nil, true},
		"a redirect":                     {answer(307, "", "Location", "/elsewhere"), nil, true},
		"an amount that cannot be read":  {answer(200, `{"respcd":"0000","txamt":"3.00"}`), nil, true},
		"an answer that is too large": {answer(200, accepted+strings.Repeat(" ", 1<<20)), nil,
			true},
		"a broken connection": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
			nil, true},
		"a wrong value":       {answer(200, `{"respcd":"1104"}`), nil, false},
		"a disabled merchant": {answer(200, `{"respcd":"1243"}`), nil, false},
		"no key": {answer(200, accepted), func(g *gateway) { g.ClientKey = "" },
			false},
		"an invalid address": {answer(200, accepted), func(g *gateway) { g.BaseURL = "http://a b" },
			false},
		"another hash": {answer(200, accepted), func(g *gateway) { g.SignType = "SHA1" },
			false},
		"success": {answer(200, accepted), nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGateway(t, c.answer)
			g.Attempts = 1
			if c.change != nil {
				c.change(g)
			}
			_, err := g.Pay(t.Context(), order)
			if got := sampan.Repeat(err); got != c.want {
				t.Errorf("%v: Repeat is %v", err, got)
			}
		})
	}
	if !sampan.Repeat(context.Canceled) || !sampan.Repeat(errors.New("other")) {
		t.Error("an unknown error counts as failed")
	}
}

// The gateway reports its own faults under status 503, with a body that counts.
func TestAnswerUnder503IsRead(t *testing.T) {
	g := newGateway(t, answer(503, `{"respcd":"1298","resperr":"outcome unknown","respmsg":"send it again"}`,
		"Retry-After", "1"))
	g.Attempts = 1
	_, err := g.Pay(t.Context(), order)
	var e *sampan.Error
	if !errors.As(err, &e) || e.Code != sampan.CodeOutcomeUnknown || e.Detail != "send it again" ||
		e.HTTPStatus != 503 || e.RetryAfter.Seconds() != 1 {
		t.Errorf("got %#v", err)
	}
}

// A gateway may refuse a request whose txdtm is far from its clock. It reads txdtm as UTC+8 unless
// txzone names another zone.
func TestCallSendsItsZone(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for zone, want := range map[*time.Location]string{
		nil:                               "txdtm=2026-01-02+11%3A04%3A05",
		time.UTC:                          "txdtm=2026-01-02+03%3A04%3A05&txzone=%2B0000",
		time.FixedZone("", -(3*60+30)*60): "txdtm=2026-01-01+23%3A34%3A05&txzone=-0330",
	} {
		g := newGateway(t, answer(200, accepted))
		g.Zone, g.Now = zone, func() time.Time { return at }
		now := order
		now.Time = time.Time{}
		if _, err := g.Pay(t.Context(), now); err != nil {
			t.Fatal(err)
		}
		if _, err := g.Close(t.Context(), sampan.CloseRequest{PaymentID: "1", Amount: 1}); err != nil {
			t.Fatal(err)
		}
		for _, body := range g.sent() {
			if !strings.HasSuffix(body, want) {
				t.Errorf("%v: sent %s, want %s", zone, body, want)
			}
		}
	}
}
