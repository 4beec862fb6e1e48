// Package migrations holds the schema as numbered steps. A step that has been
// released is never changed: a new one follows it.
package migrations

import "embed"

// Files are the steps, in goose's format.
//
//go:embed *.sql
var Files embed.FS
