package delivery

import (
	"encoding/json"
	"maps"
	"slices"
	"time"
)

// Differ returns the first member in which a frozen body and the body that would
// be made now disagree, with its value in each, or "" and "" if they agree. A
// member that only one of them has does not count unless it identifies the money,
// since another version may have made the frozen body. Another zone of the times
// does not count either.
func Differ(frozen, now []byte) (stored, want string) {
	var was, is map[string]string
	if json.Unmarshal(frozen, &was) != nil || json.Unmarshal(now, &is) != nil {
		return string(frozen), string(now)
	}
	for _, name := range slices.Sorted(maps.Keys(is)) {
		value, known := was[name]
		switch {
		case value == is[name] && (known || value == ""):
		case !known && !slices.Contains(essential, name):
		case (name == "sysdtm" || name == "paydtm") && otherZone(value, is[name]):
		default:
			return name + " " + value, name + " " + is[name]
		}
	}
	return "", ""
}

// essential are the members that identify the money.
var essential = []string{"syssn", "out_trade_no", "txamt", "txcurrcd", "notify_type", "status", "chnlsn"}

// otherZone reports whether two times may be the same moment in two zones: they
// differ by a multiple of a quarter of an hour, and by at most 26 hours.
func otherZone(a, b string) bool {
	x, err := time.Parse(time.DateTime, a)
	if err != nil {
		return false
	}
	y, err := time.Parse(time.DateTime, b)
	return err == nil && x.Sub(y)%(15*time.Minute) == 0 && x.Sub(y).Abs() <= 26*time.Hour
}
