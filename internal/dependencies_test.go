package internal_test

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// docs/dependencies.md explains every direct dependency and every tool, and
// nothing that is not one.
func TestEveryDependencyIsExplained(t *testing.T) {
	read := func(path string) string {
		t.Helper()
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	explained := make(map[string]bool)
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").
		FindAllStringSubmatch(read("../docs/dependencies.md"), -1) {
		explained[row[1]] = true
	}
	needed := make(map[string]bool)
	modules := read("../go.mod") + read("../test/go.mod")
	for _, row := range regexp.MustCompile(`(?m)^(?:require )?\s*(\S+\.\S+) v\S+$`).
		FindAllStringSubmatch(modules, -1) {
		needed[row[1]] = true // a line with a comment is an indirect requirement
	}
	delete(needed, module) // the tests in test/ require what they test
	tools := read("../tools/go.mod") + read("../tools/lint/go.mod")
	required := regexp.MustCompile(`(?m)^(?:require )?\s*(\S+\.\S+) v`).FindAllStringSubmatch(tools, -1)
	for _, tool := range regexp.MustCompile(`(?m)^(?:tool )?\t?(\S+\.\S+)$`).
		FindAllStringSubmatch(tools, -1) {
		for _, module := range required {
			if strings.HasPrefix(tool[1]+"/", module[1]+"/") {
				needed[module[1]] = true
			}
		}
	}
	for path := range needed {
		if !explained[path] {
			t.Errorf("%s is required and has no row in docs/dependencies.md", path)
		}
	}
	for path := range explained {
		if !needed[path] {
			t.Errorf("%s has a row in docs/dependencies.md and is not required directly", path)
		}
	}
}

// A check for vulnerabilities that cannot reach its database fails, unless VULN=skip allows that.
func TestVulnFailsWithoutItsDatabase(t *testing.T) {
	for _, c := range []struct {
		env string
		ok  bool
	}{{"VULN=", false}, {"VULN=yes", false}, {"VULN=skip", true}} {
		cmd := exec.CommandContext(t.Context(), "../scripts/vuln")
		cmd.Env = append(os.Environ(), "GOVULNDB=http://127.0.0.1:1", c.env)
		out, err := cmd.CombinedOutput()
		if (err == nil) != c.ok || !strings.Contains(string(out), "NOT CHECKED") {
			t.Errorf("%s: %v, %s", c.env, err, out)
		}
	}
}
