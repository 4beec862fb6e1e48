package operator

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// PostgresTool returns an error that names PostgreSQL's own tool for backups or for
// restoring, as a whole command line: the command, the address dsn without its
// password, and the file after its option.
func PostgresTool(command, dsn, option, file string) error {
	address, advice := "postgres://…", ""
	if u, err := url.Parse(dsn); err == nil {
		q := u.Query()
		if _, has := u.User.Password(); has || q.Has("password") {
			advice = "\n(it asks for the password, or reads it from ~/.pgpass)"
		}
		for name := range q {
			if !slices.Contains(libpqParameters, name) {
				q.Del(name) // known to our driver only, or a password
			}
		}
		u.RawQuery = q.Encode()
		if u.User != nil {
			u.User = url.User(u.User.Username())
		}
		address = u.String()
	}
	return fmt.Errorf("the database is PostgreSQL, which has a tool for it:\n  %s --dbname=%s %s%s%s",
		command, shellQuoted(address), option, shellQuoted(file), advice)
}

// libpqParameters are the parameters of an address that PostgreSQL's tools know too.
var libpqParameters = []string{
	"host", "port", "dbname", "user", "sslmode", "sslrootcert", "sslcert", "sslkey",
	"connect_timeout", "target_session_attrs", "options", "application_name",
}

// shellQuoted quotes s as one word for a shell.
func shellQuoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
