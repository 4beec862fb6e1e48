package e2e_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/sampanpay/sampan/test/harness"
)

// The simulator is written from the vendor's documents, and so is our
// connector: that both understand them alike proves little. Alipay's own SDK for
// Node, as it is, works against the simulator too, and verifies what it signs.
func TestAlipaysOwnSDKWorksAgainstTheSimulator(t *testing.T) {
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			harness.Missing(t, program)
		}
	}
	s := harness.NewSandbox(t)
	ctx, cancel := context.WithTimeout(t.Context(), 5*harness.Patience) // installs it the first time
	defer cancel()
	info := filepath.Join(s.Dir, "sandbox.json")
	t.Logf("\n%s", harness.Run(t, exec.CommandContext(ctx, "../../scripts/alipay-sdk/run", info)))

	// And the manual's own program does what it is there to show.
	manual, err := os.ReadFile("../../docs/simulator.md")
	if err != nil {
		t.Fatal(err)
	}
	program := regexp.MustCompile("(?s)```js\n(.*?)```").FindSubmatch(manual)
	modules, err := filepath.Abs("../../scripts/alipay-sdk/node_modules")
	if program == nil || err != nil {
		t.Fatalf("no program in the manual, or no modules: %v", err)
	}
	dir := t.TempDir()
	try := filepath.Join(dir, "try.mjs")
	if err := errors.Join(os.WriteFile(try, program[1], 0o600), os.Symlink(modules, filepath.Join(dir, "node_modules"))); err != nil {
		t.Fatal(err)
	}
	if printed := harness.Run(t, exec.CommandContext(ctx, "node", try, info)); !strings.Contains(printed, "TRADE_SUCCESS") {
		t.Errorf("the manual's program prints %s", printed)
	}
}
