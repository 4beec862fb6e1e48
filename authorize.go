package sampan

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/sampanpay/sampan/internal/sign"
)

// AuthorizationRequest requests a buyer's OpenID, which an order by AlipayServiceWindow needs.
// ReturnURL and State are required.
type AuthorizationRequest struct {
	// ReturnURL is the http or https address to which the buyer's browser returns. The gateway's
	// operator must have listed its host for the app code. It may have a query, without openid,
	// state, expires and sig.
	ReturnURL string

	// State returns unchanged. It has at most 128 characters. Make a random one for each buyer's
	// visit and keep it in the buyer's session. If it equals the one that returns, the buyer who
	// returns is the one who left.
	State string

	StoreID   string        // default: the client's
	ExpiresIn time.Duration // how long the link can be opened: 10 minutes if 0, at most 15
}

// Authorization identifies a buyer who has returned.
type Authorization struct {
	OpenID    string    // for PaymentRequest.OpenID: the buyer's id at the wallet
	ExpiresAt time.Time // VerifyAuthorization fails from this time on
}

// The errors of [Client.VerifyAuthorization].
var (
	// ErrNotAuthorized means that the gateway did not sign the return with this key, that the
	// return was altered, or that it belongs to another visit than the state.
	ErrNotAuthorized = errors.New(
		"sampan: the return from the authorisation is not genuine or not of this visit",
	)

	// ErrAuthorizationExpired means that a genuine return comes too late. Send the buyer through a
	// new link.
	ErrAuthorizationExpired = errors.New("sampan: the return from the authorisation has expired")
)

// AuthorizeURL makes a link that sends a buyer, inside the Alipay app, through Alipay's silent
// authorisation and back to r.ReturnURL, where [Client.VerifyAuthorization] identifies the buyer.
// The link works once: make one for each visit. AuthorizeURL does not call the gateway.
func (c *Client) AuthorizeURL(r AuthorizationRequest) (string, error) {
	if c.BaseURL == "" || c.AppCode == "" || c.ClientKey == "" {
		return "", errors.New("sampan: the client needs BaseURL, AppCode and ClientKey")
	}
	if r.ReturnURL == "" || r.State == "" {
		return "", errors.New("sampan: an authorisation needs ReturnURL and State")
	}
	if r.ExpiresIn == 0 {
		r.ExpiresIn = 10 * time.Minute
	}
	if r.ExpiresIn < time.Second || r.ExpiresIn > 15*time.Minute {
		return "", fmt.Errorf("sampan: ExpiresIn %s is not between 1 second and 15 minutes", r.ExpiresIn)
	}
	p := sign.Params{
		"app_code":   c.AppCode,
		"return_url": r.ReturnURL,
		"state":      r.State,
		"expires":    strconv.FormatInt(c.now().Add(r.ExpiresIn).Unix(), 10),
		"nonce":      rand.Text(),
	}
	set(p, "mchid", c.store(r.StoreID))
	query := sign.SignedQuery(p, c.ClientKey, sign.Authorize)
	return strings.TrimRight(c.BaseURL, "/") + "/authorize/alipay?" + query, nil
}

// VerifyAuthorization identifies the buyer who returned with the request r. state is the State of
// the visit's link, from the buyer's session. The errors are ErrNotAuthorized and
// ErrAuthorizationExpired. An empty state and an empty client key are errors too.
func (c *Client) VerifyAuthorization(r *http.Request, state string) (*Authorization, error) {
	if c.ClientKey == "" {
		return nil, errors.New("sampan: no client key to verify an authorisation with")
	}
	if state == "" {
		return nil, errors.New("sampan: no state to verify an authorisation with")
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, ErrNotAuthorized
	}
	p := sign.Params{}
	for _, name := range []string{"openid", "state", "expires", sign.SigParam} {
		if len(query[name]) != 1 {
			return nil, ErrNotAuthorized
		}
		p[name] = query.Get(name)
	}
	expires, err := strconv.ParseInt(p["expires"], 10, 64)
	if err != nil || !sign.VerifyLink(p, c.ClientKey, sign.Authorized) ||
		p["state"] != state || p["openid"] == "" {
		return nil, ErrNotAuthorized
	}
	a := &Authorization{OpenID: p["openid"], ExpiresAt: time.Unix(expires, 0)}
	if !c.now().Before(a.ExpiresAt) {
		return nil, ErrAuthorizationExpired
	}
	return a, nil
}
