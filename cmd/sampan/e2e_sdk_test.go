package main_test

import (
	"context"
	"os/exec"
	"path/filepath"
	"testing"
)

// The simulator is written from the vendor's documents, and so is our
// connector: that both understand them alike proves little. Alipay's own SDK for
// Node, as it is, works against the simulator too, and verifies what it signs.
func TestAlipaysOwnSDKWorksAgainstTheSimulator(t *testing.T) {
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			needed(t, program)
		}
	}
	s := startSandbox(t)
	ctx, cancel := context.WithTimeout(t.Context(), 5*patience) // installs it the first time
	defer cancel()
	t.Logf("\n%s", run(t, exec.CommandContext(ctx, "../../scripts/alipay-sdk/run", filepath.Join(s.dir, "sandbox.json"))))
}
