// Package e2e_test drives the program from outside, as a merchant's server, a buyer's phone and an
// operator do: on both databases, in a real browser, and with the programs that the documentation
// shows.
package e2e_test

import (
	"os"
	"testing"

	"github.com/sampanpay/sampan/test/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }
