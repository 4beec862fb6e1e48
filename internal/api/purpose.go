package api

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/sign"
	"github.com/sampanpay/sampan/internal/web"
)

// purpose says by which parameters a request is a call's. Nothing that is signed names
// the call, so the signature of a captured request is also correct at every other path.
type purpose struct {
	reads   []string   // the parameters that the call reads
	foreign [][]string // sets of parameters that only another call has
}

// callsByPath are the trade API's calls, by the last part of their paths. All other
// parameters are signed and ignored, since clients have one builder for all calls.
var callsByPath = map[string]purpose{
	"payment":  {append([]string{"txdtm", "txzone"}, fingerprinted...), ofNotes},
	"refund":   {append([]string{"txdtm", "txzone"}, fingerprintedOfRefunds...), ofNotes},
	"close":    closing,
	"reversal": closing,
	"add_note": {[]string{"code", "syssn", "note"}, [][]string{{"txamt"}}},
	"query": {[]string{
		"mchid", "syssn", "out_trade_no", "pay_type", "respcd",
		"txzone", "start_time", "end_time", "page_size", "page",
	}, nil},
}

var (
	ofNotes = [][]string{{"note"}, {"code"}}
	closing = purpose{
		append([]string{"txdtm", "txzone"}, fingerprintedOfRefunds...),
		append([][]string{{"pay_type", "txcurrcd"}}, ofNotes...), // both: it is a payment
	}
)

// check returns a pay.BadParameter for a request that is another call's, or in whose
// values a parameter could be hidden: the joined parameters are signed, and "a=1&b=2"
// is a and b, or an a of "1&b=2".
func (p purpose) check(params sign.Params) error {
	known := slices.Clone(p.reads)
	for _, names := range p.foreign {
		if !slices.ContainsFunc(names, func(name string) bool { return !isThere(params, name) }) {
			return misfit(names[0],
				"belongs to another call: a request with "+strings.Join(names, " and ")+" is not taken here")
		}
		known = append(known, names...)
	}
	for _, name := range slices.Sorted(maps.Keys(params)) {
		if slices.Contains(addresses, name) || !strings.Contains(params[name], "&") {
			continue // their queries may have such names
		}
		for _, hidden := range known {
			if text := "&" + hidden + "="; strings.Contains(params[name], text) {
				return misfit(name,
					fmt.Sprintf("must not hold %q: a parameter of this call could hide in it", text))
			}
		}
	}
	return nil
}

var addresses = []string{"return_url", "notify_url"}

// isThere reports whether a request has a parameter with a value. A pay_type that a
// notify_url has swallowed counts too: the order's number could then be cut out of the
// return_url's query.
func isThere(params sign.Params, name string) bool {
	swallowed := func(address string) bool { return strings.Contains(params[address], "&pay_type=") }
	return params[name] != "" || name == "pay_type" && slices.ContainsFunc(addresses, swallowed)
}

func misfit(name, message string) error {
	return &pay.Error{Code: pay.BadParameter, Field: web.Clip(name, 64), Message: message}
}
