// Package internal_test holds the rules that no single room can test: who may
// import whom, what a package may be called, how long a file and a line may grow.
package internal_test

import (
	"cmp"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"iter"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"unicode/utf8"
)

const module = "github.com/sampanpay/sampan"

// maxLines is where a file has grown too long to be one thing. The aim is 400;
// the margin is there so that one more case does not force a bad cut.
const maxLines = 450

// maxColumns is the length of a line, as in .golangci.yml. A tab counts tabWidth.
const (
	maxColumns = 120
	tabWidth   = 4
)

// room is a row of the table below: what the packages of a folder may import.
// ours are folders of this module, "." being the public client; libs are
// prefixes of other modules' import paths. Standard library: always. Patterns
// are path.Match's, so that "*" is one folder.
type room struct {
	dir  string
	ours []string
	libs []string
	// strict: its tests obey the same rule. For the rooms that must be able to
	// contradict the others, a test that leans on another room proves nothing.
	strict bool
}

// rooms is the architecture. The first row that matches a folder rules it.
var rooms = []room{
	{dir: ".", ours: []string{"internal/sign"}, strict: true},
	{dir: "cmd/*", ours: []string{".", "internal/*", "internal/*/*"}, libs: []string{
		"github.com/alecthomas/kong", "github.com/skip2/go-qrcode",
	}},
	{dir: "scripts/*", ours: []string{".", "internal/sign", "internal/store", "internal/wire/*"},
		libs: []string{"modernc.org/sqlite", "github.com/jackc/pgx/v5", "golang.org/x"}},

	// A module of its own, for tests that run the program, and whatever only they need.
	{dir: "test/*", ours: []string{".", "internal/*", "internal/store/storetest", "test/harness"},
		libs: []string{
			"github.com/chromedp", "github.com/rogpeppe/go-internal",
			"github.com/jackc/pgx/v5", "modernc.org/sqlite",
			// bad networks, and the logger that they want
			"github.com/Shopify/toxiproxy/v2", "github.com/rs/zerolog"}},

	{dir: "internal"}, // this test
	{dir: "internal/pay", libs: []string{"golang.org/x"}, strict: true},
	{dir: "internal/sign", libs: []string{"golang.org/x"}, strict: true},
	{dir: "internal/sign/explain", ours: []string{"internal/sign"},
		libs: []string{"golang.org/x"}, strict: true},
	{dir: "internal/terminal", ours: []string{"internal/pay"}, strict: true},
	{dir: "internal/wire/alipay", libs: []string{"golang.org/x"}, strict: true},
	{dir: "internal/wire/*", ours: []string{"internal/wire/alipay"},
		libs: []string{"golang.org/x"}, strict: true},

	{dir: "internal/wallet", ours: []string{"internal/pay"}, libs: []string{"golang.org/x"}},
	{dir: "internal/wallet/*", ours: []string{"internal/wallet", "internal/wire/*", "internal/pay"},
		libs: []string{"golang.org/x"}},
	// The tests' own wallets are held to the rule of a wallet's folder.
	{dir: "internal/wallet/wallettest/*", ours: []string{"internal/wallet", "internal/pay"},
		libs: []string{"golang.org/x"}},
	{dir: "internal/store", ours: []string{"internal/pay", "internal/store/queries",
		"internal/store/migrations"},
		libs: []string{
			"modernc.org/sqlite", "github.com/jackc/pgx/v5", "github.com/pressly/goose/v3", "golang.org/x"}},
	{dir: "internal/store/queries"},
	{dir: "internal/store/migrations"},
	{dir: "internal/store/storetest",
		ours: []string{"internal/pay", "internal/store", "internal/store/migrations"},
		libs: []string{"github.com/jackc/pgx/v5"}},

	{dir: "internal/gateway",
		ours: []string{"internal/store", "internal/wallet", "internal/pay", "internal/work"},
		libs: []string{"golang.org/x"}},
	{dir: "internal/api", ours: []string{"internal/gateway", "internal/store",
		"internal/sign", "internal/pay", "internal/web"}, libs: []string{"golang.org/x"}},
	{dir: "internal/checkout", ours: []string{"internal/gateway", "internal/store",
		"internal/sign", "internal/pay", "internal/web"}},
	{dir: "internal/web", libs: []string{"github.com/skip2/go-qrcode", "golang.org/x/text"}},
	{dir: "internal/delivery",
		ours: []string{"internal/store", "internal/sign", "internal/pay", "internal/work"}},
	{dir: "internal/work"},
	{dir: "internal/outbound", libs: []string{"code.dny.dev/ssrf"}},

	{dir: "internal/config", ours: []string{
		"internal/gateway", "internal/outbound", "internal/store", "internal/pay",
	}, libs: []string{"github.com/pelletier/go-toml/v2"}},
	{dir: "internal/server", ours: []string{
		"internal/api", "internal/checkout", "internal/config", "internal/delivery", "internal/gateway",
		"internal/outbound", "internal/pay", "internal/store", "internal/terminal", "internal/wallet",
	}},
	{dir: "internal/audit", ours: []string{"internal/delivery", "internal/store", "internal/pay"}},
	{dir: "internal/operator", ours: []string{
		"internal/api", "internal/audit", "internal/config", "internal/gateway", "internal/outbound",
		"internal/store", "internal/wallet", "internal/pay",
	}},
	{dir: "internal/doctor", ours: []string{
		"internal/config", "internal/operator", "internal/outbound", "internal/server", "internal/store",
		"internal/terminal", "internal/wallet", "internal/pay",
	}},
	{dir: "internal/sandbox", ours: []string{
		".", "internal/config", "internal/demo", "internal/outbound", "internal/pay", "internal/server",
		"internal/sign", "internal/simulator", "internal/store", "internal/wallet", "internal/wire/*",
	}},

	{dir: "internal/bench", ours: []string{".", "internal/outbound"}},
	{dir: "internal/simulator", ours: []string{"internal/wire/*"},
		libs: []string{"golang.org/x"}, strict: true},
	{dir: "internal/demo", ours: []string{"."}, strict: true},
}

