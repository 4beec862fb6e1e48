package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sampanpay/sampan/internal/store/storetest"

	"github.com/sampanpay/sampan/test/harness"
)

// newWords are the words that have changed in what the commands print since the
// release that filled the databases, and all of them. What its commands printed is
// printed today with these replaced.
var newWords = []struct{ old, now string }{
	// What was one kind with several sentences is several kinds.
	{`  surplus  (\w+)  (trade .* was paid, and given back in full at the wallet itself)$`,
		`  given_back  $1  $2`},
	{`  surplus  (\w+)  (trade .* was paid, and is closed by the wallet's word)$`,
		`  closed_after_paid  $1  $2`},
	{`  surplus  (\w+)  (trade .* has paid another order)$`, `  foreign_trade  $1  $2`},
	// The amount before is in the money record, which is printed below.
	{
		`  surplus  (\w+)  trade (.*) was 12\.30 HKD before, now (\S+ \S+)$`,
		`  amounts_differ  $1  trade $2 is $3 by the wallet's word now, and was another amount before`,
	},
	// The actor is named for what acts: a policy.
	{`  refund_asked  late  `, `  refund_asked  policy  `},
	// The code comes last, as it may have a colon in it, and the amount is new.
	{`  refund_failed  (\w+)  (.*): (\d{26})$`, `  refund_failed  $1  AMOUNT as $3: $2`},
}

// failedAmount finds the amount of a refund that failed, which its event did not
// have before.
var failedAmount = regexp.MustCompile(`(  refund_failed  \w+  )\S+ \S+ as`)

var gaps = regexp.MustCompile(`  +`)

// A database that the previous release's binary has filled with all that it can
// record is brought up to date. Then the audit finds no difference, and the
// commands print the same as that release's.
func TestPreviousReleasesDatabase(t *testing.T) {
	storetest.EachPrevious(t, func(t *testing.T, dsn, printed string) {
		dir := t.TempDir()
		key, config := filepath.Join(dir, "master.key"), filepath.Join(dir, "sampan.toml")
		text := fmt.Sprintf("base_url = \"http://127.0.0.1:7700\"\ndatabase = %q\nmaster_key_file = %q\n",
			dsn, key)
		for path, text := range map[string]string{key: storetest.MasterKey.Reveal(), config: text} {
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		out := harness.Program(t, "migrate", "--config", config)
		if !strings.Contains(out, "it had schema 8") {
			t.Errorf("migrate says %q", out)
		}
		if out, inOrder := harness.Audit(t, config); !inOrder {
			t.Errorf("the books are not in order:\n%s", out)
		}
		commands := strings.Split(printed, "$ sampan ")[1:]
		if len(commands) < 60 {
			t.Fatalf("%d commands", len(commands))
		}
		for _, command := range commands {
			args, was, _ := strings.Cut(command, "\n")
			now := harness.Program(t, append(strings.Fields(args), "--config", config)...) + "\n"
			now = failedAmount.ReplaceAllString(gaps.ReplaceAllString(now, "  "), "${1}AMOUNT as")
			if diff := cmp.Diff(inNewWords(was), now); diff != "" {
				t.Errorf("sampan %s:\n%s", args, diff)
			}
		}
	})
}

// inNewWords replaces the old words in what a command printed. Widths of columns
// do not count.
func inNewWords(text string) string {
	text = gaps.ReplaceAllString(text, "  ")
	for _, w := range newWords {
		text = regexp.MustCompile(`(?m)`+w.old).ReplaceAllString(text, w.now)
	}
	return text
}
