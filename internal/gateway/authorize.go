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

// AuthorizeWithin is how long a buyer may take at the wallet, and how far ahead
// a link's own end may be: so that what is kept of the link outlives it, and
// nobody opens it twice.
const AuthorizeWithin = 15 * time.Minute

// authorizationsKept is for how long they are kept after their end, for
// replicas whose clocks differ.
const authorizationsKept = time.Hour

// AuthorizedPath is where the wallet sends the buyer's browser back to.
const AuthorizedPath = "/authorized/alipay"

// AuthorizeRequest is a merchant's link that a buyer has opened, its signature
// and its shapes checked. (Trade API, hosted authorisation link.)
type AuthorizeRequest struct {
	Credential pay.Credential
	StoreID    string
	ReturnURL  string
	State      string
	Nonce      string
	ExpiresAt  time.Time
}

// Ticket is a buyer's way to the wallet and back.
type Ticket struct {
	WalletURL string
	ID        string // comes back from the wallet as its state
	Proof     string // the browser keeps it, so that nobody else can come back with the ID
	ExpiresAt time.Time
}

// Authorize begins to find out who a buyer is. Errors are *pay.Error of
// AlreadyExpired, BadParameter (ReturnURL is none that may be returned to, the
// link lasts too long), Forbidden (its host is not the app code's, or no wallet
// account can do it), NumberUsed (the link was opened before), StoreDisabled and
// those of the store id.
func (g *Gateway) Authorize(ctx context.Context, r AuthorizeRequest) (Ticket, error) {
	now := g.Now()
	switch ahead := r.ExpiresAt.Sub(now); {
	case ahead <= 0:
		return Ticket{}, &pay.Error{Code: pay.AlreadyExpired, Field: "expires", Message: "is past"}
	case ahead > AuthorizeWithin:
		return Ticket{}, &pay.Error{Code: pay.BadParameter, Field: "expires", Message: "is more than 15 minutes ahead"}
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
		MerchantID: account.MerchantID, ID: id, AppCode: r.Credential.AppCode, Nonce: r.Nonce, AccountID: account.ID,
		ReturnURL: r.ReturnURL, State: r.State, CreatedAt: now, ExpiresAt: now.Add(AuthorizeWithin),
	}
	err = g.Store.OpenAuthorization(ctx, a)
	if errors.Is(err, store.ErrExists) {
		return Ticket{}, &pay.Error{Code: pay.NumberUsed, Field: "nonce", Message: "this link was opened before"}
	}
	if err != nil {
		return Ticket{}, err
	}
	if err := g.Store.DropAuthorizations(ctx, now.Add(-authorizationsKept)); err != nil {
		g.Log.WarnContext(ctx, "old authorisations cannot be dropped", "error", err) // the next one tries again
	}
	return Ticket{WalletURL: address, ID: id, Proof: g.authorizationProof(id), ExpiresAt: a.ExpiresAt}, nil
}

// Identified is a buyer of whom the wallet has told.
type Identified struct {
	pay.Authorization
	Credential pay.Credential // signs the return
	OpenID     string
}

// Authorized takes a buyer back from the wallet: the id that the wallet gave
// back, the proof that the browser kept, and all that the wallet appended. It
// serves once, however it ends. Errors are *pay.Error of NotFound (no such pair
// of id and proof), AlreadyExpired (or used), BadSignature (the app code was
// revoked meanwhile) and those of a wallet that does not tell.
func (g *Gateway) Authorized(ctx context.Context, id, proof string, query url.Values) (Identified, error) {
	if proof == "" || !hmac.Equal([]byte(proof), []byte(g.authorizationProof(id))) {
		return Identified{}, &pay.Error{Code: pay.NotFound, Message: "this browser did not start the sign-in"}
	}
	a, err := g.Store.UseAuthorization(ctx, id[:merchantDigits], id, g.Now())
	if errors.Is(err, store.ErrNotFound) {
		return Identified{}, &pay.Error{Code: pay.AlreadyExpired, Message: "this was used, or it took too long"}
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
		return Identified{}, fmt.Errorf("gateway: account %s/%s: the wallet calls the buyer %.70q", a.MerchantID, a.AccountID, openID)
	}
	g.Log.InfoContext(ctx, "buyer identified", "merchant", a.MerchantID, "app_code", a.AppCode)
	return Identified{Authorization: a, Credential: credential, OpenID: openID}, nil
}