// testLibs are the modules that any test may use beside its room's own.
var testLibs = []string{
	"pgregory.net/rapid", "go.uber.org/goleak", "github.com/google/go-cmp",
	"github.com/chromedp", "golang.org/x",
	"modernc.org/sqlite", "github.com/jackc/pgx/v5", // to look at the books from outside
}

// forTests are the packages that only tests, and each other, may import.
var forTests = []string{"internal/store/storetest", "internal/wallet/wallettest",
	"internal/wallet/wallettest/lantern"}

// registry is the one file that may name a concrete wallet.
const registry = "cmd/sampan/wallets.go"

// makesClient finds an HTTP client that is made, or Go's own one.
var makesClient = regexp.MustCompile(
	`http\.(Client\{|Transport\{|DefaultClient|DefaultTransport|(Get|Head|Post|PostForm)\()`)

// ownClients reports whether the program does not send a folder's requests: it
// belongs to the public client, the simulator (the wallet's side) or a script.
func ownClients(dir string) bool {
	return dir == "." || dir == "internal/outbound" || dir == "internal/simulator" ||
		strings.HasPrefix(dir, "scripts/")
}

// vague are package names that say nothing about what is inside.
var vague = []string{"common", "base", "core", "helper", "helpers", "impl", "manager", "misc",
	"model", "models", "repository", "service", "services", "shared", "types", "util", "utils"}

func TestTheTreeKeepsItsRules(t *testing.T) {
	root := os.DirFS("..")
	broken, files := violations(t, root)
	for _, b := range broken {
		t.Error(b)
	}
	if files < 20 {
		t.Errorf("only %d Go files were found: is this the module's root?", files)
	}
}

