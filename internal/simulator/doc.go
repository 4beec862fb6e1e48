// Package simulator is the wallet's side of a payment, for development and tests without the
// vendor. It simulates Alipay's global gateway ("mapi") with its cashier, Alipay's open platform
// with its authorisation page and in-app browser, their notifications, queries, refunds and
// closings, and it has a control API that plays the buyer and sets faults.
//
// The package is written from the vendor's documents, never from the connectors. The two share only
// the spelling of bytes in wire. Where the documents are silent, the simulator does what a careless
// client trips over. It has its own types and holds everything in memory. With a directory it
// appends every change to a journal before it answers, so a restart loses no trade.
//
// It deliberately differs from a real wallet in three points. A buyer's balance limits each payment
// but is not used up, so that the thousandth test runs like the first. Exchange rates are fixed. A
// partner has one kind of key.
//
// No port has a password: listen on loopback only, and serve no host but this machine.
//
// A message of the merchant passes through these files: mapi.go or openapi.go (read, authenticate,
// dispatch), then the call's own file (mapi_create.go, openapi_trade.go, …), trade.go (what the
// buyer does, what the vendor allows), journal.go and state.go (one change, to the journal and to
// memory), and notice.go (the notification). platform.go lists the rules in which the two platforms
// differ. fault.go is the table of faults and awkward.go draws from it. control.go, cashier.go and
// app.go are the pages and APIs for people and tests.
package simulator
