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

// AuthorizationRequest asks who a buyer is, for the OpenID that an order by
// AlipayServiceWindow needs. ReturnURL and State are required.
type AuthorizationRequest struct {
	// ReturnURL is where the buyer's browser comes back to: an http or https
	// address whose host the gateway's operator has listed for the app code. It
	// may have a query of its own, without openid, state, expires and sig.
	ReturnURL string

	// State comes back unchanged, 128 characters at most. Draw it at random for
	// each buyer's visit and keep it in their session: that the two are equal
	// when they come back is what shows that they are the one who left.
	State string

	StoreID   string        // the client's if empty
	ExpiresIn time.Duration // until the link must have been opened: 10 minutes if 0, at most 15
}

// Authorization is a buyer who has come back.
type Authorization struct {
	OpenID    string    // for PaymentRequest.OpenID: the buyer's id at the wallet
	ExpiresAt time.Time // by when it had to be read
}

// The reasons for which nobody is identified.
var (
	// ErrNotAuthorized is returned for a return that the gateway did not sign
	// with the key at hand, that was altered on the way, or that belongs to
	// another visit than the state says.
	ErrNotAuthorized = errors.New("sampan: the return from the authorisation is not genuine, or another buyer's")

	// ErrAuthorizationExpired is returned for a genuine return that comes too
	// late. The buyer can be sent through a new link at once.
	ErrAuthorizationExpired = errors.New("sampan: the return from the authorisation has expired")
)

// AuthorizeURL makes a link that sends a buyer, inside the Alipay app, through
// Alipay's silent authorisation and back to r.ReturnURL, where
// [Client.VerifyAuthorization] reads who they are. The link opens once; make one
// for each visit. Nothing is sent to the gateway.
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
		return "", fmt.Errorf("sampan: ExpiresIn %s is not within 15 minutes", r.ExpiresIn)
	}
	p := sign.Params{
		"app_code":   c.AppCode,
		"return_url": r.ReturnURL,
		"state":      r.State,
		"expires":    strconv.FormatInt(c.now().Add(r.ExpiresIn).Unix(), 10),
		"nonce":      rand.Text(),
	}
	set(p, "mchid", c.store(r.StoreID))
	return strings.TrimRight(c.BaseURL, "/") + "/authorize/alipay?" + sign.SignedQuery(p, c.ClientKey, sign.Authorize), nil
}

// VerifyAuthorization reads who came back to the page that r asks for. state is
// what the visit's link was made with, out of the buyer's session; an empty one
// is an error, as is an empty client key. Errors are ErrNotAuthorized and
// ErrAuthorizationExpired.
func (c *Client) VerifyAuthorization(r *http.Request, state string) (*Authorization, error) {
	if c.ClientKey == "" {
		return nil, errors.New("sampan: no client key to check an authorisation with")
	}
	if state == "" {
		return nil, errors.New("sampan: no state to check an authorisation with")
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
	if err != nil || !sign.VerifyLink(p, c.ClientKey, sign.Authorized) || p["state"] != state || p["openid"] == "" {
		return nil, ErrNotAuthorized
	}
	a := &Authorization{OpenID: p["openid"], ExpiresAt: time.Unix(expires, 0)}
	if !c.now().Before(a.ExpiresAt) {
		return nil, ErrAuthorizationExpired
	}
	return a, nil
}
