package openapi

import (
	"bufio"
	"errors"
	"maps"
	"strings"
	"testing"

	"golang.org/x/text/encoding/simplifiedchinese"
)

// vector is one case of made-*.txt or refused-*.txt. None was made by this package: source says how
// its signature was made.
type vector struct {
	name, source string

	kind, form     string // a message: a request or a notice
	method, answer string // or an answer to a call of method
	charset        string // what the line signed is in; "" for UTF-8
	signed         string // what the signature is of
	refused        string // "", or why it is refused
}

// load reads the vectors of one file.
func load(t testing.TB, file string) []vector {
	t.Helper()
	var all []vector
	lines := bufio.NewScanner(strings.NewReader(read(t, file)))
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, value, ok := strings.Cut(line, ": ")
		if !ok {
			t.Fatalf("%s:%d: no colon", file, n)
		}
		if key == "case" {
			all = append(all, vector{name: value})
			continue
		}
		v := &all[len(all)-1]
		field, ok := map[string]*string{
			"source": &v.source, "charset": &v.charset, "kind": &v.kind, "form": &v.form, "method": &v.method,
			"answer": &v.answer, "signed": &v.signed, "refused": &v.refused,
		}[key]
		if !ok {
			t.Fatalf("%s:%d: unknown %q", file, n, key)
		}
		*field = value
	}
	if lines.Err() != nil || len(all) == 0 {
		t.Fatalf("%s: no vectors (%v)", file, lines.Err())
	}
	for i, v := range all {
		if v.source == "" {
			t.Errorf("%s: %s: no source", file, v.name)
		}
		if v.charset != "" {
			text, err := simplifiedchinese.GB18030.NewEncoder().String(v.signed)
			if err != nil {
				t.Fatalf("%s: %s: %v", file, v.name, err)
			}
			all[i].signed = text
		}
	}
	return all
}

// verify parses and verifies the vector as its receiver does.
func (v vector) verify(k Keys) error {
	if v.answer != "" {
		a, err := ParseAnswer(v.method, []byte(v.answer))
		if err != nil {
			return err
		}
		if err := a.Verify(k); err != nil || a.OK() {
			return err
		}
		return errNoSuccess
	}
	if v.kind == "notice" {
		_, err := ReadNotification([]byte(v.form), k)
		return err
	}
	m, err := Parse(v.form)
	if err != nil {
		return err
	}
	return m.Verify(k)
}

var errNoSuccess = errors.New("signed or not, it is no success")

// step maps an error of verify to the word in a vector's refused line.
func step(err error) string {
	for word, sentinel := range map[string]error{
		"unsigned": ErrNoSignature, "sign_type": ErrSignType, "signature": ErrBadSignature,
		"no success": errNoSuccess, "charset": ErrCharset, "separator": ErrSeparator,
	} {
		if errors.Is(err, sentinel) {
			return word
		}
	}
	return "parse"
}

func TestForeignAnswersVerify(t *testing.T) {
	for _, v := range load(t, "made-answers.txt") {
		t.Run(v.name, func(t *testing.T) {
			a, err := ParseAnswer(v.method, []byte(v.answer))
			if err != nil {
				t.Fatal(err)
			}
			if err := a.Verify(made(t)); err != nil {
				t.Errorf("%v over %s", err, a.Content)
			}
			if got := string(a.Content); got != v.signed && strings.ReplaceAll(got, `\/`, `/`) != v.signed {
				t.Errorf("Content is %s", got)
			}
			if refusal := a.Fields["sub_code"] != ""; a.OK() == refusal ||
				a.Refused != strings.Contains(v.answer, "error_response") {
				t.Errorf("success %t, error_response %t: %v", a.OK(), a.Refused, a.Fields)
			}
		})
	}
}

func TestForeignMessagesVerify(t *testing.T) {
	for _, v := range append(load(t, "made-messages.txt"), load(t, "gbk-messages.txt")...) {
		t.Run(v.name, func(t *testing.T) {
			m, err := Parse(v.form)
			if err != nil {
				t.Fatal(err)
			}
			if err := v.verify(made(t)); err != nil {
				t.Error(err)
			}
			if v.kind == "request" && m.Canonical() != v.signed {
				t.Errorf("signed %s\nwant   %s", m.Canonical(), v.signed)
			}
			again, want := maps.Clone(m), m["sign"]
			sign, empty := again.SignNotification, strings.Contains(v.form, "=&")
			if v.kind == "request" {
				sign = again.Sign
			}
			if err := sign(made(t)); err != nil {
				t.Fatal(err)
			}
			// Where implementations differ, ours follows one of them.
			if ours := v.kind == "request" && !empty || v.name == "without sign_type" ||
				v.name == "with an empty value, signed" || v.charset != ""; ours && again["sign"] != want {
				t.Errorf("signed as %s", again["sign"])
			}
		})
	}
}

func TestRefusedMessagesAndAnswers(t *testing.T) {
	for _, file := range []string{"refused-messages.txt", "refused-gbk-messages.txt", "refused-answers.txt"} {
		for _, v := range load(t, file) {
			t.Run(v.name, func(t *testing.T) {
				err := v.verify(made(t))
				if err == nil {
					t.Fatal("accepted")
				}
				if got := step(err); got != v.refused {
					t.Errorf("refused at %s (%v), want %s", got, err, v.refused)
				}
			})
		}
	}
}
