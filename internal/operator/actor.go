package operator

import (
	"os"
	"os/user"
	"strconv"

	"github.com/sampanpay/sampan/internal/pay"
)

// OnCommandLine returns the actor who runs a command: "cli:" and the name of the
// account on this machine, or under sudo the name of the account that ran sudo.
// SUDO_USER counts for root only: another account could write any name into it.
func OnCommandLine() pay.Actor {
	name := strconv.Itoa(os.Getuid())
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if by := os.Getenv("SUDO_USER"); by != "" && os.Getuid() == 0 {
		name = by
	}
	return pay.ByOperator("cli:" + name)
}
