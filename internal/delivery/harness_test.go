package delivery

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	merchantID = "100001"
	appCode    = "0123456789ABCDEF0123456789ABCDEF"
	clientKey  = "client-key-of-the-tests"
)

// openStore opens a new SQLite database with one merchant. Within a synctest
// bubble it must be opened there, and is closed there.
func openStore(t *testing.T) *store.DB {
	t.Helper()
	db, _ := openStoreToClose(t)
	return db
}

func openStoreToClose(t *testing.T, options ...storetest.Option) (*store.DB, func()) {
	t.Helper()
	ctx := context.Background()
	c := store.Config{
		DSN: "sqlite:" + t.TempDir() + "/sampan.db", MasterKey: pay.Secret(strings.Repeat("5a", 32)),
		Now: time.Now, Log: slog.New(slog.DiscardHandler), NoSync: true,
	}
	for _, o := range options {
		o(&c)
	}
	db, err := storetest.Create(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	closeIt := sync.OnceFunc(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(closeIt)
	if err := db.CreateMerchant(ctx,
		pay.Merchant{ID: merchantID, Name: "Tea", CreatedAt: time.Now()}); err != nil {
		t.Fatal(err)
	}
	if err := db.CreateCredential(ctx, pay.Credential{
		MerchantID: merchantID, AppCode: appCode, ClientKey: clientKey, PerSecond: 1, PerMinute: 1,
		CreatedAt: time.Now(),
	}); err != nil {
		t.Fatal(err)
	}
	return db, closeIt
}

// add makes notifications due, with the ids as bodies.
func add(t *testing.T, db *store.DB, receiver string, ids ...string) {
	t.Helper()
	err := db.Tx(context.Background(), func(tx *store.Tx) error {
		for _, id := range ids {
			if err := tx.AddDelivery(store.Delivery{
				MerchantID: merchantID, ID: id, PaymentID: "20260102100001123456789012", AppCode: appCode,
				Kind: "payment",
				URL:  receiver + "/notify?token=secret-token", Receiver: receiver, Body: []byte(id),
				State: store.DeliveryDue, CreatedAt: time.Now(), DueAt: time.Now(),
			}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// names returns n ids that begin with prefix.
func names(prefix string, n int) (ids []string) {
	for i := range n {
		ids = append(ids, fmt.Sprintf("%s-%04d", prefix, i))
	}
	return ids
}

func delivery(t *testing.T, db *store.DB, id string) store.Delivery {
	t.Helper()
	list, err := db.Deliveries(context.Background(),
		store.DeliveryFilter{MerchantID: merchantID, Limit: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range list {
		if d.ID == id {
			return d
		}
	}
	t.Fatalf("no delivery %s among %d", id, len(list))
	return store.Delivery{}
}

func attempts(t *testing.T, db *store.DB, id string) []store.DeliveryAttempt {
	t.Helper()
	list, err := db.Attempts(context.Background(), merchantID, id)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// receiver is a merchant's server without a network: synctest's clock stands
// still while anything waits for a real socket.
type receiver func(id string, r *http.Request) (status int, answer string, err error)

func (f receiver) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	status, answer, err := f(string(body), r)
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: status, Header: http.Header{},
		Body: io.NopCloser(strings.NewReader(answer)), Request: r}, nil
}

// hang is a receiver that takes the request and says nothing.
func hang(r *http.Request) (int, string, error) {
	<-r.Context().Done()
	return 0, "", r.Context().Err()
}

// logs collects what is logged.
type logs struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *logs) count(part string) int { return strings.Count(l.String(), part) }

// seldom keeps days of fake time short: what is due is found without polling.
func seldom(c *Config) { c.Poll = 10 * time.Minute }

// start runs a Sender until stop, or the end of the test.
func start(t *testing.T, db *store.DB, r receiver, change func(*Config)) (s *Sender, l *logs, stop func()) {
	t.Helper()
	l = &logs{}
	c := Config{Store: db, Client: &http.Client{Transport: r}, Now: time.Now,
		Log: slog.New(slog.NewTextHandler(l, nil))}
	if change != nil {
		change(&c)
	}
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(stop)
	return s, l, stop
}

// check compares got with what it must be. set sets the fields that matter in a copy of got, so that a
// failure prints only those that differ.
func check[T any](t *testing.T, got T, set func(want *T)) {
	t.Helper()
	want := got
	set(&want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
