//go:build !linux

package store

import "time"

// setUserTimeout does nothing here: keep-alive alone has to notice.
func setUserTimeout(int, time.Duration) error { return nil }
