// Package web is what the rooms that answer HTTP share: api (merchants and
// wallets), checkout (buyers) and the console (operators). It knows no payment.
//
// A request comes to an Observer, which gives it an id, recovers a panic and
// writes one line to the log (observe.go). Its handler sets the security headers
// and bounds the body (headers.go). A page's language is in language.go, its
// style sheets, scripts and icons are in assets.go, its QR codes in qr.go.
package web
