package e2e_test

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sampanpay/sampan/test/harness"
)

// Each file of testdata/script is a session at a terminal, with what it prints. $SANDBOX is the
// directory of a running sandbox. `buyer pay` does what the buyer does with the order that the
// command before has printed, `syssn NAME` puts that order's number into $NAME, and `appcode` puts
// the printed app code into $APP_CODE.
func TestScripts(t *testing.T) {
	path := harness.Binary(t)
	s := harness.NewSandbox(t)
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", filepath.Dir(path)+string(os.PathListSeparator)+env.Getenv("PATH"))
			env.Setenv("SANDBOX", s.Dir)
			env.Setenv("CLIENT_KEY", s.ClientKey)
			env.Setenv("APP_CODE", s.AppCode)
			env.Setenv("GATEWAY", s.Gateway)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"buyer": func(ts *testscript.TestScript, _ bool, args []string) {
				if len(args) != 1 {
					ts.Fatalf("usage: buyer pay|fail|cancel")
				}
				printed := ts.ReadFile("stdout")
				id := regexp.MustCompile(`\b[0-9]{26}\b`).FindString(printed)
				link := regexp.MustCompile(`http://\S+/pay/\S+`).FindString(printed)
				if id == "" || link == "" {
					ts.Fatalf("no order in %q", printed)
				}
				harness.OpenLink(t, link)
				s.Act(t, id, args[0])
			},
			"syssn": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Setenv(args[0], regexp.MustCompile(`\b[0-9]{26}\b`).FindString(ts.ReadFile("stdout")))
			},
			"appcode": func(ts *testscript.TestScript, _ bool, _ []string) {
				ts.Setenv("APP_CODE", regexp.MustCompile(`\b[0-9A-F]{32}\b`).
					FindString(ts.ReadFile("stdout")))
			},
		},
	})
}
