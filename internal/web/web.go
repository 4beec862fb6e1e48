// Package web is what the rooms that answer HTTP share: api (merchants and
// wallets), checkout (buyers) and the console (operators). It knows no payment.
//
// A page's language is in language.go, its style sheets, scripts and icons are
// in assets.go, its QR codes in qr.go.
package web
