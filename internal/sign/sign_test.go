package sign

import (
	"crypto/md5"
	"encoding/hex"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"unicode/utf8"
)

// vectors reads a file of "name: value" lines. A blank line ends a vector.
func vectors(t testing.TB, file string) []map[string]string {
	t.Helper()
	text, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	var all []map[string]string
	for block := range strings.SplitSeq(string(text), "\n\n") {
		v := map[string]string{}
		for line := range strings.Lines(block) {
			if strings.HasPrefix(line, "#") {
				continue
			}
			name, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
			if !ok {
				t.Fatalf("%s: not a field: %q", file, line)
			}
			v[name] = strings.TrimPrefix(value, " ")
		}
		if len(v) > 0 {
			all = append(all, v)
		}
	}
	if len(all) < 10 {
		t.Fatalf("%s: only %d vectors", file, len(all))
	}
	return all
}

// decode parses a form as the server does.
func decode(t testing.TB, form string) Params {
	t.Helper()
	values, err := url.ParseQuery(form)
	if err != nil {
		t.Fatal(err)
	}
	p := Params{}
	for name, v := range values {
		p[name] = v[0]
	}
	return p
}

func TestRequestsMatchForeignVectors(t *testing.T) {
	for _, v := range vectors(t, "request.txt") {
		t.Run(v["name"], func(t *testing.T) {
			p, key, a := decode(t, v["form"]), v["key"], Algorithm(v["algorithm"])
			want := v["verify"] == "yes"
			if got := VerifyRequest(p, key, a, v["signature"]); got != want {
				t.Errorf("verified %v, want %v", got, want)
			}
			if joined, ok := v["joined"]; ok && p.Canonical() != joined {
				t.Errorf("canonical\n %s, want\n %s", p.Canonical(), joined)
			}
			if !want || v["covers"] != "" {
				return
			}
			if got := Request(p, key, a); got != strings.ToUpper(v["signature"]) {
				t.Errorf("signed %s, want %s", got, strings.ToUpper(v["signature"]))
			}
		})
	}
}

func TestNotificationsMatchForeignVectors(t *testing.T) {
	for _, v := range vectors(t, "notification.txt") {
		t.Run(v["name"], func(t *testing.T) {
			body, want := []byte(v["body"]), v["verify"] == "yes"
			if got := VerifyNotification(body, v["key"], v["signature"]); got != want {
				t.Errorf("verified %v, want %v", got, want)
			}
			if got := Notification(body, v["key"]); want && got != strings.ToUpper(v["signature"]) {
				t.Errorf("signed %s, want %s", got, strings.ToUpper(v["signature"]))
			}
		})
	}
}

func TestParseAlgorithm(t *testing.T) {
	for in, want := range map[string]Algorithm{"": MD5, "MD5": MD5, "md5": MD5, "SHA256": SHA256,
		"Sha256": SHA256} {
		if got, err := ParseAlgorithm(in); err != nil || got != want {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
	for _, in := range []string{"SHA-256", "SHA1", "none", " MD5", strings.Repeat("x", 1000)} {
		if got, err := ParseAlgorithm(in); err == nil || got != "" || len(err.Error()) > 100 {
			t.Errorf("%.20q: %q, %v", in, got, err)
		}
	}
}

func TestUnknownAlgorithmVerifiesNothing(t *testing.T) {
	p := Params{"a": "1"}
	if Request(p, "key", "CRC32") != "" {
		t.Error("signed")
	}
	for _, signature := range []string{"", "00", Request(p, "key", MD5)} {
		if VerifyRequest(p, "key", "CRC32", signature) {
			t.Errorf("verified %q", signature)
		}
	}
}

func FuzzSignedRequestSurvivesTheWire(f *testing.F) {
	f.Add("goods_name", "凍頂烏龍 & 1+1=2", "txamt", "100", "abcd1234", true)
	f.Add("a", "", "b", " ", "k&y", false)
	f.Add("a", "%", "a", "+", "key", false)
	f.Fuzz(func(t *testing.T, n1, v1, n2, v2, key string, strong bool) {
		if key == "" || !utf8.ValidString(n1+v1+n2+v2) {
			return
		}
		a := MD5
		if strong {
			a = SHA256
		}
		sent := Params{n1: v1, n2: v2}
		form := url.Values{}
		for name, value := range sent {
			form.Set(name, value)
		}
		signature := Request(sent, key, a)
		got := decode(t, form.Encode())
		if !VerifyRequest(got, key, a, signature) {
			t.Fatal("own signature refused")
		}

		for name, value := range got {
			got[name] = value + "0"
			if VerifyRequest(got, key, a, signature) {
				t.Errorf("verified with another %q", name)
			}
			got[name] = value
		}
		if VerifyRequest(got, key+"0", a, signature) || VerifyRequest(got, "0"+key, a, signature) {
			t.Error("verified with another key")
		}
		flipped := []byte(signature)
		flipped[len(v1)%len(flipped)] ^= 1
		if VerifyRequest(got, key, a, string(flipped)) {
			t.Error("verified another signature")
		}
	})
}

func FuzzSignedNotificationVerifiesOnlyUnchanged(f *testing.F) {
	f.Add([]byte(`{"status": "1"}`), "abcd1234", 3)
	f.Fuzz(func(t *testing.T, body []byte, key string, at int) {
		signature := Notification(body, key)
		sum := md5.Sum(append(body[:len(body):len(body)], key...))
		if !strings.EqualFold(signature, hex.EncodeToString(sum[:])) {
			t.Fatal("not the MD5 of body and key")
		}
		if VerifyNotification(body, key, signature) != (key != "") {
			t.Fatal("own signature refused, or an empty key accepted")
		}
		if len(body) > 0 && at >= 0 {
			body[at%len(body)] ^= 1
			if VerifyNotification(body, key, signature) {
				t.Error("verified another body")
			}
		}
	})
}

func TestCommandsInTheManualPrintItsResults(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("md5sum and sha256sum are GNU tools")
	}
	text, err := os.ReadFile("../../docs/signing.md")
	if err != nil {
		t.Fatal(err)
	}
	lines, ran := strings.Split(string(text), "\n"), 0
	for i, line := range lines {
		if command, ok := strings.CutPrefix(line, "$ "); ok {
			ran++
			if got, err := exec.Command("sh", "-c", command).Output(); err != nil ||
				string(got) != lines[i+1]+"\n" {
				t.Errorf("%s\nprints %s, %v; the document says %s", command, got, err, lines[i+1])
			}
		}
	}
	if ran < 4 {
		t.Errorf("only %d commands", ran)
	}
}