// The rules themselves can fail: each of these trees breaks exactly one.
func TestEachBrokenRuleIsFound(t *testing.T) {
	for _, tt := range []struct{ name, file, source, want string }{
		{"simulator imports the connector", "internal/simulator/a.go",
			importing("internal/wallet/alipayglobal"), "may not import internal/wallet/alipayglobal"},
		{"simulator's test imports the connector", "internal/simulator/a_test.go",
			importing("internal/wallet/alipayglobal"), "may not import internal/wallet/alipayglobal"},
		{"simulator imports the nouns", "internal/simulator/a.go", importing("internal/pay"),
			"may not import internal/pay"},
		{"nouns import the store", "internal/pay/a.go", importing("internal/store"),
			"may not import internal/store"},
		{"store imports the gateway", "internal/store/a.go", importing("internal/gateway"),
			"may not import internal/gateway"},
		{"one wallet imports another", "internal/wallet/x/a.go", importing("internal/wallet/y"),
			"may not import internal/wallet/y"},
		{"api imports the wallets' contract", "internal/api/a.go", importing("internal/wallet"),
			"may not import internal/wallet"},
		{"demo imports an internal room", "internal/demo/a.go", importing("internal/sign"),
			"may not import internal/sign"},
		{"client imports the gateway", "client.go", importing("internal/gateway"),
			"may not import internal/gateway"},
		{"a wire format imports another module", "internal/wire/mapi/a.go",
			importing("github.com/jackc/pgx/v5"), "may not import github.com/jackc/pgx/v5"},
		{"a prefix is not a module", "internal/outbound/a.go", importing("code.dny.dev/ssrfproof"),
			"may not import code.dny.dev/ssrfproof"},
		{"a wallet is named outside the registry", "cmd/sampan/serve.go",
			importing("internal/wallet/alipayglobal"), "only cmd/sampan/wallets.go"},
		{"a test's helper in the program", "cmd/sampan/serve.go", importing("internal/store/storetest"),
			"only for tests"},
		{"a test's library in the program", "internal/api/a.go", importing("pgregory.net/rapid"),
			"may not import pgregory.net/rapid"},
		{"a package's test imports what only test/ needs", "internal/api/a_test.go",
			importing("github.com/Shopify/toxiproxy/v2"), "may not import github.com/Shopify/toxiproxy/v2"},
		{"the program imports its tests", "cmd/sampan/serve.go", importing("test/harness"),
			"may not import test/harness"},
		{"a folder outside the table", "internal/reports/a.go", `package reports`, "is in no room"},
		{"a client made in another room", "internal/wallet/x/a.go", "package x\nvar c = &http.Client{}",
			"only internal/outbound makes HTTP clients"},
		{"Go's own client", "cmd/sampan/serve.go", "package main\nvar c = http.DefaultClient",
			"only internal/outbound makes HTTP clients"},
		{"a vague package name", "internal/api/util/a.go", `package util`, `package name "util"`},
		{"a file that cannot be read as Go", "internal/api/a.go", `pakage api`, "expected 'package'"},
		{"a long file", "internal/api/a.go", "package api" + strings.Repeat("\n", maxLines+1), "lines"},
		{"a long line", "internal/api/a.go", "package api\n\n// " + strings.Repeat("茶", maxColumns-2) + "\n",
			"internal/api/a.go:3: 121 columns"},
		{"a long line of tabs in a test", "internal/api/a_test.go",
			"package api\n" + strings.Repeat("\t", 31) + "\n", "internal/api/a_test.go:2: 124 columns"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			broken, _ := violations(t, fstest.MapFS{tt.file: {Data: []byte(tt.source)}})
			if !slices.ContainsFunc(broken, func(b string) bool { return strings.Contains(b, tt.want) }) {
				t.Errorf("got %q, want one with %q", broken, tt.want)
			}
		})
	}
}

// What the table allows stays allowed, so that the test above is not red for
// the wrong reason.
func TestWhatIsAllowedPasses(t *testing.T) {
	for file, source := range map[string]string{
		"client.go":                  importing("internal/sign"),
		"cmd/sampan/wallets.go":      importing("internal/wallet/alipayglobal"),
		"internal/demo/a.go":         importing("."),
		"internal/gateway/a.go":      importing("internal/wallet"),
		"internal/gateway/a_test.go": importing("internal/store/storetest", "pgregory.net/rapid"),
		"internal/simulator/a.go":    importing("internal/wire/mapi", "golang.org/x/text/encoding"),
		"internal/store/a.go":        importing("github.com/jackc/pgx/v5/stdlib"),
		"test/harness/a.go": importing("internal/store/storetest",
			"github.com/jackc/pgx/v5/stdlib"),
		"internal/wallet/alipayglobal/a_test.go": importing("internal/wallet/wallettest"),
		"internal/store/queries/a.go": "// Code generated by sqlc. DO NOT EDIT.\n\npackage queries\n\n// " +
			strings.Repeat("a", maxColumns),
	} {
		broken, _ := violations(t, fstest.MapFS{file: {Data: []byte(source)}})
		for _, b := range broken {
			t.Error(b)
		}
	}
}

// importing is the source of a file that imports folders of this module, "."
// being the public client, or packages of others.
func importing(paths ...string) string {
	source := "package a"
	for _, p := range paths {
		switch first, _, _ := strings.Cut(p, "/"); {
		case p == ".":
			p = module
		case !strings.Contains(first, "."):
			p = module + "/" + p
		}
		source += "\nimport _ " + strconv.Quote(p)
	}
	return source
}

