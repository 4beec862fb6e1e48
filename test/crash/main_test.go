// Package crash_test kills and stops the gateway, the wallet and PostgreSQL, fills the disk and
// breaks the network, while merchants and buyers are at work. Then it looks for what was lost, came
// twice or is not true: see docs/reliability.md.
//
// Read faults_test.go first: what a fault is, and what is done after each. Then deployment_test.go
// and proxy_test.go (the processes), buyers_test.go and ledger_test.go (who works meanwhile, and
// what the merchant records), check_test.go (what must agree in the end). Each other file has one
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
