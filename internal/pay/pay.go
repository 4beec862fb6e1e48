// Package pay holds the nouns of a payment gateway and their rules: amounts,
// payments, refunds, merchants, events, statuses and the moves that are legal
// between them, and errors. It does no I/O and knows neither databases nor
// wallets nor the spellings of any API.
//
// Read amount.go and paytype.go first, then payment.go and status.go, refund.go
// and movement.go, event.go and actor.go. judge.go decides what follows from a
// wallet's word.
package pay
