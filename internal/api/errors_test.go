package api

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
)

func TestEveryCodeHasItsMeaning(t *testing.T) {
	source, err := os.ReadFile("../pay/error.go")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`Code = "([a-z_]+)"`).FindAllSubmatch(source, -1)
	if len(found) < 20 {
		t.Fatalf("only %d codes found", len(found))
	}
	for _, m := range found {
		if _, ok := meanings[pay.Code(m[1])]; !ok {
			t.Errorf("%s has no meaning", m[1])
		}
	}
	if len(found) != len(meanings) {
		t.Errorf("%d codes, %d meanings", len(found), len(meanings))
	}
}

func TestTheManualListsEveryCode(t *testing.T) {
	manual, err := os.ReadFile("../../docs/errors.md")
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for _, m := range regexp.MustCompile("(?m)^\\| `(\\d{4})` \\|").FindAllSubmatch(manual, -1) {
		listed = append(listed, string(m[1]))
	}
	used := []string{success}
	for _, m := range meanings {
		used = append(used, m.respcd)
	}
	for _, m := range states {
		used = append(used, m.respcd)
	}
	slices.Sort(used)
	slices.Sort(listed)
	if used, listed = slices.Compact(used), slices.Compact(listed); !slices.Equal(used, listed) {
		t.Errorf("used:   %v\nlisted: %v", used, listed)
	}
}

func TestOutcomeTellsOnlyWhatMerchantsMayKnow(t *testing.T) {
	secret := errors.New("dial tcp 10.0.0.1: password wrong")
	for _, test := range []struct {
		name string
		err  error
		want outcome
	}{
		{"none", nil, outcome{"0000", "success", ""}},
		{"uncoded", secret, outcome{"1252", "system error",
			"an error of ours: ask its operator about request r1"}},
		{"internal", &pay.Error{Code: pay.Internal, Message: "dial", Err: secret},
			outcome{"1252", "system error", "an error of ours: ask its operator about request r1"}},
		{"coded, with a cause", fmt.Errorf("pay: %w",
			&pay.Error{Code: pay.WalletBusy, Message: "come again", Err: secret}),
			outcome{"1297", "wallet busy", "come again"}},
		{"a field", &pay.Error{Code: pay.BadParameter, Field: "txamt", Message: "is required"},
			outcome{"1104", "parameter error", "txamt: is required"}},
		{"a field of an inner room",
			&pay.Error{Code: pay.StoreUnknown, Field: "store_id", Message: "no such"},
			outcome{"1241", "store unknown", "mchid: no such"}},
		{"a code that nobody listed", &pay.Error{Code: "new", Message: "x"},
			outcome{"1252", "system error", "x"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := outcomeOf(test.err, "r1"); got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestFieldsOfInnerRoomsAreSpeltTheApisWay(t *testing.T) {
	source, err := os.ReadDir("../gateway")
	if err != nil {
		t.Fatal(err)
	}
	// those of the link of authorisation, and of add_note
	known := append(slices.Clone(fingerprinted), "", "expires", "nonce", "note")
	for _, file := range source {
		if !strings.HasSuffix(file.Name(), ".go") || strings.HasSuffix(file.Name(), "_test.go") {
			continue
		}
		text, err := os.ReadFile("../gateway/" + file.Name())
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`Field: "([^"]*)"`).FindAllSubmatch(text, -1) {
			field := string(m[1])
			if _, ok := spellings[field]; !ok && !slices.Contains(known, field) {
				t.Errorf("%s names %q, which is no parameter of the trade API", file.Name(), field)
			}
		}
	}
}

func TestRetryAfterIsWholeSecondsAndNeverNone(t *testing.T) {
	for after, want := range map[time.Duration]string{0: "1", time.Millisecond: "1", time.Second: "1",
		1001 * time.Millisecond: "2", 59 * time.Second: "59"} {
		h := http.Header{}
		setRetryAfter(h, limited("x", after))
		if got := h.Get("Retry-After"); got != want {
			t.Errorf("%v gives %q, want %q", after, got, want)
		}
	}
	h := http.Header{}
	if setRetryAfter(h, errors.New("ours")); h.Get("Retry-After") != "1" {
		t.Errorf("trouble of ours gives %v", h)
	}
	h = http.Header{}
	if setRetryAfter(h, &pay.Error{Code: pay.WalletBusy}); len(h) != 0 {
		t.Error("set without need")
	}
}
