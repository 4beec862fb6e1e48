package api

import (
	"context"
	"errors"
	"net/http/httptest"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
)

// ledger is a database's side of the limits, for one app code.
type ledger struct {
	mu     sync.Mutex
	second map[int64]int
	takes  int
	most   int
}

func (l *ledger) take(_ context.Context, t store.RateTake) (int, time.Duration, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.second == nil {
		l.second = map[int64]int{}
	}
	l.takes++
	l.most = max(l.most, t.Want)
	l.second[t.GiveBackAt.Unix()] -= t.GiveBack
	now, minute := t.Now.Unix(), 0
	for s, n := range l.second {
		if s > now-60 {
			minute += n
		}
	}
	granted := max(0, min(t.Want, t.PerSecond-l.second[now], t.PerMinute-minute))
	l.second[now] += granted
	if granted == 0 {
		return 0, time.Second, nil
	}
	return granted, 0, nil
}

func TestRatesAreKeptWithFewTakes(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	l := &ledger{}
	r := &rates{take: l.take, now: func() time.Time { return now }}
	c := pay.Credential{AppCode: "a", PerSecond: 100, PerMinute: 400}
	spend := func() (served int) {
		for range 150 {
			if r.admit(t.Context(), c) == nil {
				served++
			}
		}
		return served
	}
	for second, want := range []int{100, 100, 100, 100, 0} {
		if got := spend(); got != want {
			t.Errorf("second %d served %d, want %d", second, got, want)
		}
		now = now.Add(time.Second)
	}
	if l.most != 10 {
		t.Errorf("the largest lot was %d, want a tenth of the limit", l.most)
	}
	// 1+2+4+8+9×10 = 105: thirteen lots and one that is refused, each second.
	if l.takes > 5*14 {
		t.Errorf("%d calls to the database for 750 requests", l.takes)
	}
}

func TestTwoReplicasShareALimitThroughTheDatabase(t *testing.T) {
	h := newHarness(t)
	replicas := []*rates{{take: h.Store.TakeRate, now: h.clock}, {take: h.Store.TakeRate, now: h.clock}}
	c := pay.Credential{AppCode: "plain", PerSecond: 100, PerMinute: 250}
	for second, want := range []int{100, 100, 50, 0} {
		served := 0
		for i := range 300 {
			if replicas[i%2].admit(t.Context(), c) == nil {
				served++
			}
		}
		if served != want {
			t.Errorf("second %d served %d, want %d", second, served, want)
		}
		h.pass(time.Second)
	}
}

func TestUnusedReservationsGoBack(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	l := &ledger{}
	r := &rates{take: l.take, now: func() time.Time { return now }}
	c := pay.Credential{AppCode: "a", PerSecond: 100, PerMinute: 60}
	// Four requests each second reserve 1, 2 and then 4, of which 3 are left.
	for second := range 15 {
		for n := range 4 {
			if err := r.admit(t.Context(), c); err != nil {
				t.Fatalf("request %d of second %d, of 60 in a minute: %v", n, second, err)
			}
		}
		now = now.Add(time.Second)
	}
	if err := r.admit(t.Context(), c); pay.CodeOf(err) != pay.RateLimited {
		t.Errorf("the 61st gave %v", err)
	}
}

func TestARateRefusalHoldsForItsSecond(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	l := &ledger{}
	r := &rates{take: l.take, now: func() time.Time { return now }}
	c := pay.Credential{AppCode: "a", PerSecond: 1, PerMinute: 10}
	if err := r.admit(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		err := r.admit(t.Context(), c)
		var after retryAfter
		if pay.CodeOf(err) != pay.RateLimited || !errors.As(err, &after) || after <= 0 {
			t.Fatalf("got %v", err)
		}
	}
	if l.takes != 2 {
		t.Errorf("the database was asked %d times", l.takes)
	}
	now = now.Add(time.Second)
	if err := r.admit(t.Context(), c); err != nil {
		t.Errorf("a second later: %v", err)
	}
}

func TestASlowDatabaseHoldsUpOnlyItsOwnMerchant(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	r := &rates{now: time.Now, take: func(_ context.Context, t store.RateTake) (int, time.Duration, error) {
		if t.Key == "slow" {
			close(entered)
			<-release
		}
		return 1, 0, nil
	}}
	slow := pay.Credential{AppCode: "slow", PerSecond: 100, PerMinute: 400}
	done := make(chan error)
	go func() { done <- r.admit(context.Background(), slow) }()
	<-entered
	if err := r.admit(t.Context(),
		pay.Credential{AppCode: "quick", PerSecond: 100, PerMinute: 400}); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.admit(ctx, slow); !errors.Is(err, context.Canceled) {
		t.Errorf("a client that went away waited: %v", err)
	}
	close(release)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestSourceIsTheFirstAddressThatIsNotTrusted(t *testing.T) {
	a := &API{Config: Config{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"),
		netip.MustParsePrefix("fd00::/8")}}}
	for _, test := range []struct {
		name, peer string
		forwarded  []string
		want       string
	}{
		{"no proxy", "203.0.113.5:1", nil, "203.0.113.5"},
		{"a stranger's word counts for nothing", "203.0.113.5:1", []string{"1.2.3.4"}, "203.0.113.5"},
		{"through a proxy", "10.0.0.1:1", []string{"203.0.113.5"}, "203.0.113.5"},
		{"through two", "10.0.0.1:1", []string{"203.0.113.5, 10.0.0.2"}, "203.0.113.5"},
		{"in two headers", "10.0.0.1:1", []string{"203.0.113.5", "10.0.0.2"}, "203.0.113.5"},
		{"the client's own line is not reached", "10.0.0.1:1",
			[]string{"6.6.6.6, 203.0.113.5"}, "203.0.113.5"},
		{"all are proxies", "10.0.0.1:1", []string{"10.0.0.3"}, "10.0.0.3"},
		{"nonsense", "10.0.0.1:1", []string{"x"}, "10.0.0.1"},
		{"a proxy without the header", "10.0.0.1:1", nil, "10.0.0.1"},
		{"IPv4 in IPv6", "[::ffff:203.0.113.5]:1", nil, "203.0.113.5"},
		{"IPv6 by network", "[2001:db8:1:2:3:4:5:6]:1", nil, "2001:db8:1:2::"},
		{"IPv6 behind IPv6", "[fd00::1]:1", []string{"2001:db8:1:2:3:4:5:6"}, "2001:db8:1:2::"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			r.RemoteAddr = test.peer
			r.Header["X-Forwarded-For"] = test.forwarded
			if got := a.source(r); got != netip.MustParseAddr(test.want) {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func TestFailuresAreLimitedBySource(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	f := &failures{now: func() time.Time { return now }}
	one, other := netip.MustParseAddr("1.1.1.1"), netip.MustParseAddr("2.2.2.2")
	for range failuresAtOnce {
		if _, ok := f.count(one); !ok {
			t.Fatal("cut off early")
		}
	}
	if retry, ok := f.count(one); ok || retry < time.Second {
		t.Errorf("one too many: %v, %v", retry, ok)
	}
	if _, ok := f.count(other); !ok {
		t.Error("another address is cut off too")
	}
	now = now.Add(time.Second)
	if _, ok := f.count(one); !ok {
		t.Error("nothing is forgiven")
	}
}

func TestTheTableOfSourcesIsBounded(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	f := &failures{now: func() time.Time { return now }}
	addr := netip.MustParseAddr("1.0.0.0")
	for range 3 * maxSources {
		addr = addr.Next()
		f.count(addr)
		if len(f.of) > maxSources {
			t.Fatalf("%d sources are kept", len(f.of))
		}
	}
}
