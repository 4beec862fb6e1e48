package simulator

import (
	"crypto/rsa"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/sampanpay/sampan/internal/wire/mapi"
)

// Partner is a merchant under contract with the global gateway.
type Partner struct {
	ID             string          // 16 digits beginning 2088
	Name           string          // shown in the cashier if the order names no supplier
	SignType       mapi.SignType   // the one kind of key on file
	MD5Key         string          // for MD5: shared
	Private        *rsa.PrivateKey // for RSA and RSA2: Alipay's own
	MerchantPublic *rsa.PublicKey  // for RSA and RSA2: the merchant's
	Currencies     []string        // settlement currencies of the contract
	Services       []string        // activated services; nil means all that the simulator offers
	TimeoutRules   []string        // values of timeout_rule enabled besides 12h
	RefundGap      time.Duration   // the least time between two refunds
	Acquirer       bool            // sells for others: secondary_merchant_* are mandatory
}

// String leaves the keys out.
func (p Partner) String() string { return "partner " + p.ID }

// LogValue leaves the keys out.
func (p Partner) LogValue() slog.Value { return slog.StringValue(p.String()) }

var partnerID = regexp.MustCompile(`^2088[0-9]{12}$`)

func (p Partner) check() error {
	if !partnerID.MatchString(p.ID) {
		return fmt.Errorf("simulator: partner %q is not 16 digits beginning 2088", p.ID)
	}
	if !p.hasKey() {
		return fmt.Errorf("simulator: partner %s has no keys for sign type %q", p.ID, p.SignType)
	}
	for _, c := range p.Currencies {
		if _, ok := rates[c]; !ok {
			return fmt.Errorf("simulator: partner %s: unknown currency %q", p.ID, c)
		}
	}
	for _, r := range p.TimeoutRules {
		if _, ok := timeout(r); !ok {
			return fmt.Errorf("simulator: partner %s: timeout rule %q is not between 1m and 15d", p.ID, r)
		}
	}
	return nil
}

func (p Partner) hasKey() bool {
	switch p.SignType {
	case mapi.MD5:
		return p.MD5Key != ""
	case mapi.RSA, mapi.RSA2:
		return p.Private != nil && p.MerchantPublic != nil
	}
	return false
}

func (p Partner) keys() mapi.Keys {
	return mapi.Keys{Type: p.SignType, Shared: p.MD5Key, Private: p.Private, Public: p.MerchantPublic}
}

func (p Partner) activated(name string, svc service) bool {
	return p.Services == nil && !svc.optIn || slices.Contains(p.Services, name)
}

// defaultTimeout is the timeout_rule that every contract allows. (Alipay, "timeout_rule".)
const defaultTimeout = "12h"

var timeoutShape = regexp.MustCompile(`^([1-9][0-9]{0,4})([mhd])$`)

// timeout parses a timeout_rule: minutes, hours or days, from 1m to 15d.
func timeout(rule string) (time.Duration, bool) {
	m := timeoutShape.FindStringSubmatch(rule)
	if m == nil {
		return 0, false
	}
	n, _ := strconv.Atoi(m[1])
	d := time.Duration(n) * map[string]time.Duration{
		"m": time.Minute, "h": time.Hour, "d": 24 * time.Hour,
	}[m[2]]
	return d, d <= 15*24*time.Hour
}
