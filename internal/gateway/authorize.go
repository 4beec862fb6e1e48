package gateway

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/wallet"
)

// AuthorizeWithin is how long a buyer may take at the wallet. It is also how far ahead
// the end of a link may be, so that the stored authorisation outlives the link and the
// link cannot be opened twice.
const AuthorizeWithin = 15 * time.Minute

// authorizationsKept is how long authorisations are kept after their end, because
// replicas' clocks differ.
const authorizationsKept = time.Hour

// AuthorizedPath is the path to which the wallet sends the buyer's browser back.
const AuthorizedPath = "/authorized/alipay"

// AuthorizeRequest is a merchant's link that a buyer has opened. The caller has checked
// its signature and the form of its values. (Trade API, hosted authorisation link.)
type AuthorizeRequest struct {
	Credential pay.Credential
	StoreID    string
	ReturnURL  string
	State      string
	Nonce      string
	ExpiresAt  time.Time
}

// Ticket leads a buyer to the wallet and back.
type Ticket struct {
	WalletURL string
	ID        string // the wallet returns it as the state
	Proof     string // the browser keeps it, so that no other browser can return with the ID
	ExpiresAt time.Time
}

// Authorize begins to find out who a buyer is. Errors are *pay.Error of
// AlreadyExpired, BadParameter (ReturnURL is not allowed, or the link lasts too long),
// Forbidden (the host is not the app code's, or no wallet account can identify
// buyers), NumberUsed (the link was opened before), StoreDisabled and those of the
// store id.
func (g *Gateway) Authorize(ctx context.Context, r AuthorizeRequest) (Ticket, error) {
	now := g.Now()
	switch ahead := r.ExpiresAt.Sub(now); {
	case ahead <= 0:
		return Ticket{}, &pay.Error{Code: pay.AlreadyExpired, Field: "expires", Message: "is past"}
	case ahead > AuthorizeWithin:
		return Ticket{}, &pay.Error{
			Code: pay.BadParameter, Field: "expires", Message: "is more than 15 minutes ahead",
		}
	}
	s, err := g.standingOf(ctx, r.Credential, r.StoreID)
	if err = firstError(err, s.checkOrders()); err != nil {
		return Ticket{}, err
	}
	if err := checkReturn(r.ReturnURL, r.Credential.ReturnHosts); err != nil {
		return Ticket{}, err
	}
	account, err := g.chooseAccount(ctx, r.Credential.MerchantID, pay.AlipayServiceWindow, "CNY")
	if err != nil {
		return Ticket{}, err
	}
	_, authorizer, err := g.authorizer(account)
	if err != nil {
		return Ticket{}, err
	}
	id, err := g.newAuthorizationID(r.Credential.MerchantID)
	if err != nil {
		return Ticket{}, err
	}
	address, err := authorizer.Authorize(g.BaseURL+AuthorizedPath, id)
	if err != nil {
		return Ticket{}, walletError(err)
	}
	a := pay.Authorization{
		MerchantID: account.MerchantID, ID: id, AppCode: r.Credential.AppCode,
		Nonce: r.Nonce, AccountID: account.ID,
		ReturnURL: r.ReturnURL, State: r.State, CreatedAt: now, ExpiresAt: now.Add(AuthorizeWithin),
	}
	err = g.Store.OpenAuthorization(ctx, a)
	if errors.Is(err, store.ErrExists) {
		return Ticket{}, &pay.Error{
			Code: pay.NumberUsed, Field: "nonce", Message: "this link was opened before",
		}
	}
	if err != nil {
		return Ticket{}, err
	}
	if err := g.Store.DropAuthorizations(ctx, now.Add(-authorizationsKept)); err != nil {
		// the next call tries again
		g.Log.WarnContext(ctx, "old authorisations cannot be deleted", "error", err)
	}
	return Ticket{WalletURL: address, ID: id, Proof: g.authorizationProof(id), ExpiresAt: a.ExpiresAt}, nil
}

// Identified is a buyer whom the wallet has identified.
type Identified struct {
	pay.Authorization
	Credential pay.Credential // signs the return
	OpenID     string
}

