// Package terminal is how commands speak with people. Much of what they print was
// written by strangers: goods names, notes, receivers' answers, the names in
// certificates. A terminal obeys control characters in such a text, and
// bidirectional controls make it read as something else.
//
// Read screen.go first: a screen replaces every character that a terminal obeys
// or does not show. print.go prints values, tables and progress, and keeps each
// value on its line. read.go reads secrets and texts that a flag names.
package terminal
