package operator

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"

	"github.com/sampanpay/sampan/internal/gateway"
)

// InputError is a value that an operator gave and that cannot be taken.
type InputError struct {
	Field string // as the command line spells it: "notify-url"
	Value string // the value, if repeating it helps
	Err   error  // why
}

// Error implements error.
func (e *InputError) Error() string {
	if e.Value == "" {
		return fmt.Sprintf("%s: %v", e.Field, e.Err)
	}
	return fmt.Sprintf("%s %q: %v", e.Field, e.Value, e.Err)
}

// Unwrap returns the reason.
func (e *InputError) Unwrap() error { return e.Err }

// invalid is an InputError that repeats the value.
func invalid(field, value, format string, args ...any) error {
	return &InputError{Field: field, Value: value, Err: fmt.Errorf(format, args...)}
}

var (
	sixDigits  = regexp.MustCompile(`^[0-9]{6}$`)
	fourDigits = regexp.MustCompile(`^([0-9]{4})?$`)
	storeIDs   = regexp.MustCompile(`^[A-Za-z0-9]{1,16}$`)
	accountIDs = regexp.MustCompile(`^[A-Za-z0-9-]{1,32}$`)
)

func checkMCC(mcc string) error {
	if !fourDigits.MatchString(mcc) {
		return invalid("mcc", mcc, "must be four digits")
	}
	return nil
}

// readReturnHosts reads the hosts that authorisation links may return to. Empty
// ones are left out.
func readReturnHosts(texts []string) ([]string, error) {
	var hosts []string
	for _, text := range texts {
		if text == "" {
			continue
		}
		host, err := gateway.ReturnHost(text)
		if err != nil {
			return nil, &InputError{Field: "return-hosts", Err: err}
		}
		hosts = append(hosts, host)
	}
	return hosts, nil
}

// newKey draws an app code or a client key: 128 random bits in upper-case hex.
func newKey() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	return strings.ToUpper(hex.EncodeToString(b[:]))
}
