package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// operates gives a way to run the operator's commands on a new database.
func operates(t *testing.T, config string) func(args ...string) (string, error) {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("SAMPAN_MASTER_KEY", strings.Repeat("0f", 32))
	file := filepath.Join(dir, "sampan.toml")
	err := os.WriteFile(file, []byte("database = \"sqlite:"+filepath.Join(dir, "x.db")+"\"\n"+config), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	sampan := func(args ...string) (string, error) {
		var out bytes.Buffer
		err := run(t.Context(), append(args, "--config", file), strings.NewReader(""), &out, io.Discard)
		return out.String(), err
	}
	if _, err := sampan("migrate"); err != nil {
		t.Fatal(err)
	}
	return sampan
}

func TestDisabledMerchantIsSaidAndListed(t *testing.T) {
	sampan := operates(t, "pay_url = \"direct\"\n")
	does := func(want string, args ...string) string {
		t.Helper()
		out, err := sampan(args...)
		if err != nil || !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("%v: %v, %s; want %s", args, err, out, want)
		}
		return out
	}
	added := does("app_code", "merchant", "add", "--name", "Tea", "--id", "100001", "--stores")
	appCode := regexp.MustCompile(`app_code +(\S+)`).FindStringSubmatch(added)[1]
	does("store M1", "merchant", "add-store", "--app-code", appCode, "--id", "M1", "--name", "North")

	does(`(?s)^merchant 100001 is disabled\norders .*links +closed: .*direct.*refunds +kept: `,
		"merchant", "disable", "--merchant", "100001")
	does(`disabled: links closed, refunds kept`, "merchant", "list")
	does(`(?s)links +kept: .*refunds +stopped: `, "merchant", "disable", "--merchant", "100001",
		"--links", "keep", "--refunds", "stop")
	does(`disabled: links kept, refunds stopped`, "merchant", "list")
	out := does(`^merchant 100001 is enabled\nServers`, "merchant", "enable", "--merchant", "100001")
	if strings.Contains(out, "links") {
		t.Errorf("got %s", out)
	}
	does(`(?s)^store M1 is disabled\n.*links +closed.*refunds +stopped`, "merchant", "disable",
		"--app-code", appCode, "--store", "M1", "--refunds", "stop")
	does(`enabled .*M1 \(disabled: links closed, refunds stopped\)`, "merchant", "list")
	does(`(?s)^app code \S+ is disabled\ncalls +refused.*1108.*links +kept`, "merchant",
		"disable", "--app-code", appCode)
	does(`disabled: calls refused`, "merchant", "list")
	for _, flag := range []string{"--links=keep", "--refunds=stop"} {
		_, err := sampan("merchant", "disable", "--app-code", appCode, flag)
		if err == nil || !strings.Contains(err.Error(), "belongs to a merchant or a store") {
			t.Errorf("%s of an app code: %v", flag, err)
		}
	}
}

func TestMerchantSetChangesWhatIsNamed(t *testing.T) {
	sampan := operates(t, "")
	out, err := sampan("merchant", "add", "--name", "Tea", "--id", "100001", "--return-hosts", "a.example")
	if err != nil {
		t.Fatal(err)
	}
	appCode := regexp.MustCompile(`app_code +(\S+)`).FindStringSubmatch(out)[1]
	for _, step := range []struct {
		args string
		says string // or the error
		list string
	}{
		{"--max-age 10m", "within this time of ours: 10m0s", `a\.example +100/s 400/min +MD5, SHA256 +10m0s`},
		{"--md5 off", "signed by: SHA256\n", `a\.example .* SHA256 +10m0s`},
		{"--return-hosts b.example,c.example:8443 --md5 on", "returns buyers to: b.example,c.example:8443\n",
			`b\.example,c\.example:8443 .*MD5, SHA256 +10m0s`},
		{"--max-age 0 --return-hosts=", "returns buyers to: -\n", `none +- +100/s 400/min +MD5, SHA256 +any`},
		{"", "nothing to change", `none +- +100/s`},
		{"--max-age 1.5s", "whole seconds", `any`},
		{"--max-age=-5m", "whole seconds", `any`},
		{"--md5 maybe", "--md5 must be one of", `MD5, SHA256`},
	} {
		out, err := sampan(append([]string{"merchant", "set", "--app-code", appCode},
			strings.Fields(step.args)...)...)
		if err != nil {
			out += err.Error()
		}
		if !strings.Contains(out, step.says) {
			t.Errorf("%s: %s; want %q", step.args, out, step.says)
		}
		if list, err := sampan("merchant", "list"); err != nil ||
			!regexp.MustCompile(step.list).MatchString(list) {
			t.Errorf("after %s: %v, %s; want %s", step.args, err, list, step.list)
		}
	}
	_, err = sampan("merchant", "set", "--app-code", "NOBODY", "--md5", "off")
	if err == nil || !strings.Contains(err.Error(), "not found") {
		t.Errorf("an unknown app code: %v", err)
	}
}
