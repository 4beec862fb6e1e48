package store_test

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"

	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/store/storetest"
)

func TestWhatWasAcknowledgedOutlivesAKilledProcess(t *testing.T) {
	storetest.EachDSN(t, func(t *testing.T, dsn string) {
		child, out := store.StartChild(t, "STORE_TEST_CREATE="+dsn)
		var acked []string
		for lines := bufio.NewScanner(out); lines.Scan(); {
			acked = append(acked, lines.Text())
			if len(acked) == 50 {
				child.Process.Kill()
			}
		}
		child.Wait()
		if len(acked) < 50 {
			t.Fatalf("only %d payments were made", len(acked))
		}
		db := storetest.Open(t, dsn)
		for _, id := range acked {
			if _, err := db.Payment(t.Context(), scope.MerchantID, id); err != nil {
				t.Errorf("%s: %v", id, err)
			}
		}
		create(t, db, payment(1_000_000))
	})
}

// createUntilKilled is what the child process does: it makes payments and
// prints the id of each that is acknowledged.
func createUntilKilled(dsn string) {
	db, err := storetest.Create(context.Background(), store.Config{DSN: dsn, MasterKey: storetest.MasterKey})
	if err != nil {
		panic(err)
	}
	for worker := range 8 {
		go func() {
			for i := 0; ; i++ {
				p := payment(worker*100_000 + i)
				if _, _, err := db.CreatePayment(context.Background(), p); err != nil {
					panic(err)
				}
				fmt.Println(p.ID)
			}
		}()
	}
	select {}
}

// sqlExec runs a statement behind the store's back.
func sqlExec(t *testing.T, dsn, text string) {
	t.Helper()
	driver, address := "pgx", dsn
	if path, ok := strings.CutPrefix(dsn, "sqlite:"); ok {
		driver, address = "sqlite", path
	}
	db, err := sql.Open(driver, address)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(text); err != nil {
		t.Fatal(err)
	}
}
