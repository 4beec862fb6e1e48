// Package server assembles the gateway and runs it: for sampan serve, and for
// the sandbox, which adds a wallet simulator and a shop.
//
// A request comes in through a listener (listen.go, server.go), is counted
// against the limit of open connections (connections.go), and goes to the trade
// API, to the buyer's pages, or to a probe (ready.go). Behind the requests run
// two loops: one recovers payments and refunds of unknown outcome, the other
// delivers notifications.
//
// Start with server.go: New and Assemble build a Server, and Run serves until
// its context ends and then drains. Then read ready.go, connections.go and
// localonly.go. log.go and librarylog.go shape what the process logs.
package server
