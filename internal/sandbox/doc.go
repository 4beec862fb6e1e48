// Package sandbox runs a gateway, a wallet simulator and a demo shop in one
// process, on this machine, for play money: for sampan sandbox, and for tests
// that start one in process. It also runs the simulator alone, for
// sampan simulator.
//
// Start with sandbox.go: Run opens the directory (directory.go), draws the keys
// of both sides once (walletkeys.go), writes a configuration and a demo merchant
// (seed.go), starts the simulator (simulator.go), writes how to reach all of it to
// a file (info.go), and serves until its context ends.
package sandbox
