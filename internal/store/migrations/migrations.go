// Package migrations holds the schema as numbered steps. A step that has been
// released is never changed: a new one follows it.
package migrations

import (
	"embed"
	"io/fs"
)

// The steps, in goose's format: most are one text for both databases, and those
// whose grammar differs have a text for each.
var (
	SQLite   fs.FS = union{both, folder("sqlite")}
	Postgres fs.FS = union{both, folder("postgres")}
)

//go:embed *.sql
var both embed.FS

//go:embed sqlite/*.sql postgres/*.sql
var own embed.FS

func folder(name string) fs.FS {
	sub, err := fs.Sub(own, name)
	if err != nil {
		panic(err) // the name is a constant
	}
	return sub
}

// union is the files of several file systems, none of which has another's.
type union []fs.FS

// Open implements fs.FS for files.
func (u union) Open(name string) (fs.File, error) {
	for _, files := range u {
		if f, err := files.Open(name); err == nil {
			return f, nil
		}
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

// Glob implements fs.GlobFS.
func (u union) Glob(pattern string) (all []string, err error) {
	for _, files := range u {
		found, err := fs.Glob(files, pattern)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}
