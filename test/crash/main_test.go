// Package crash_test kills and stops the gateway, the wallet and PostgreSQL, fills the disk and
// breaks the network, while buyers and merchants are busy, and then looks for what was lost: see
// docs/reliability.md.
//
// deployment_test.go has the gateway that is killed, ledger_test.go what the merchant knows,
// random_test.go the buyers, and check_test.go what must agree in the end. Each other file has one
// kind of fault.
package crash_test

import (
	"os"
	"testing"

	"github.com/sampanpay/sampan/test/harness"
)

func TestMain(m *testing.M) {
	if os.Getenv(asRelay) != "" {
		runRelay()
	}
	os.Exit(harness.Main(m))
}
