package delivery

import (
	"encoding/json"
	"maps"
	"slices"
	"time"
)

// Differ says in which member a body that is frozen tells something else than
// the one that would be made now: as it is, and as it would be; "" and "" if in
// none. Members that only one of them has do not count, unless they say what
// money it is about: another version may have made the body. Nor does another
// zone in the times.
func Differ(frozen, now []byte) (stored, want string) {
	var was, is map[string]string
	if json.Unmarshal(frozen, &was) != nil || json.Unmarshal(now, &is) != nil {
		return string(frozen), string(now)
	}
	for _, name := range slices.Sorted(maps.Keys(is)) {
		told, known := was[name]
		switch {
		case told == is[name] && (known || told == ""):
		case !known && !slices.Contains(essential, name):
		case (name == "sysdtm" || name == "paydtm") && otherZone(told, is[name]):
		default:
			return name + " " + told, name + " " + is[name]
		}
	}
	return "", ""
}

// essential are the members without which a body does not say what was paid.
var essential = []string{"syssn", "out_trade_no", "txamt", "txcurrcd", "notify_type", "status", "chnlsn"}

// otherZone reports whether two times can be the same moment in two zones: they
// differ by quarters of an hour, and by no more than zones do.
func otherZone(a, b string) bool {
	x, err := time.Parse(time.DateTime, a)
	if err != nil {
		return false
	}
	y, err := time.Parse(time.DateTime, b)
	return err == nil && x.Sub(y)%(15*time.Minute) == 0 && x.Sub(y).Abs() <= 26*time.Hour
}
