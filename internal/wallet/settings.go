package wallet

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"
)

// Rule says what a setting must look like if it has a value.
type Rule struct {
	OK   func(string) bool
	Text string // follows the setting's name in errors: "must be …"
}

// Gateway is the rule for the address of a wallet's gateway. It must have TLS, on
// which the trust in unsigned answers rests, unless it is a simulator on this
// machine.
var Gateway = Rule{OK: safeGateway, Text: "must be an https address without query; http only on this machine"}

// Values merges the account's settings, its secrets and the defaults of known into
// one map, with surrounding space removed, and checks each value against its rule.
// Errors name the setting and the rule, never the value.
func (a Account) Values(known []Setting, rules map[string]Rule) (map[string]string, error) {
	values := map[string]string{}
	byName := map[string]Setting{}
	for _, d := range known {
		byName[d.Name] = d
		values[d.Name] = d.Default
	}
	for name, value := range a.Settings {
		if d, ok := byName[name]; !ok || d.Secret {
			return nil, fmt.Errorf("setting %.64q: there is no such setting outside the secrets", name)
		}
		if value = strings.TrimSpace(value); value != "" {
			values[name] = value
		}
	}
	for name, value := range a.Secrets {
		if d, ok := byName[name]; !ok || !d.Secret {
			return nil, fmt.Errorf("secret %.64q: there is no such secret", name)
		}
		values[name] = strings.TrimSpace(value.Reveal())
	}
	for _, d := range known {
		if d.Required && values[d.Name] == "" {
			return nil, fmt.Errorf("setting %s is missing: %s", d.Name, d.Help)
		}
		if rule, ok := rules[d.Name]; ok && values[d.Name] != "" && !rule.OK(values[d.Name]) {
			return nil, fmt.Errorf("setting %s %s", d.Name, rule.Text)
		}
	}
	return values, nil
}

func safeGateway(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || strings.ContainsAny(s, "?#") {
		return false
	}
	if u.Scheme == "http" {
		ip, err := netip.ParseAddr(u.Hostname())
		return u.Hostname() == "localhost" || err == nil && ip.IsLoopback()
	}
	return u.Scheme == "https"
}
