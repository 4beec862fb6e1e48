package simulator

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sampanpay/sampan/internal/wire/mapi"
)

// live runs f in a synctest bubble with a simulator that sends.
func live(t *testing.T, f func(h *harness)) {
	t.Helper()
	liveAt(t, 0, 0, f)
}

// liveAt is live with an awkward wallet.
func liveAt(t *testing.T, percent int, seed uint64, f func(h *harness)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, func(c *Config) { c.Now, c.Awkward, c.Seed = time.Now, percent, seed })
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- h.sim.Run(ctx) }()
		f(h)
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

func settleFor(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestNotificationFollowsVendorsSequence(t *testing.T) {
	live(t, func(h *harness) {
		answers := []func(*http.Request) (*http.Response, error){
			says(500, "success"), says(200, "fail"), says(302, "success"), says(200, "successful"),
			says(200, ""), says(200, "<html>success</html>"),
			func(*http.Request) (*http.Response, error) { return nil, errors.New("connection refused") },
			func(r *http.Request) (*http.Response, error) {
				<-r.Context().Done()
				return nil, r.Context().Err()
			},
		}
		n := 0
		h.shop.answer = func(r *http.Request) (*http.Response, error) {
			n++
			return answers[n-1](r)
		}
		began := time.Now()
		h.does(h.open(orderFor("T-1")), Pay, "mei")
		settleFor(48 * time.Hour)

		var at []time.Duration
		var signatures []string
		for _, r := range h.shop.all() {
			at = append(at, r.at.Sub(began))
			if err := r.body.Verify(testKeys); err != nil {
				h.t.Errorf("%v: %v", err, r.body)
			}
			if want := r.at.In(beijing).Format(time.DateTime); r.body["notify_time"] != want {
				h.t.Errorf("notify_time %q at %s", r.body["notify_time"], want)
			}
			if r.body["notify_id"] != h.shop.all()[0].body["notify_id"] {
				h.t.Error("a repeat has another notify_id")
			}
			signatures = append(signatures, r.body["sign"])
		}
		const m, hour = time.Minute, time.Hour
		want := []time.Duration{0, 2 * m, 12 * m, 22 * m, 82 * m, 202 * m, 562 * m, 24*hour + 22*m}
		if !slices.Equal(at, want) {
			h.t.Errorf("sent at %v, want %v", at, want)
		}
		slices.Sort(signatures)
		if len(slices.Compact(signatures)) != len(want) {
			h.t.Error("repeats are not signed anew")
		}
		sends := h.sim.orders[orderKey{testPartner, "T-1"}].notices[0].Sends
		if last := sends[len(sends)-1]; last.OK || !last.Done || last.Error == "" || last.TookMS != 10_000 {
			h.t.Errorf("the last send is recorded as %+v", last)
		}
	})
}

func TestNotificationFormAndAcknowledgement(t *testing.T) {
	for _, text := range []string{"success", "SUCCESS", " Success\r\n"} {
		live(t, func(h *harness) {
			h.shop.answer = says(200, text)
			h.does(h.open(orderFor("T-1", "currency", "JPY", "total_fee", "1200")), Pay, "mei")
			settleFor(48 * time.Hour)
			got := h.shop.all()
			if len(got) != 1 {
				h.t.Fatalf("%q: sent %d times", text, len(got))
			}
			m := got[0].body
			const kind = "application/x-www-form-urlencoded; text/html; charset=UTF-8"
			if header := got[0].header; header.Get("Content-Type") != kind ||
				header.Get("User-Agent") != "Mozilla/4.0" {
				h.t.Errorf("head %v", header)
			}
			want := mapi.Message{"notify_type": "trade_status_sync", "out_trade_no": "T-1",
				"trade_status": "TRADE_FINISHED",
				"total_fee":    "1200", "currency": "JPY", "sign_type": "MD5"}
			for name, value := range want {
				if m[name] != value {
					h.t.Errorf("%s is %q, want %q", name, m[name], value)
				}
			}
			if len(m) != len(want)+4 || len(m["notify_id"]) != 34 || len(m["trade_no"]) != 28 {
				h.t.Errorf("fields %v", m)
			}
		})
	}
}

func TestOnlyATradesTimeoutIsNotified(t *testing.T) {
	live(t, func(h *harness) {
		h.does(h.open(orderFor("T-1")), InsufficientFunds, "mei")
		h.does(h.open(orderFor("T-2")), WrongPassword, "mei")
		h.does(h.open(orderFor("T-3", "notify_url", "")), InsufficientFunds, "mei")
		settleFor(12*time.Hour - time.Second)
		if n := len(h.shop.all()); n != 0 {
			h.t.Fatalf("%d notifications before the end", n)
		}
		settleFor(time.Second)
		got := h.shop.all()
		if len(got) != 1 || got[0].body["trade_status"] != "TRADE_CLOSED" ||
			got[0].body["out_trade_no"] != "T-1" {
			h.t.Errorf("got %v", got)
		}
	})
}

func TestNotifyVerifyKnowsAnIDForAMinute(t *testing.T) {
	live(t, func(h *harness) {
		ask := func(partner, id string, sign bool) string {
			m := mapi.Message{"service": notifyVerify, "partner": partner, "notify_id": id}
			if sign {
				m = signed(h.t, m)
			}
			rec := h.get(h.sim.Wallet(), "/gateway.do?"+m.Encode())
			if !strings.HasPrefix(rec.Body.String(), "<?xml") &&
				rec.Header().Get("Content-Type") != "text/plain" {
				h.t.Errorf("head %v", rec.Header())
			}
			return rec.Body.String()
		}
		during := ""
		h.shop.answer = func(r *http.Request) (*http.Response, error) {
			if during == "" {
				during = ask(testPartner, h.shop.all()[0].body["notify_id"], false)
			}
			return says(500, "")(r)
		}
		h.does(h.open(orderFor("T-1")), Pay, "mei")
		synctest.Wait()
		id := h.shop.all()[0].body["notify_id"]
		if during != "true" {
			h.t.Errorf("before the notification is answered: %s", during)
		}
		check := func(when, want, partner, id string, sign bool) {
			if got := ask(partner, id, sign); !strings.Contains(got, want) {
				h.t.Errorf("%s: got %s, want %s", when, got, want)
			}
		}
		check("signed", "true", testPartner, id, true)
		check("another partner", "false", "2088000000000002", id, false)
		check("another id", "false", testPartner, "x"+id[1:], false)
		check("no id", "invalid", testPartner, "", false)
		check("a long id", "invalid", testPartner, strings.Repeat("x", 65), false)
		check("no partner", "ILLEGAL_PARTNER", "", id, false)
		settleFor(time.Minute)
		check("after a minute", "true", testPartner, id, false)
		settleFor(time.Second)
		check("after more", "false", testPartner, id, false)
		settleFor(time.Minute)
		check("after the second send", "true", testPartner, id, false)
		rec := h.get(h.sim.Wallet(),
			"/gateway.do?service=notify_verify&partner="+testPartner+"&notify_id="+id+"&sign=x&sign_type=MD5")
		if !strings.Contains(rec.Body.String(), "ILLEGAL_SIGN") {
			h.t.Errorf("a wrong signature: %s", rec.Body)
		}
	})
}

func TestNotificationFaults(t *testing.T) {
	type sent struct {
		after  time.Duration
		status string
		amount string
		valid  bool
	}
	plain := sent{0, "TRADE_FINISHED", "12.34", true}
	after := func(d time.Duration) sent { s := plain; s.after = d; return s }
	for _, c := range []struct {
		fault Fault
		want  []sent
	}{
		{"", []sent{plain}},
		{Duplicate, []sent{plain, plain}},
		{Late, []sent{after(30 * time.Second)}},
		{Early, []sent{plain}},
		{ReturnFirst, []sent{after(5 * time.Second)}},
		{Reordered, []sent{plain, {time.Second, "WAIT_BUYER_PAY", "12.34", true}}},
		{Forged, []sent{{0, "TRADE_FINISHED", "112.34", false},
			{0, "TRADE_FINISHED", "12.34", false}, plain}},
		{Drop, nil},
		{UnknownField, []sent{plain}},
		{Shuffled, []sent{plain}},
		{NoticeGBK, []sent{plain}},
		{Underpaid, []sent{{0, "TRADE_FINISHED", "6.17", true}}},
		{Unlisted, []sent{{0, "TRADE_SUCCESS", "12.34", true}}},
		{SecondTrade, []sent{plain, after(2 * time.Second)}},
	} {
		t.Run(string(c.fault), func(t *testing.T) {
			live(t, func(h *harness) {
				path := h.open(orderFor("T-1"))
				if c.fault != "" {
					h.control("POST", "/faults?out_trade_no=T-1&fault="+string(c.fault), "", "")
				}
				began := time.Now()
				h.does(path, Pay, "mei")
				settleFor(time.Hour)
				var got []sent
				ids, trades := map[string]bool{}, map[string]bool{}
				for _, r := range h.shop.all() {
					valid := r.body.Verify(testKeys) == nil
					got = append(got, sent{r.at.Sub(began), r.body["trade_status"],
						r.body["total_fee"], valid})
					ids[r.body["notify_id"]], trades[r.body["trade_no"]] = true, true
				}
				slices.SortStableFunc(got, func(a, b sent) int {
					if a.after != b.after {
						return int(a.after - b.after)
					}
					if a.valid != b.valid {
						return map[bool]int{false: -1, true: 1}[a.valid]
					}
					return strings.Compare(a.amount, b.amount)
				})
				if !slices.Equal(got, c.want) {
					h.t.Errorf("got %v, want %v", got, c.want)
				}
				if c.fault == Duplicate && len(ids) != 1 {
					h.t.Error("the duplicate has another notify_id")
				}
				if c.fault == SecondTrade && len(trades) != 2 {
					h.t.Error("the second payment has the same trade number")
				}
				if first := func() mapi.Message { return h.shop.all()[0].body }; c.fault == NoticeGBK &&
					(first()["_input_charset"] != "GBK" ||
						first()["body"] != "\xb2\xe8, \xd5\\\x81|\x81{\x81}" ||
						!strings.Contains(first()["subject"], "\xb2\xe8")) {
					h.t.Errorf("not GBK: %q", first())
				}
				if c.fault == UnknownField && h.shop.all()[0].body["x_new_field"] == "" {
					h.t.Error("no unknown field")
				}
			})
		})
	}
}

func TestOnlyGenuineNotificationsRepeatAndVerify(t *testing.T) {
	live(t, func(h *harness) {
		h.shop.answer = says(500, "")
		h.control("POST", "/faults?scope=all&fault=duplicate&fault=forged&fault=reordered", "", "")
		h.does(h.open(orderFor("T-1")), Pay, "mei")
		settleFor(48 * time.Hour)
		if n := len(h.shop.all()); n != 8+1+2+1 {
			h.t.Errorf("%d sends, want 8 of the true one, a twin, two forgeries and a stale one", n)
		}
		for _, n := range h.sim.orders[orderKey{testPartner, "T-1"}].notices {
			if n.Extra == ForgedSignature && !h.sim.sent[orderKey{testPartner, n.NotifyID}].at.IsZero() {
				h.t.Error("notify_verify confirms a forgery")
			}
		}
	})
}

func TestShuffledFieldsAreNotSorted(t *testing.T) {
	live(t, func(h *harness) {
		h.control("POST", "/faults?scope=all&fault=shuffled", "", "")
		for range 3 {
			h.does(h.open(orderFor(time.Now().String())), Pay, "mei")
			settleFor(time.Second)
		}
		unsorted := 0
		for _, r := range h.shop.all() {
			if !slices.IsSorted(strings.Split(r.raw, "&")) {
				unsorted++
			}
		}
		if unsorted == 0 {
			h.t.Error("three notifications, all sorted")
		}
	})
}

func TestReturnAndNotificationOrder(t *testing.T) {
	for _, answered := range []bool{true, false} {
		live(t, func(h *harness) {
			release := make(chan struct{})
			h.shop.answer = func(r *http.Request) (*http.Response, error) {
				<-release
				return says(200, "success")(r)
			}
			path := h.open(orderFor("T-1", "currency", "HKD", "total_fee", "9100.04")) // a fault's amount
			page := h.does(path, Pay, "mei")
			if strings.Contains(page, `id="return"`) || !strings.Contains(page, `content="1;url=`+path) {
				h.t.Errorf("the browser does not wait:\n%s", page)
			}
			if answered {
				close(release)
				synctest.Wait()
			} else {
				settleFor(notifyLead)
				defer close(release)
			}
			if page := h.get(h.sim.Wallet(), path).Body.String(); !strings.Contains(page, `id="return"`) {
				h.t.Errorf("answered %v: the browser still waits", answered)
			}
		})
	}
}

func TestEarlyNotificationPrecedesQuery(t *testing.T) {
	h := newHarness(t, nil)
	h.does(h.open(orderFor("T-1", "currency", "JPY", "total_fee", "910003")), Pay, "mei")
	if got := h.status("T-1"); got != "TRADE_NOT_EXIST" {
		t.Errorf("got %s", got)
	}
	h.now = h.now.Add(hiddenFor)
	if got := h.status("T-1"); got != "TRADE_FINISHED" {
		t.Errorf("after a while: %s", got)
	}
}

func TestQueryFaultsEnd(t *testing.T) {
	for _, f := range []Fault{Query500, QueryCut, QueryUnknown} {
		t.Run(string(f), func(t *testing.T) {
			h := newHarness(t, nil)
			h.does(h.open(orderFor("T-1")), Pay, "mei")
			h.control("POST", "/faults?scope=all&fault="+string(f), "", "")
			server := httptest.NewServer(h.sim.Wallet())
			defer server.Close()
			ask := func() (int, string, error) {
				m := signed(t, mapi.Message{"service": singleQuery, "partner": testPartner,
					"_input_charset": "UTF-8", "out_trade_no": "T-1"})
				resp, err := server.Client().Get(server.URL + "/gateway.do?" + m.Encode())
				if err != nil {
					return 0, "", err
				}
				defer resp.Body.Close()
				body, err := io.ReadAll(resp.Body)
				return resp.StatusCode, string(body), err
			}
			for range badQueryLimit {
				status, body, err := ask()
				switch {
				case f == Query500 && status != 500,
					f == QueryCut && err == nil,
					f == QueryUnknown && !strings.Contains(body, "TRADE_SUSPENDED"):
					t.Errorf("got %d %q %v", status, body, err)
				}
			}
			if status, body, err := ask(); err != nil || status != 200 ||
				!strings.Contains(body, "TRADE_FINISHED") {
				t.Errorf("the fault does not end: %d %q %v", status, body, err)
			}
		})
	}
	t.Run("query-slow", func(t *testing.T) {
		live(t, func(h *harness) {
			h.does(h.open(orderFor("T-1")), Pay, "mei")
			h.control("POST", "/faults?scope=all&fault=query-slow", "", "")
			began := time.Now()
			if h.status("T-1") != "TRADE_FINISHED" || time.Since(began) != slowAnswer {
				h.t.Errorf("answered after %s", time.Since(began))
			}
		})
	})
	t.Run("query-gbk", func(t *testing.T) {
		h := newHarness(t, nil)
		h.does(h.open(orderFor("T-1")), Pay, "mei")
		h.control("POST", "/faults?scope=all&fault=query-gbk", "", "")
		rec := h.call(mapi.Message{"service": singleQuery, "partner": testPartner, "_input_charset": "UTF-8",
			"out_trade_no": "T-1"})
		if body := rec.Body.String(); !strings.Contains(body, `encoding="GBK"`) ||
			!strings.Contains(body, "\xb2\xe8") || strings.Contains(body, "茶") {
			t.Errorf("not GBK: %q", body)
		} else if a, err := mapi.ParseAnswer([]byte(body)); err != nil || a.Verify(testKeys) != nil ||
			a.Fields["body"] != gbkText {
			t.Errorf("%+v, %v", a, err)
		}
	})
}

// runFor lets the simulator send for a while.
func runFor(h *harness, d time.Duration) {
	ctx, cancel := context.WithTimeout(h.t.Context(), d)
	defer cancel()
	if err := h.sim.Run(ctx); err != nil {
		h.t.Errorf("Run: %v", err)
	}
}
