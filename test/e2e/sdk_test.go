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

// Both the simulator and our connector are written from the vendor's documents, so it proves little
// that they agree. Alipay's own SDK for Node, unchanged, works against the simulator too, and
// verifies its signatures.
func TestAlipaysOwnSDKWorksAgainstTheSimulator(t *testing.T) {
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			harness.Missing(t, program)
		}
	}
	s := harness.NewSandbox(t)
	ctx, cancel := context.WithTimeout(t.Context(), 5*harness.Patience) // the first time, npm installs it
	defer cancel()
	info := filepath.Join(s.Dir, "sandbox.json")
	t.Logf("\n%s", harness.Run(t, exec.CommandContext(ctx, "../../scripts/alipay-sdk/run", info)))

	// The manual's own program works too.
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
	err = errors.Join(os.WriteFile(try, program[1], 0o600),
		os.Symlink(modules, filepath.Join(dir, "node_modules")))
	if err != nil {
		t.Fatal(err)
	}
	printed := harness.Run(t, exec.CommandContext(ctx, "node", try, info))
	if !strings.Contains(printed, "TRADE_SUCCESS") {
		t.Errorf("the manual's program prints %s", printed)
	}
}
