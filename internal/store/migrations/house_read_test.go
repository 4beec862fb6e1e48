package migrations

import (
	"strings"
	"testing"
)

// Every sentence that a release up to schema 8 wrote becomes its facts, whatever
// a wallet or a merchant has put into it.
func TestReadEvent(t *testing.T) {
	const id = "20261129100001123456789012"
	long := strings.Repeat("é", 64)
	for _, tt := range []struct {
		kind, actor, detail string
		want                facts
	}{
		{"registered", "merchant", "REF", facts{number: "REF"}},
		{"registered", "merchant", "", facts{}},
		{"failed", "wallet", "NO: WAY", facts{code: "NO: WAY"}},
		{"close_asked", "merchant", id, facts{number: id}},
		{"note", "merchant", "a \"note\"\n12.30 HKD under trade T as R: x",
			facts{note: "a \"note\"\n12.30 HKD under trade T as R: x"}},
		{"note", "merchant", "", facts{}},

		{"expired", "recover", "never opened", facts{reason: "never_opened"}},
		{"closed", "merchant", "never opened", facts{reason: "never_opened"}},
		{"expired", "wallet", "closed by the wallet: TRADE_CLOSED",
			facts{reason: "closed_by_wallet", code: "TRADE_CLOSED"}},
		{"closed", "recover", "closed by the wallet: ", facts{reason: "closed_by_wallet"}},
		{"expired", "recover", "not paid within its life; the wallet says waiting",
			facts{reason: "unpaid", code: "waiting"}},
		{"expired", "recover", "not paid within its life; the wallet says not_found; closed there",
			facts{reason: "unpaid_closed", code: "not_found"}},
		{"closed", "merchant", "called off; the wallet says not_found",
			facts{reason: "called_off", code: "not_found"}},
		{"closed", "recover", "called off; the wallet says waiting; closed there",
			facts{reason: "called_off_closed", code: "waiting"}},
		{"expired", "recover", "the wallet's payment is not the order's", facts{reason: "other_payment"}},

		{"paid", "wallet", "12.30 HKD under trade T", facts{minor: 1230, currency: "HKD", tradeNo: "T"}},
		{"paid_late", "recover", "500 JPY under trade T under trade U",
			facts{minor: 500, currency: "JPY", tradeNo: "T under trade U"}},
		{"surplus", "wallet", "0.01 USD under trade T has paid another order",
			facts{minor: 1, currency: "USD", tradeNo: "T has paid another order"}},
		{"surplus", "wallet", "92233720368547758.07 CNY under trade T",
			facts{minor: 9223372036854775807, currency: "CNY", tradeNo: "T"}},
		{"surplus", "wallet", "trade T was paid, and given back in full at the wallet itself",
			facts{kind: "given_back", tradeNo: "T"}},
		{"surplus", "wallet", "trade T was paid, and is closed by the wallet's word",
			facts{kind: "closed_after_paid", tradeNo: "T"}},
		{"surplus", "recover", "trade T has paid another order", facts{kind: "foreign_trade", tradeNo: "T"}},
		{"surplus", "wallet", "trade T was 12.30 HKD before, now 0.00 HKD",
			facts{kind: "amounts_differ", tradeNo: "T", currency: "HKD"}},
		{"surplus", "wallet", "trade a was 1.00 HKD before, now 2.00 HKD was 12.30 HKD before, now 5 JPY",
			facts{kind: "amounts_differ", tradeNo: "a was 1.00 HKD before, now 2.00 HKD", minor: 5,
				currency: "JPY"}},

		{"unlisted", "wallet",
			`the order is "TRADE_SUCCESS" by the wallet's word, which no document of it lists`,
			facts{code: "TRADE_SUCCESS"}},
		{"unlisted", "recover", `trade T is "" by the wallet's word, which no document of it lists`,
			facts{tradeNo: "T"}},
		{"unlisted", "recover",
			`refund R is "is \"x\" \\" by the wallet's word, which no document of it lists`,
			facts{refundID: "R", code: `is "x" \`}},
		{"unlisted", "wallet",
			`trade T is "x" y is "a\n\x00\xff\xfe" by the wallet's word, which no document of it lists`,
			facts{tradeNo: `T is "x" y`, code: "a\n\uFFFD\uFFFD\uFFFD"}},
		{"unlisted", "wallet", `the order is "` + long +
			`" by the wallet's word, which no document of it lists`,
			facts{code: long}},

		{"refund_asked", "merchant", "12.30 HKD as " + id, facts{minor: 1230, currency: "HKD", refundID: id}},
		{"refund_asked", "late", "12.30 HKD as " + id, facts{minor: 1230, currency: "HKD", refundID: id}},
		{"refunded", "recover", "1 JPY as " + id, facts{minor: 1, currency: "JPY", refundID: id}},
		{"refund_failed", "merchant", "NO: AS IS: " + id, facts{code: "NO: AS IS", refundID: id}},
		{"refund_failed", "wallet", ": " + id, facts{refundID: id}},
		{"refund_foreign", "wallet", "given back at the wallet itself, as 9", facts{refundID: "9"}},
		{"refund_contradicted", "wallet", "failed, now succeeded: " + id,
			facts{reason: "said_succeeded", refundID: id}},
		{"refund_contradicted", "wallet", "succeeded, now failed: " + id,
			facts{reason: "said_failed", refundID: id}},
		{"refund_contradicted", "wallet", "1.00 HKD by the wallet's word: " + id,
			facts{minor: 100, currency: "HKD", refundID: id}},

		{"orphan", "merchant", id + " under trade T", facts{number: id, tradeNo: "T"}},
	} {
		want := tt.want
		if want.kind == "" {
			want.kind = tt.kind
		}
		switch want.actor = tt.actor; tt.actor {
		case "merchant":
			want.actorName = "APP"
		case "late":
			want.actor = "policy"
		}
		if got, err := readEvent(tt.kind, tt.actor, tt.detail, "APP"); err != nil || got != want {
			t.Errorf("%s by %s, %q:\ngot  %+v, %v\nwant %+v", tt.kind, tt.actor, tt.detail, got, err, want)
		}
	}
}

func TestReadEventStops(t *testing.T) {
	const id = "20261129100001123456789012"
	for _, tt := range [][3]string{
		{"thanked", "wallet", "x"}, {"", "wallet", ""},
		{"note", "operator", "x"}, {"note", "", "x"}, {"note", "Merchant", "x"},
		{"expired", "recover", ""}, {"expired", "recover", "not paid within its life"},
		{"expired", "recover", "called off; the wallet says paid"},
		{"closed", "recover", "; the wallet says waiting"},
		{"closed", "recover", "called off; the wallet says waiting; closed"},
		{"paid", "wallet", ""}, {"paid", "wallet", "12.30 HKD"}, {"paid", "wallet", "12.30 HKD under trade "},
		{"paid", "wallet", "12.3 HKD under trade T"}, {"paid", "wallet", "012.30 HKD under trade T"},
		{"paid", "wallet", "+12.30 HKD under trade T"},
		{"paid", "wallet", "1.230 HKD under trade T"}, {"paid", "wallet", "1230 HKD under trade T"},
		{"paid", "wallet", "12.30 under trade T"},
		{"paid", "wallet", "12.30 XXX under trade T"}, {"paid", "wallet", "5.00 JPY under trade T"},
		{"paid", "wallet", ".30 HKD under trade T"},
		{"paid", "wallet", "92233720368547758.08 HKD under trade T"},
		{"paid", "wallet", "12.30  HKD under trade T"},
		{"surplus", "wallet", "trade T"}, {"surplus", "wallet", "trade T was 1.00 HKD"},
		{"surplus", "wallet", "trade T was 1 HKD before, now 2.00 HKD"},
		{"surplus", "wallet", "trade T was 1.00 HKD before, now 2 HKD"}, {"surplus", "wallet", "much"},
		{"unlisted", "wallet", "the order is X by the wallet's word, which no document of it lists"},
		{"unlisted", "wallet", `an order is "X" by the wallet's word, which no document of it lists`},
		{"unlisted", "wallet", `the order is "X by the wallet's word, which no document of it lists`},
		{"unlisted", "wallet", `the order is "X"`},
		{"refund_asked", "merchant", "12.30 HKD"}, {"refunded", "merchant", "12.30 HKD as "},
		{"refunded", "merchant", "much as " + id},
		{"refund_failed", "wallet", "NO"}, {"refund_failed", "wallet", "NO: "},
		{"refund_foreign", "wallet", "given back"}, {"refund_contradicted", "wallet", "failed: " + id},
		{"refund_contradicted", "wallet", "failed, now succeeded"},
		{"refund_contradicted", "wallet", "x by the wallet's word: " + id},
		{"orphan", "wallet", id}, {"orphan", "wallet", "123 under trade T"},
		{"orphan", "wallet", id[1:] + "x under trade T"},
	} {
		if got, err := readEvent(tt[0], tt[1], tt[2], "APP"); err == nil {
			t.Errorf("%q is read as %+v", tt, got)
		}
	}
}
