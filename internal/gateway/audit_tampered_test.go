package gateway

import (
	"slices"
	"strings"
	"testing"
)

// kept lists the tables that a tampering may change.
var kept = []string{"payment", "refund", "movement", "event", "delivery"}

// sql runs a statement in the shell, in which {NO} stands for the id of the
// payment of that order number.
func (a *audited) sql(text string) {
	a.t.Helper()
	for no, id := range a.ids {
		text = strings.ReplaceAll(text, "{"+no+"}", "'"+id+"'")
	}
	if res, err := a.shell.ExecContext(a.t.Context(), text); err != nil {
		a.t.Fatalf("%s: %v", text, err)
	} else if n, err := res.RowsAffected(); err != nil || n == 0 && !strings.HasPrefix(text, "CREATE") {
		a.t.Fatalf("%s: changed %d rows, %v", text, n, err)
	}
}

// dropTriggers drops the triggers that protect rows, as the database's owner can.
func (a *audited) dropTriggers() {
	a.t.Helper()
	drops := []string{"DROP TRIGGER movement_update", "DROP TRIGGER movement_delete",
		"DROP TRIGGER event_update", "DROP TRIGGER event_delete"}
	if strings.HasPrefix(a.dsn, "postgres") {
		drops = []string{"DROP TRIGGER append_only ON movement", "DROP TRIGGER append_only ON event"}
	}
	for _, text := range drops {
		if _, err := a.shell.ExecContext(a.t.Context(), text); err != nil {
			a.t.Fatal(err)
		}
	}
}

// backUp copies the tables, and restore puts the copies back.
func (a *audited) backUp() {
	for _, table := range kept {
		a.sql("CREATE TABLE kept_" + table + " AS SELECT * FROM " + table)
	}
}

func (a *audited) restore() {
	a.t.Helper()
	for _, table := range kept {
		for _, text := range []string{"DELETE FROM " + table,
			"INSERT INTO " + table + " SELECT * FROM kept_" + table} {
			if _, err := a.shell.ExecContext(a.t.Context(), text); err != nil {
				a.t.Fatal(err)
			}
		}
	}
}

