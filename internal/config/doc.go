// Package config reads the configuration file of a deployment, fills in the
// defaults and checks every value. The server, the sandbox, the doctor and the
// operator's commands all read it, so it lies below them.
//
// Start with config.go: Config has one field for each key of the file, and Read
// turns a file and the environment into a checked Config. check.go has the
// defaults and the checks. keyfile.go reads the master key, and reports which
// other users may read or change its file.
package config