// authorizer is an account's connector, if its wallet tells who buyers are.
func (g *Gateway) authorizer(account pay.WalletAccount) (limitedConnector, wallet.Authorizer, error) {
	conn, err := g.connector(account)
	if err != nil {
		return conn, nil, &pay.Error{Code: pay.WalletTrouble, Message: "the merchant's wallet account is not set up correctly", Err: err}
	}
	authorizer, ok := conn.Connector.(wallet.Authorizer)
	if !ok {
		return conn, nil, &pay.Error{Code: pay.Forbidden, Message: "the merchant's wallet does not tell who buyers are"}
	}
	return conn, authorizer, nil
}

const merchantDigits = 6

// newAuthorizationID draws one that nobody can guess. It holds nothing but
// letters and digits: Alipay takes no other state.
func (g *Gateway) newAuthorizationID(merchantID string) (string, error) {
	var b [16]byte
	if _, err := io.ReadFull(g.Rand, b[:]); err != nil {
		return "", fmt.Errorf("gateway: draw an id: %w", err)
	}
	return fmt.Sprintf("%s%x", merchantID, b), nil
}

// authorizationProof is what binds an authorisation to the browser that began
// it: whoever knows the id, from an address, still lacks this.
func (g *Gateway) authorizationProof(id string) string {
	h := hmac.New(sha256.New, g.LinkKey)
	h.Write([]byte("sampan-authorize-browser-v1"))
	h.Write([]byte(id))
	return tokenEncoding.EncodeToString(h.Sum(nil)[:macBytes])
}

// returnParameters are the parameters that a return adds to the merchant's address.
var returnParameters = []string{"openid", "state", "expires", "sig"}

// checkReturn judges an address that a buyer is to be sent back to: a plain web
// address, whose host is one of the listed. A host is compared as it is written,
// but for letter case, with its port unless that is the scheme's own: whatever
// a browser might read differently (a user name, a trailing dot, a backslash,
// letters outside of ASCII) is on no list.
func checkReturn(address string, hosts []string) error {
	refuse := func(code pay.Code, why string) error {
		return &pay.Error{Code: code, Field: "return_url", Message: why}
	}
	u, err := url.Parse(address)
	if err != nil || u.Opaque != "" || u.Host == "" || u.User != nil || u.Scheme != "http" && u.Scheme != "https" ||
		strings.ContainsAny(address, " \\\"<>`") {
		return refuse(pay.BadParameter, "must be an http or https address without a user name")
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return refuse(pay.BadParameter, "its query cannot be read")
	}
	for _, name := range returnParameters {
		if query.Has(name) {
			return refuse(pay.BadParameter, "must not hold "+name+", which is appended to it")
		}
	}
	host := strings.ToLower(u.Host)
	switch { // that a scheme's own port is written out makes no difference
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

var hostNames = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*|\[[0-9a-f:.]+\])(:[0-9]{1,5})?$`)

// ReturnHost reads a host for an app code's list: a name or an address as
// browsers write it, with a port where that is not the scheme's own. Nothing in
// it stands for several hosts.
func ReturnHost(s string) (string, error) {
	host := strings.ToLower(s)
	switch {
	case !hostNames.MatchString(host):
		return "", fmt.Errorf("%q is not a host: write shop.example or shop.example:8443, other letters than a to z as xn--", s)
	case strings.HasSuffix(host, ":80"), strings.HasSuffix(host, ":443"):
		return "", fmt.Errorf("%q: leave out the port that http or https has anyway", s)
	}
	return host, nil
}
