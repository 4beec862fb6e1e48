package store

import (
	"syscall"
	"time"
)

// setUserTimeout limits how long sent data may stay unacknowledged.
func setUserTimeout(fd int, d time.Duration) error {
	const userTimeout = 18 // TCP_USER_TIMEOUT, which package syscall does not have
	return syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, userTimeout, int(d.Milliseconds()))
}