// The audit finds a row that was changed by hand. Its report names the payment and
// what is wrong with it.
func TestAuditFindsTamperedRows(t *testing.T) {
	of := " WHERE payment_id = "
	tamperings := []struct {
		name string
		sql  []string
		want string // is in a line of the report
	}{
		// The payment.
		{"an amount", []string{"UPDATE payment SET amount = 123000 WHERE id = {paid}"},
			"paid: amount: 1230.00 HKD, should be 12.30 HKD"},
		{"an amount that nobody has paid yet", []string{"UPDATE payment SET amount = 1 WHERE id = {opened}"},
			"opened: order: 0.01 HKD by 801107 as opened, and what else it asks for, should be what the " +
				"merchant's request"},
		{"a currency", []string{"UPDATE payment SET currency = 'AUD' WHERE id = {paid}"},
			"paid: amount: 12.30 AUD, should be 12.30 HKD"},
		{"a currency that there is not",
			[]string{"UPDATE payment SET currency = 'XXX' WHERE id = {unopened}"},
			"unopened: currency: XXX, should be one"},
		{"a state, to paid",
			[]string{"UPDATE payment SET status = 'paid', paid_at = 1, trade_no = 'T-x' WHERE id = {opened}"},
			"opened: status: paid, should be created or pending"},
		{"a state, back to pending", []string{"UPDATE payment SET status = 'pending' WHERE id = {paid}"},
			"paid: status: pending, should be paid"},
		{"a state, from expired to closed",
			[]string{"UPDATE payment SET status = 'closed' WHERE id = {expired-opened}"},
			"expired-opened: status: closed, should be expired"},
		{"a state, from failed to pending",
			[]string{"UPDATE payment SET status = 'pending' WHERE id = {failed}"},
			"failed: status: pending, should be failed"},
		{"a trade number", []string{"UPDATE payment SET trade_no = 'T-x' WHERE id = {paid}"},
			"paid: trade_no: T-x, should be T-paid"},
		{"a time of payment", []string{"UPDATE payment SET paid_at = paid_at - 86401000 WHERE id = {paid}"},
			": body: paydtm "},
		{"a time of payment that is gone", []string{"UPDATE payment SET paid_at = 0 WHERE id = {untold}"},
			"untold: paid_at: none, should be a value"},
		{"what was given back, less",
			[]string{"UPDATE payment SET refunded = 0, reserved = 0 WHERE id = {refunded}"},
			"refunded: refunded: 0.00 HKD, should be 12.30 HKD"},
		{"what was given back, more",
			[]string{"UPDATE payment SET refunded = 1230, reserved = 1230 WHERE id = {paid}"},
			"paid: refunded: 12.30 HKD, should be 0.00 HKD"},
		{"what is set aside", []string{"UPDATE payment SET reserved = 0 WHERE id = {refund-pending}"},
			"refund-pending: reserved: 0.00 HKD, should be 10.00 HKD"},
		{"the mark of late money", []string{"UPDATE payment SET late = 0 WHERE id = {late-kept}"},
			"late-kept: late: false, should be true"},
		{"the mark of money beyond the order",
			[]string{"UPDATE payment SET flagged = 0 WHERE id = {second-trade}"},
			"second-trade: flagged: false, should be true"},
		{"the mark of late money that could not go back", []string{
			"UPDATE payment SET flagged = 0 WHERE id = {late-stuck}"},
			"late-stuck: flagged: false, should be true"},
		{"the mark of a refund that the wallet contradicted",
			[]string{"UPDATE payment SET flagged = 0 WHERE id = {refund-contradicted}"},
			"refund-contradicted: flagged: false, should be true"},
		{"the mark of a refund that is not ours",
			[]string{"UPDATE payment SET flagged = 0 WHERE id = {refunded-elsewhere}"},
			"refunded-elsewhere: flagged: false, should be true"},
		{"a closing", []string{"UPDATE payment SET close_id = '' WHERE id = {closing}"},
			"closing: close_id: empty, should be"},
		{"a closing that nobody asked for",
			[]string{"UPDATE payment SET close_id = 'x', close_asked_at = 1 WHERE id = {opened}"},
			"opened: close_id: a value, should be none"},
		{"a closing's time", []string{"UPDATE payment SET close_asked_at = 0 WHERE id = {closing}"},
			"closing: close_asked_at: none, should be a value"},
		{"the wallet's reference", []string{"UPDATE payment SET checkout = 'REF-x' WHERE id = {registered}"},
			"registered: checkout: REF-x, should be REF"},
		{"the wallet's id of the order",
			[]string{"UPDATE payment SET wallet_id = 'ID-x' WHERE id = {registered}"},
			"registered: wallet_id: ID-x, should be REF"},
		{"the wallet's refusal", []string{"UPDATE payment SET failure = '' WHERE id = {failed}"},
			"failed: failure: empty, should be NO: WAY"},
		{"the account", []string{"UPDATE payment SET account_id = 'net' WHERE id = {paid}"},
			"should be payment: 12.30 HKD from merchant to wallet:net, trade T-paid"},
		{"where it is told",
			[]string{"UPDATE payment SET notify_url = 'https://thief.example/' WHERE id = {paid}"},
			": url: https://Shop.example/notify, should be https://thief.example/"},
		{"the payment's end", []string{"UPDATE payment SET closed_at = 0 WHERE id = {expired-opened}"},
			"expired-opened: closed_at: none, should be a value"},
		{"its number", []string{"UPDATE payment SET id = '20260101654321000000000000' WHERE id = {unopened}"},
			"syssn: 20260101654321000000000000, should be"},
		{"the payment, gone", []string{"DELETE FROM payment WHERE id = {paid}"},
			"paid: payment: none, with 1 movements, 0 refunds, 1 events and 1 " +
				"notifications of it, should be"},
		{"a payment from nowhere", []string{
			"INSERT INTO payment SELECT merchant_id, '20260101123456000000000000', " +
				"app_code, store_id, 'free', fingerprint, pay_type, account_id, amount, currency, goods, " +
				"client_time, device_id, return_url, notify_url, open_id, no_credit, status, checkout, " +
				"trade_no, buyer_id, failure, late, flagged, created_at, expires_at, opened_at, paid_at, " +
				"closed_at, asked_at, due_at, inquiries, reserved, refunded, lease, claimable_at, " +
				"close_id, close_asked_at, wallet_number, confirmed_at, checkout_ends_at, wallet_id, " +
				"events FROM payment WHERE id = {paid}",
		}, "20260101123456000000000000: status: paid, should be created or pending"},
		{"all that there is of a merchant, to another", []string{
			"UPDATE payment SET merchant_id = '654321' WHERE id = {paid}",
			"UPDATE movement SET merchant_id = '654321'" + of + "{paid}",
			"UPDATE event SET merchant_id = '654321'" + of + "{paid}",
			"UPDATE delivery SET merchant_id = '654321'" + of + "{paid}",
		}, "merchant: none, should be"},

		// The money record.
		{"a movement's amount", []string{"UPDATE movement SET amount = 1" + of + "{paid}"},
			"payment: 0.01 HKD from merchant to wallet:main, trade T-paid, should be " +
				"payment: 12.30 HKD from"},
		{"a movement's currency", []string{"UPDATE movement SET currency = 'JPY'" + of + "{paid}"},
			"payment: 1230 JPY from merchant"},
		{"a movement's trade", []string{"UPDATE movement SET trade_no = 'T-x'" + of + "{paid}"},
			"trade T-x, should be payment: 12.30 HKD"},
		{"who received", []string{"UPDATE movement SET debit = 'wallet:mine'" + of + "{paid}"},
			"from merchant to wallet:mine, trade T-paid, should be"},
		{"who gave", []string{"UPDATE movement SET credit = 'surplus'" + of + "{paid}"},
			"from surplus to wallet:main, trade T-paid, should be"},
		{"who gave, to themselves", []string{"UPDATE movement SET credit = debit" + of + "{paid}"},
			"from wallet:main to wallet:main, trade"},
		{"a movement's kind", []string{"UPDATE movement SET kind = 'gift'" + of + "{paid}"},
			"gift: 12.30 HKD from merchant to wallet:main, trade T-paid, should be none"},
		{"a movement's time", []string{"UPDATE movement SET at = at - 86400000" + of + "{paid}"},
			"an id that begins with its time"},
		{"a movement, gone", []string{"DELETE FROM movement" + of + "{paid}"},
			"paid: movement: none, should be payment: 12.30 HKD from merchant to wallet:main, trade T-paid"},
		{"a refund's movement, gone",
			[]string{"DELETE FROM movement" + of + "{refunded} AND kind = 'refund'"},
			"refunded: movement: none, should be refund "},
		{"a refund's movement, of less",
			[]string{"UPDATE movement SET amount = 1" + of + "{refunded} AND kind = 'refund'"},
			": 0.01 HKD from wallet:main to merchant, trade T-refunded, should be refund"},
		{"a surplus' movement, gone",
			[]string{"DELETE FROM movement" + of + "{second-trade} AND kind = 'surplus'"},
			"second-trade: movement: none, should be surplus: 12.30 HKD from surplus to " +
				"wallet:main, trade T-second"},
		{"surplus money, taken for the merchant's",
			[]string{"UPDATE movement SET credit = 'merchant'" + of + "{second-trade} AND kind = 'surplus'"},
			"surplus: 12.30 HKD from merchant to wallet:main, trade T-second, should be surplus"},
		{"a movement from nowhere",
			[]string{
				"INSERT INTO movement SELECT merchant_id, 'x', payment_id, refund_id, kind, debit, credit, " +
					"amount, currency, 'T-x', at FROM movement" + of + "{paid}"},
			"paid: movement x: payment: 12.30 HKD from merchant to wallet:main, trade T-x, should be none"},
		{"a movement of an order that is not paid",
			[]string{
				"INSERT INTO movement SELECT merchant_id, 'x', {opened}, refund_id, kind, debit, credit, " +
					"amount, currency, 'T-x', at FROM movement" + of + "{paid}"},
			"opened: movement x: payment: 12.30 HKD"},
		{"a movement of no payment",
			[]string{
				"INSERT INTO movement SELECT merchant_id, 'x', '', refund_id, kind, debit, credit, amount, " +
					"currency, 'T-x', at FROM movement" + of + "{paid}"},
			": payment: none, with 1 movements"},
		{"a movement of no merchant", []string{"UPDATE movement SET merchant_id = ''" + of + "{paid}"},
			"paid: payment: none, with 1 movements"},
		{"a trade, for two orders",
			[]string{
				"INSERT INTO movement SELECT merchant_id, 'x', {opened}, refund_id, kind, " +
					"'wallet:net', credit, amount, currency, trade_no, at FROM movement" + of + "{paid}"},
			"opened: trade T-paid: has brought money in more than once"},
		{"a balance", []string{"DELETE FROM movement" + of + "{paid}"},
			": balance of wallet:main: 151.60 HKD by the money record, should be 163.90 HKD"},

		// Refunds.
		{"a refund's state, to done", []string{"UPDATE refund SET status = 'succeeded', done_at = 1" + of +
			"{refund-pending}"}, ": status: succeeded, should be pending"},
		{"a refund's state, to failed",
			[]string{"UPDATE refund SET status = 'failed', cause = 'refund_denied', failure = 'NO'" + of +
				"{refunded}"}, ": status: failed, should be succeeded"},
		{"a refund's state, to be sent again",
			[]string{"UPDATE refund SET status = 'pending', done_at = 0, claimable_at = 1" +
				of + "{refunded}"},
			": status: pending, should be succeeded"},
		{"a refund's amount", []string{"UPDATE refund SET amount = 1230" + of + "{refund-pending}"},
			": amount: 12.30 HKD, should be 10.00 HKD"},
		{"a refund's currency", []string{"UPDATE refund SET currency = 'USD'" + of + "{refund-pending}"},
			": amount: 10.00 USD, should be 10.00 HKD"},
		{"a refund's account", []string{"UPDATE refund SET account_id = 'net'" + of + "{refund-pending}"},
			": account_id: net, should be main"},
		{"a refund's store", []string{"UPDATE refund SET store_id = 'M1'" + of + "{refund-pending}"},
			": whose it is: "},
		{"a refund's refusal", []string{"UPDATE refund SET failure = 'YES'" + of + "{refund-failed}"},
			": failure: YES, should be NO: AS IS"},
		{"a refund's cause", []string{"UPDATE refund SET cause = ''" + of + "{refund-failed}"},
			": cause: none, should be a value"},
		{"a refund's end", []string{"UPDATE refund SET done_at = 0" + of + "{refund-failed}"},
			": done_at: none, should be a value"},
		{"that a merchant asked for a refund",
			[]string{"UPDATE refund SET order_no = id" + of + "{refund-pending}"},
			": that nobody asked for it: true, should be false"},
		{"a refund's fingerprint", []string{"UPDATE refund SET fingerprint = 'x'" + of + "{refund-pending}"},
			": 10.00 HKD as refund-pending-R1000, should be what the merchant's request asked for"},
		{"a refund, gone", []string{"DELETE FROM refund" + of + "{refund-pending}"},
			": none, should be 10.00 HKD, pending"},
		{"a refund, to another payment",
			[]string{"UPDATE refund SET payment_id = {paid}" + of + "{refund-pending}"},
			": 10.00 HKD, pending, should be none: no event asks for it"},
		{"a refund from nowhere",
			[]string{
				"INSERT INTO refund SELECT merchant_id, 'x', app_code, store_id, 'x', fingerprint, {paid}, " +
					"amount, currency, status, client_time, device_id, failure, " +
					"created_at, done_at, due_at, inquiries, lease, claimable_at, account_id, cause, sends " +
					"FROM refund" + of + "{refund-pending}"},
			"paid: refund x: 10.00 HKD, pending, should be none"},
		{"late money's way back, gone", []string{"DELETE FROM refund" + of + "{late-going-back}",
			"UPDATE payment SET reserved = 0 WHERE id = {late-going-back}"},
			": none, should be 12.30 HKD, pending"},

		// Events.
		{"an event, gone", []string{"DELETE FROM event" + of + "{paid}"},
			"paid: status: paid, should be created or pending"},
		{"an event, gone from between others",
			[]string{"DELETE FROM event" + of + "{noted} AND kind = 'paid'"},
			"noted: events: number 2 comes after number 0"},
		{"an event's amount", []string{"UPDATE event SET amount = 9900" + of + "{paid}"},
			"paid: amount: 12.30 HKD, should be 99.00 HKD"},
		{"an event without facts", []string{"UPDATE event SET amount = 0, currency = '', trade_no = ''" + of +
			"{paid}"}, `paid: event 1 (paid): empty, should be an amount under a trade`},
		{"an event's kind", []string{"UPDATE event SET kind = 'paid_late'" + of + "{paid}"},
			"paid: event 1 (paid_late): 12.30 HKD, trade T-paid, should be paid, and not late"},
		{"an event's kind, to none", []string{"UPDATE event SET kind = 'forgotten'" + of + "{paid}"},
			"should be an event of a known kind"},
		{"an event's actor", []string{"UPDATE event SET actor = 'late'" + of + "{paid}"},
			"paid: event 1 (paid): by late, should be an actor of a known role"},
		{"a payment's count of events", []string{"UPDATE payment SET events = 7 WHERE id = {paid}"},
			"paid: events: 7, should be 1"},
		{"an event's time", []string{"UPDATE event SET at = at - 60000" + of + "{paid}"},
			"an id that begins with its time"},
		{"an illegal move", []string{"UPDATE event SET kind = 'expired'" + of + "{noted} AND kind = 'note'"},
			"noted: event 2 (expired): note 12.30 HKD under trade T-mine, should be a " +
				"legal move: paid cannot become expired"},
		{"an event from nowhere",
			[]string{"INSERT INTO event (" + eventColumns +
				") SELECT merchant_id, {opened}, id, seq, at, kind, actor, amount, currency, trade_no, " +
				"refund_id FROM event" + of + "{paid}"}, "opened: status: pending, should be paid"},
		{"an event, twice",
			[]string{"INSERT INTO event (" + eventColumns +
				") SELECT merchant_id, payment_id, 'x', seq + 1, at, kind, actor, " +
				"amount, currency, trade_no, refund_id FROM event" + of + "{paid}"},
			"paid: event 2 (paid): 12.30 HKD, trade T-paid, should " +
				"be paid_late: it was paid"},
		{"a registration of what is paid",
			[]string{"UPDATE event SET kind = 'registered'" + of + "{noted} AND kind = 'note'"},
			"noted: event 2 (registered): note 12.30 HKD under trade T-mine, should be an open order"},
		{"an end of what was called off", []string{"UPDATE event SET kind = 'expired'" + of +
			"{closed-opened} AND kind = 'closed'"}, "should be closed, since it was called off"},
		{"a wish to close what is paid", []string{"UPDATE event SET kind = 'close_asked'" + of +
			"{noted} AND kind = 'note'"}, "should be an open order that is not called off yet"},
		{"surplus money of no currency",
			[]string{"UPDATE event SET currency = 'much'" + of + "{second-trade} AND kind = 'surplus'"},
			"second-trade: event 2 (surplus): 1230 much, trade T-second, should be an amount under a trade"},
		{"a failure of no refund", []string{"UPDATE event SET kind = 'refund_failed'" + of +
			"{noted} AND kind = 'note'"}, "should be the failure of a refund that is pending"},
		{"a refund's event without an amount", []string{"UPDATE event SET amount = 0" + of +
			"{refunded} AND kind = 'refund_asked'"}, "should be an amount and the refund's number"},
		{"a refund's event, of another amount",
			[]string{"UPDATE event SET amount = 1200" + of + "{refunded} AND kind = 'refunded'"},
			"should be a refund that was asked for, of the same amount, and is pending"},
		{"a refund, asked for twice",
			[]string{"INSERT INTO event (" + eventColumns +
				") SELECT merchant_id, payment_id, 'x', 4, at, kind, actor, amount, currency, trade_no, " +
				"refund_id FROM event" + of + "{refunded} AND kind = 'refund_asked'"},
			"event 4 (refund_asked): " +
				"12.30 HKD, refund "},
		{"a refund of more than came", []string{"UPDATE event SET amount = 1001" + of +
			"{in-parts} AND kind = 'refund_asked' AND amount = 500"},
			"should be at most what was left of 12.30 HKD"},
		{"a refund in another currency", []string{"UPDATE event SET currency = 'CNY'" + of +
			"{in-parts} AND kind = 'refund_asked'"}, "should be at most what was left of 12.30 HKD"},
		{"a refund of what is not paid", []string{"UPDATE event SET kind = 'note'" + of +
			"{refund-pending} AND kind = 'paid'"}, "should be a refund of an order that is paid"},
		{"money without a trade", []string{"UPDATE event SET trade_no = ''" + of + "{paid}"},
			"paid: event 1 (paid): 12.30 HKD, should be an amount under a trade"},

		// Notifications.
		{"a notification, gone", []string{"DELETE FROM delivery" + of + "{paid}"},
			"paid: notification: none, should be the merchant must be told of the payment"},
		{"a refund's notification, gone", []string{"DELETE FROM delivery" + of + "{late-back}"},
			"late-back: notification: none, should be the merchant must be told"},
		{"a notification's amount",
			[]string{"UPDATE delivery SET body = replace(CAST(body AS TEXT), '\"1230\"', '\"123000\"')" + of +
				"{paid}"}, ": body: txamt 123000, should be txamt 1230"},
		{"a notification's address",
			[]string{"UPDATE delivery SET url = 'https://thief.example/', receiver = " +
				"'https://thief.example:443'" +
				of + "{paid}"}, ": url: https://thief.example/, should be https://Shop.example/notify"},
		{"a notification's time",
			[]string{"UPDATE delivery SET created_at = created_at - 1000" + of + "{paid}"},
			"an id that begins with its time"},
		{"a notification's kind", []string{"UPDATE delivery SET kind = 'refund'" + of + "{paid}"},
			": kind: refund, should be payment"},
		{"a notification's receiver",
			[]string{"UPDATE delivery SET receiver = 'https://slow.example:443'" + of +
				"{paid}"}, ": receiver: https://slow.example:443, should be https://shop.example:443"},
		{"whose key signs a notification", []string{"UPDATE delivery SET app_code = 'OTHER'" + of + "{paid}"},
			": app_code: OTHER, should be APP"},
		{"a notification that was never acknowledged",
			[]string{"UPDATE delivery SET state = 'done'" + of + "{paid}"},
			": state: done, should be due or dead"},
		{"a notification given up before it was tried",
			[]string{"UPDATE delivery SET state = 'dead'" + of + "{paid}"}, ": state: dead, should be due"},
		{"a notification of what is not paid",
			[]string{"UPDATE delivery SET payment_id = {opened}" + of + "{paid}"}, "opened: notification "},
		{"a notification of late money that went back",
			[]string{
				"INSERT INTO delivery SELECT merchant_id, 'x', payment_id, '', app_code, 'payment', url, " +
					"receiver, body, state, attempts, manual, created_at, due_at, " +
					"done_at, lease, claimable_at FROM delivery" + of + "{late-back}"},
			"late-back: notification x: of payment, should be none"},
	}
	onEachAudited(t, func(t *testing.T, a *audited) {
		a.dropTriggers()
		a.backUp()
		for _, c := range tamperings {
			t.Run(c.name, func(t *testing.T) {
				for _, text := range c.sql {
					if strings.HasPrefix(a.dsn, "postgres") {
						text = strings.ReplaceAll(text,
							"replace(CAST(body AS TEXT), '\"1230\"', '\"123000\"')",
							"convert_to(replace(convert_from(body, 'UTF8'), "+
								"'\"1230\"', '\"123000\"'), 'UTF8')")
					}
					a.sql(text)
				}
				_, found := a.audit()
				if !slices.ContainsFunc(found, func(f string) bool { return strings.Contains(f, c.want) }) {
					t.Errorf("none says %q:\n%s", c.want, strings.Join(found, "\n"))
				}
				a.restore()
				if _, found := a.audit(); len(found) > 0 {
					t.Errorf("after all was put right again:\n%s", strings.Join(found, "\n"))
				}
			})
		}
	})
}

// eventColumns are the columns of an inserted row.
const eventColumns = "merchant_id, payment_id, id, seq, at, kind, actor, amount, " +
	"currency, trade_no, refund_id"
