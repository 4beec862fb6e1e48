package checkout

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/sampanpay/sampan/internal/gateway"
	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/sign"
	"github.com/sampanpay/sampan/internal/web"
)

// Authorizations is the part of gateway.Gateway that the authorisation link uses.
type Authorizations interface {
	Signer(
		ctx context.Context, appCode string, signed func(clientKey string) bool,
	) (c pay.Credential, known bool, err error)
	Authorize(context.Context, gateway.AuthorizeRequest) (gateway.Ticket, error)
	Authorized(ctx context.Context, id, proof string, query url.Values) (gateway.Identified, error)
}

// returnWithin is how long the signed return to the merchant's page is valid.
const returnWithin = 5 * time.Minute

// authorize serves the link to which a merchant sends a buyer in order to learn the
// buyer's id (trade API, hosted authorisation link).
func (c *Checkout) authorize(w http.ResponseWriter, r *http.Request, entry *web.Entry) {
	v := c.authorizing(r)
	if isPreview(r, v.from) {
		v.show(w, http.StatusOK, "preview")
		return
	}
	request, err := c.readLink(r)
	if err != nil {
		c.refuse(w, r, v, err, entry)
		return
	}
	ticket, err := c.Authorizations.Authorize(r.Context(), request)
	if err != nil {
		c.refuse(w, r, v, err, entry)
		return
	}
	http.SetCookie(w, c.cookie(ticket.ID, ticket.Proof, ticket.ExpiresAt.Sub(c.Now())))
	http.Redirect(w, r, ticket.WalletURL, http.StatusFound)
}

// authorized is where the wallet sends the buyer back to. The address does not
// decide where the buyer goes next: that was stored when the link was opened.
func (c *Checkout) authorized(w http.ResponseWriter, r *http.Request, entry *web.Entry) {
	v := c.authorizing(r)
	if isPreview(r, v.from) {
		v.show(w, http.StatusOK, "preview")
		return
	}
	query, proof := r.URL.Query(), ""
	id := query.Get("state")
	kept := c.cookie(id, "", -time.Second)
	if cookie, err := r.Cookie(kept.Name); err == nil {
		proof = cookie.Value
		http.SetCookie(w, kept)
	}
	buyer, err := c.Authorizations.Authorized(r.Context(), id, proof, query)
	if err != nil {
		c.refuse(w, r, v, err, entry)
		return
	}
	target, err := url.Parse(buyer.ReturnURL)
	if err != nil { // it was checked before it was stored
		c.refuse(w, r, v, err, entry)
		return
	}
	if target.RawQuery != "" {
		target.RawQuery += "&"
	}
	target.RawQuery += sign.SignedQuery(sign.Params{
		"openid": buyer.OpenID, "state": buyer.State,
		"expires": strconv.FormatInt(c.Now().Add(returnWithin).Unix(),
			10),
	}, buyer.Credential.ClientKey.Reveal(), sign.Authorized)
	http.Redirect(w, r, target.String(), http.StatusFound)
}

// isPreview reports whether a program, not a buyer, sends the request. It must not
// use up anything.
func isPreview(r *http.Request, from browser) bool {
	return r.Method == http.MethodHead || from.preview && r.FormValue("open") != "1"
}

// ticketTail is the part of a ticket's id in the cookie's name. It tells apart the
// tickets that a browser has at the same time.
var ticketTail = regexp.MustCompile(`[0-9a-f]{8}$`)