// Authorized ends the authorisation of a buyer who returns from the wallet. id is what
// the wallet returned as the state, proof is what the browser kept, and query is all
// that the wallet appended. An authorisation can be used once, whether or not that
// succeeds. Errors are *pay.Error of NotFound (no such pair of id and proof),
// AlreadyExpired (or used), BadSignature (the app code was revoked meanwhile) and those
// of the call to the wallet.
func (g *Gateway) Authorized(ctx context.Context, id, proof string, query url.Values) (Identified, error) {
	if proof == "" || !hmac.Equal([]byte(proof), []byte(g.authorizationProof(id))) {
		return Identified{}, &pay.Error{Code: pay.NotFound, Message: "this browser did not start the sign-in"}
	}
	a, err := g.Store.UseAuthorization(ctx, id[:merchantDigits], id, g.Now())
	if errors.Is(err, store.ErrNotFound) {
		return Identified{}, &pay.Error{
			Code: pay.AlreadyExpired, Message: "the sign-in was used, or it took too long",
		}
	}
	if err != nil {
		return Identified{}, err
	}
	credential, err := g.Store.Credential(ctx, a.AppCode)
	if err != nil {
		return Identified{}, err
	}
	if credential.Disabled {
		return Identified{}, &pay.Error{Code: pay.BadSignature, Message: "the app code is not in use"}
	}
	account, err := g.accountOf(ctx, a.MerchantID, a.AccountID)
	if err != nil {
		return Identified{}, err
	}
	conn, authorizer, err := g.authorizer(account)
	if err != nil {
		return Identified{}, err
	}
	asking, cancel := context.WithTimeout(ctx, g.WalletTimeout)
	defer cancel()
	openID, err := conn.identify(asking, authorizer, query)
	if err != nil {
		return Identified{}, walletError(err)
	}
	if !pay.ValidOpenID(openID) {
		return Identified{}, fmt.Errorf("gateway: account %s/%s: the wallet calls the buyer %.70q",
			a.MerchantID, a.AccountID, openID)
	}
	g.Log.InfoContext(ctx, "buyer identified", "merchant", a.MerchantID, "app_code", a.AppCode)
	return Identified{Authorization: a, Credential: credential, OpenID: openID}, nil
}

// authorizer returns an account's connector. The error is Forbidden if its wallet does
// not identify buyers.
func (g *Gateway) authorizer(account pay.WalletAccount) (limitedConnector, wallet.Authorizer, error) {
	conn, err := g.connector(account)
	if err != nil {
		return conn, nil, &pay.Error{Code: pay.WalletTrouble, Message: accountBroken, Err: err}
	}
	authorizer, ok := conn.Connector.(wallet.Authorizer)
	if !ok {
		return conn, nil, &pay.Error{
			Code: pay.Forbidden, Message: "the merchant's wallet does not identify buyers",
		}
	}
	return conn, authorizer, nil
}

// accountBroken is what a merchant reads if no connector can be opened for its account.
const accountBroken = "the merchant's wallet account is not set up correctly"

const merchantDigits = 6

// newAuthorizationID returns an id that cannot be guessed. It has only letters and
// digits, since Alipay allows no other characters in a state.
func (g *Gateway) newAuthorizationID(merchantID string) (string, error) {
	var b [16]byte
	if _, err := io.ReadFull(g.Rand, b[:]); err != nil {
		return "", fmt.Errorf("gateway: draw an id: %w", err)
	}
	return fmt.Sprintf("%s%x", merchantID, b), nil
}

// authorizationProof returns the proof that binds an authorisation to the browser that
// began it. Someone who has read the id in an address does not have the proof.
func (g *Gateway) authorizationProof(id string) string {
	h := hmac.New(sha256.New, g.LinkKey)
	h.Write([]byte("sampan-authorize-browser-v1"))
	h.Write([]byte(id))
	return tokenEncoding.EncodeToString(h.Sum(nil)[:macBytes])
}

// returnParameters are the parameters that a return adds to the merchant's address.
var returnParameters = []string{"openid", "state", "expires", "sig"}

// checkReturn returns an error unless the address is a plain web address whose host is
// in the list. Hosts are compared as they are written, except for letter case, with
// their port unless it is the scheme's default. What a browser might read differently
// (a user name, a trailing dot, a backslash, letters outside of ASCII) is never in the
// list.
func checkReturn(address string, hosts []string) error {
	refuse := func(code pay.Code, why string) error {
		return &pay.Error{Code: code, Field: "return_url", Message: why}
	}
	u, err := url.Parse(address)
	if err != nil || u.Opaque != "" || u.Host == "" || u.User != nil ||
		u.Scheme != "http" && u.Scheme != "https" ||
		strings.ContainsAny(address, " \\\"<>`") {
		return refuse(pay.BadParameter, "must be an http or https address without a user name")
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return refuse(pay.BadParameter, "its query cannot be read")
	}
	for _, name := range returnParameters {
		if query.Has(name) {
			return refuse(pay.BadParameter, "must not contain "+name+", which is appended to it")
		}
	}
	host := strings.ToLower(u.Host)
	switch { // the scheme's default port may be written or left out
	case u.Scheme == "https":
		host = strings.TrimSuffix(host, ":443")
	case u.Scheme == "http":
		host = strings.TrimSuffix(host, ":80")
	}
	if !slices.Contains(hosts, host) {
		return refuse(pay.Forbidden, "its host is not among the app code's return hosts")
	}
	return nil
}

var hostNames = regexp.MustCompile(
	`^([a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*|\[[0-9a-f:.]+\])(:[0-9]{1,5})?$`)

// ReturnHost reads one host for an app code's list: a name or an address as browsers
// write it, with a port unless it is the scheme's default. It takes no wildcards.
func ReturnHost(s string) (string, error) {
	host := strings.ToLower(s)
	switch {
	case !hostNames.MatchString(host):
		return "", fmt.Errorf("%q is not a host: write shop.example or shop.example:8443, "+
			"other letters than a to z as xn--", s)
	case strings.HasSuffix(host, ":80"), strings.HasSuffix(host, ":443"):
		return "", fmt.Errorf("%q: leave out the port that http or https has anyway", s)
	}
	return host, nil
}