// violations reads every Go file of the tree and returns what breaks a rule,
// and how many files it read. It parses the files itself: a list from the go
// command would be served from the test cache after a forbidden import is added.
func violations(t *testing.T, tree fs.FS) (broken []string, files int) {
	t.Helper()
	report := func(file, format string, args ...any) {
		broken = append(broken, file+": "+fmt.Sprintf(format, args...))
	}
	err := fs.WalkDir(tree, ".", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if file != "." && (strings.HasPrefix(name, ".") ||
				slices.Contains([]string{"testdata", "node_modules", "artifacts", "bin", "tools"}, name)) {
				return fs.SkipDir
			}
			return nil
		}
		if path.Ext(name) != ".go" {
			return nil
		}
		files++
		source, err := fs.ReadFile(tree, file)
		if err != nil {
			return err
		}
		ast, err := parser.ParseFile(token.NewFileSet(), name, source,
			parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			report(file, "%v", err)
			return nil
		}
		test := strings.HasSuffix(name, "_test.go") || strings.HasPrefix(file, "test/")
		if pkg := ast.Name.Name; slices.Contains(vague, strings.TrimSuffix(pkg, "_test")) {
			report(file, "package name %q says nothing about what is inside", pkg)
		}
		if n := strings.Count(string(source), "\n"); n > maxLines && !test && !isGenerated(source) {
			report(file, "%d lines: cut it where it holds two things (the limit is %d)", n, maxLines)
		}
		for n, columns := range wide(source) {
			report(fmt.Sprintf("%s:%d", file, n), "%d columns: the limit is %d", columns, maxColumns)
		}
		if !test && !ownClients(path.Dir(file)) && makesClient.Match(source) {
			report(file, "only internal/outbound makes HTTP clients")
		}
		at := slices.IndexFunc(rooms,
			func(r room) bool { ok, _ := path.Match(r.dir, path.Dir(file)); return ok })
		if at < 0 {
			report(file, "%s is in no room: give it a row in this test's table", path.Dir(file))
			return nil
		}
		for _, spec := range ast.Imports {
			imported, _ := strconv.Unquote(spec.Path.Value)
			if why := refusal(rooms[at], file, imported, test); why != "" {
				report(file, "%s", why)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return broken, files
}

// refusal says why a file of the room may not import the path, or "".
func refusal(r room, file, imported string, test bool) string {
	if !strings.Contains(strings.Split(imported, "/")[0], ".") {
		return "" // the standard library
	}
	rest, ours := strings.CutPrefix(imported+"/", module+"/")
	if !ours {
		libs := r.libs
		if test {
			libs = append(slices.Clone(libs), testLibs...)
		}
		if slices.ContainsFunc(libs, func(l string) bool { return strings.HasPrefix(imported+"/", l+"/") }) {
			return ""
		}
		return fmt.Sprintf("%s may not import %s", r.dir, imported)
	}
	dir := cmp.Or(strings.TrimSuffix(rest, "/"), ".")
	if dir == path.Dir(file) || (test && !r.strict) {
		return "" // its own external test, or a test that may use any room
	}
	if slices.Contains(forTests, dir) {
		return dir + " is only for tests"
	}
	if ok := slices.ContainsFunc(r.ours, func(p string) bool { m, _ := path.Match(p, dir); return m }); !ok {
		return fmt.Sprintf("%s may not import %s", r.dir, dir)
	}
	if concrete, _ := path.Match("internal/wallet/*", dir); concrete && file != registry {
		return fmt.Sprintf("only %s may name a concrete wallet, here %s", registry, dir)
	}
	return ""
}

// wide yields the number and the length of each line that is too long. Generated
// code and the go command's directives may have such lines, as in the linter lll.
func wide(source []byte) iter.Seq2[int, int] {
	return func(yield func(int, int) bool) {
		if isGenerated(source) {
			return
		}
		n := 0
		for line := range strings.Lines(string(source)) {
			n++
			line = strings.ReplaceAll(strings.TrimSuffix(line, "\n"), "\t", strings.Repeat(" ", tabWidth))
			columns := utf8.RuneCountInString(line)
			if columns > maxColumns && !strings.HasPrefix(line, "//go:") && !yield(n, columns) {
				return
			}
		}
	}
}

// isGenerated follows the go command's convention for generated files.
func isGenerated(source []byte) bool {
	for line := range strings.Lines(string(source)) {
		if strings.HasPrefix(line, "// Code generated ") &&
			strings.HasSuffix(strings.TrimSpace(line), " DO NOT EDIT.") {
			return true
		}
	}
	return false
}