// cookie stores a ticket's proof in the browser that got the ticket. Scripts cannot
// read it, it is sent to this host only where TLS allows that, and it ends with the
// ticket.
func (c *Checkout) cookie(id, proof string, life time.Duration) *http.Cookie {
	k := &http.Cookie{
		Name:  "sampan-authorize-" + ticketTail.FindString(id),
		Value: proof, Path: "/", MaxAge: int(life.Seconds()),
		HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
	if strings.HasPrefix(c.BaseURL, "https:") {
		k.Name, k.Secure = "__Host-"+k.Name, true
	}
	return k
}

// maxLink bounds a link's query, for the longest parameters in their escaped form.
const maxLink = 8 << 10

var (
	appCodes = regexp.MustCompile(`^[0-9A-Za-z_-]{1,64}$`)
	storeIDs = regexp.MustCompile(`^[0-9A-Za-z]{0,16}$`)
	nonces   = regexp.MustCompile(`^[0-9A-Za-z_-]{8,64}$`)
	seconds  = regexp.MustCompile(`^[1-9][0-9]{9,10}$`)
)

// readLink reads a link: it checks each parameter's form, then the signature.
// Errors are *pay.Error: BadParameter, or BadSignature for a wrong signature and
// for an app code that is unknown or revoked. Any other error is ours.
func (c *Checkout) readLink(r *http.Request) (gateway.AuthorizeRequest, error) {
	p, err := linkParams(r.URL.RawQuery)
	if err != nil {
		return gateway.AuthorizeRequest{}, err
	}
	for _, rule := range []struct {
		name, rule string
		kept       bool
	}{
		{"app_code", "must be an app code", appCodes.MatchString(p["app_code"])},
		{"mchid", "must be at most 16 letters and digits", storeIDs.MatchString(p["mchid"])},
		{"return_url", "must have 1 to 512 characters, and no control characters",
			plain(p["return_url"], 512)},
		{"state", "must have 1 to 128 characters, and no control characters", plain(p["state"], 128)},
		{"expires", "must be a time in seconds since 1970", seconds.MatchString(p["expires"])},
		{"nonce", "must be 8 to 64 letters, digits, - and _", nonces.MatchString(p["nonce"])},
	} {
		if !rule.kept {
			return gateway.AuthorizeRequest{}, badLink(rule.name, rule.rule)
		}
	}
	signed := func(clientKey string) bool { return sign.VerifyLink(p, clientKey, sign.Authorize) }
	credential, known, err := c.Authorizations.Signer(r.Context(), p["app_code"], signed)
	switch {
	case err != nil:
		return gateway.AuthorizeRequest{}, err
	case !known:
		return gateway.AuthorizeRequest{}, &pay.Error{Code: pay.BadSignature, Field: "sig",
			Message: "does not fit the app code and these parameters"}
	}
	expires, _ := strconv.ParseInt(p["expires"], 10, 64) // at most 11 digits
	return gateway.AuthorizeRequest{
		Credential: credential, StoreID: p["mchid"], ReturnURL: p["return_url"], State: p["state"],
		Nonce: p["nonce"], ExpiresAt: time.Unix(expires, 0),
	}, nil
}

// linkParams reads a link's query: UTF-8, each name once. It leaves out the
// parameters that our own pages add: lang and open.
func linkParams(raw string) (sign.Params, error) {
	if len(raw) > maxLink {
		return nil, badLink("", "the link is too long")
	}
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, badLink("", "the link cannot be read")
	}
	p := sign.Params{}
	for name, v := range values {
		switch {
		case name == "lang" || name == "open":
		case len(v) > 1:
			return nil, badLink("", "a parameter occurs more than once")
		case !utf8.ValidString(name + v[0]):
			return nil, badLink("", "the link is not UTF-8")
		default:
			p[name] = v[0]
		}
	}
	return p, nil
}

func badLink(name, rule string) error {
	return &pay.Error{Code: pay.BadParameter, Field: name, Message: rule}
}

func plain(s string, limit int) bool {
	return s != "" && utf8.RuneCountInString(s) <= limit && !strings.ContainsFunc(s, unicode.IsControl)
}

// authorizing returns the view of a page that is shown in place of a redirect. Its
// links repeat the whole query, which is the link itself.
func (c *Checkout) authorizing(r *http.Request) *view {
	v := c.view(r, browserOf(r.UserAgent()))
	if len(r.URL.RawQuery) <= maxLink {
		v.keep = r.URL.Query()
		v.keep.Del("open")
	}
	v.words = append(v.words, "{wallet}", v.Term("wallet.Alipay", "Alipay"))
	return v
}

// refusals are the statuses and pages by the reason why a buyer is not identified.
var refusals = map[pay.Code]struct {
	status int
	page   string
}{
	pay.BadParameter:   {http.StatusBadRequest, "broken"},
	pay.BadSignature:   {http.StatusForbidden, "broken"},
	pay.NotFound:       {http.StatusForbidden, "stranger"},
	pay.NumberUsed:     {http.StatusGone, "over"},
	pay.AlreadyExpired: {http.StatusGone, "over"},
	pay.Forbidden:      {http.StatusForbidden, "barred"},
	pay.StoreUnknown:   {http.StatusForbidden, "barred"},
	pay.StoreNotSetUp:  {http.StatusForbidden, "barred"},
	pay.StoreDisabled:  {http.StatusForbidden, "barred"},
	pay.WalletTrouble:  {http.StatusBadGateway, "barred"},
	pay.WalletRejected: {http.StatusBadGateway, "untold"},
	pay.WalletBusy:     {http.StatusBadGateway, "untold"},
	pay.OutcomeUnknown: {http.StatusBadGateway, "untold"},
}

// refuse shows the buyer, and the developer who built the link, why the buyer was
// not identified. The page contains nothing that the request sent.
func (c *Checkout) refuse(w http.ResponseWriter, r *http.Request, v *view, err error, entry *web.Entry) {
	answer, ok := refusals[pay.CodeOf(err)]
	if !ok {
		enter(r, entry, err)
		v.show(w, http.StatusServiceUnavailable, "untold")
		return
	}
	var why *pay.Error
	errors.As(err, &why) // it has a code
	if v.Why = why.Message; why.Field != "" {
		v.Why = why.Field + ": " + why.Message
	}
	appCode := r.FormValue("app_code")
	c.Log.InfoContext(r.Context(), "buyer not identified", "request", entry.ID, "page", r.Pattern, "app_code",
		appCode[:min(len(appCode), 64)], "error", err)
	v.show(w, answer.status, answer.page)
}
