// Package server assembles the gateway and runs it: for sampan serve, and for
// the sandbox, which adds a wallet simulator and a shop.
//
// A request arrives at a listener (listen.go) and counts towards the limit of open
// connections (connections.go). It then goes to the trade API, the buyer's pages,
// or a probe (readiness.go). Two loops run in the background: one recovers
// payments and refunds of unknown outcome, the other delivers notifications.
//
// Start with server.go: New and Assemble make a Server, and Run serves until its
// context ends, then drains. log.go and librarylog.go decide how the process logs.
// localonly.go keeps hostile pages away from the sandbox.
package server
