package simulator

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	codeLife    = 3 * time.Minute // of an auth_code: the shortest documented one
	tokenLife   = time.Hour
	refreshLife = 30 * 24 * time.Hour
	userCookie  = "simulator-user" // holds who is logged in to the app
)

// grant is what an auth_code or a token stands for. Grants are lost by a restart, and deleted a day
// after their end.
type grant struct {
	kind       grantKind
	app, buyer string
	until      time.Time
}

type grantKind int

const (
	authCode grantKind = iota
	accessToken
	refreshToken
)

// authorizeView is the data of the page on which to choose who is logged in.
type authorizeView struct {
	Name   string
	Scope  string
	Buyers []authorizeBuyer
}

type authorizeBuyer struct {
	Buyer
	Link string
}

// authorize serves the page publicAppAuthorize.htm. The real one, with auth_base, redirects at
// once, since the app knows its user. Here the page offers the test buyers.
func (s *Simulator) authorize(w http.ResponseWriter, r *http.Request) {
	app, _, bad := s.readAuthorization(r)
	if bad != nil {
		s.pages.write(w, r, http.StatusBadRequest, "error", *bad)
		return
	}
	v := authorizeView{Name: app.Name, Scope: r.FormValue("scope")}
	for _, b := range buyersOf(alipayCN) {
		q := r.URL.Query()
		q.Set("buyer", b.ID)
		v.Buyers = append(v.Buyers, authorizeBuyer{b, "/oauth2/grant?" + q.Encode()})
	}
	s.pages.write(w, r, http.StatusOK, "authorize", v)
}

// readAuthorization checks an authorisation's address and returns its application and its
// redirect_uri.
func (s *Simulator) readAuthorization(r *http.Request) (app App, back *url.URL, bad *errorView) {
	q := r.URL.Query()
	app, ok := s.apps[q.Get("app_id")]
	back, err := url.Parse(q.Get("redirect_uri"))
	switch {
	case !ok:
		return app, nil, &errorView{"INVALID_APP_ID", "app_id is unknown"}
	case q.Get("scope") != "auth_base" && q.Get("scope") != "auth_user":
		return app, nil, &errorView{"INVALID_SCOPE", "scope is neither auth_base nor auth_user"}
	case err != nil || back.Host == "" || back.Scheme != "http" && back.Scheme != "https":
		return app, nil, &errorView{"INVALID_REDIRECT_URI", "redirect_uri is not a web address"}
	case len(q.Get("state")) > 100:
		return app, nil, &errorView{"INVALID_STATE", "state is longer than 100 characters"}
	}
	return app, back, nil
}

// grantCode redirects the browser with an auth_code for the chosen buyer.
func (s *Simulator) grantCode(w http.ResponseWriter, r *http.Request) {
	app, back, bad := s.readAuthorization(r)
	if bad != nil {
		s.pages.write(w, r, http.StatusBadRequest, "error", *bad)
		return
	}
	q := r.URL.Query()
	buyer, ok := pickBuyer(alipayCN, q.Get("buyer"))
	if !ok {
		s.pages.write(w, r, http.StatusBadRequest, "error", errorView{"ILLEGAL_USER", "unknown buyer"})
		return
	}
	code := s.newGrant("", grant{authCode, app.ID, app.buyerIDOf(buyer), s.cfg.Now().Add(codeLife)})
	http.SetCookie(w, localCookie(userCookie, buyer.ID))
	answer := back.Query()
	answer.Set("app_id", app.ID)
	answer.Set("source", "alipay_wallet")
	answer.Set("scope", q.Get("scope"))
	answer.Set("auth_code", code)
	if q.Has("state") {
		answer.Set("state", q.Get("state"))
	}
	back.RawQuery = answer.Encode()
	http.Redirect(w, r, back.String(), http.StatusFound) //nolint:gosec // its purpose: back to the shop
}

// buyerIDOf returns the id by which an application knows a buyer. An open_id differs between
// applications.
func (a App) buyerIDOf(b Buyer) string {
	if !a.OpenIDs {
		return b.BuyerID
	}
	sum := sha256.Sum256([]byte(a.ID + b.BuyerID))
	return "0" + strings.ToUpper(hex.EncodeToString(sum[:15]))
}

// newGrant stores a grant under a new name that begins with prefix. It deletes grants that ended
// long ago.
func (s *Simulator) newGrant(prefix string, g grant) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.cfg.Now()
	for name, old := range s.grants {
		if now.After(old.until.Add(24 * time.Hour)) {
			delete(s.grants, name)
		}
	}
	name := prefix + s.newID()
	s.grants[name] = g
	return name
}

// checkTokens checks the tokens of a call. It refuses every app_auth_token: payment companies that
// act for other applications are not simulated.
func (s *Simulator) checkTokens(c *call) error {
	if c.m["app_auth_token"] != "" {
		return &openapiError{"20001", "aop.invalid-app-auth-token", "no application has authorised another"}
	}
	if c.m["auth_token"] == "" {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch g, ok := s.grants[c.m["auth_token"]]; {
	case !ok || g.kind != accessToken || g.app != c.app.ID:
		return &openapiError{
			"20001", "aop.invalid-auth-token", "it is not an access_token of the application",
		}
	case s.cfg.Now().After(g.until):
		return &openapiError{"20001", "aop.auth-token-time-out", "it has expired"}
	}
	return nil
}

// oauthToken answers alipay.system.oauth.token. A code and a refresh_token can each be used once.
func (s *Simulator) oauthToken(c *call) (content, error) {
	name, kind, bad, over := c.m["code"], authCode, "isv.code-invalid", "isv.code-invalid"
	switch c.m["grant_type"] {
	case "authorization_code":
	case "refresh_token":
		name, kind, bad = c.m["refresh_token"], refreshToken, "isv.refresh-token-invalid"
		over = "isv.refresh-token-time-out"
	default:
		return nil, &openapiError{"40002", "isv.grant-type-invalid",
			"grant_type is neither authorization_code nor refresh_token"}
	}
	s.mu.Lock()
	g, ok := s.grants[name]
	if ok = ok && g.kind == kind; ok {
		delete(s.grants, name)
	}
	s.mu.Unlock()
	now := s.cfg.Now()
	switch {
	case !ok:
		return nil, &openapiError{"40002", bad, "it is unknown or was used"}
	case now.After(g.until):
		return nil, &openapiError{"40002", over, "it has expired"}
	case g.app != c.app.ID:
		return nil, &openapiError{"40002", "isv.unmatched-app-id", "it belongs to another application"}
	}
	who := "user_id"
	if !buyerID.MatchString(g.buyer) {
		who = "open_id"
	}
	return content{
		who:             g.buyer,
		"access_token":  s.newGrant("authbseB", grant{accessToken, g.app, g.buyer, now.Add(tokenLife)}),
		"expires_in":    int(tokenLife / time.Second),
		"refresh_token": s.newGrant("authbseB", grant{refreshToken, g.app, g.buyer, now.Add(refreshLife)}),
		"re_expires_in": int(refreshLife / time.Second),
		"auth_start":    stamp(now),
	}, nil
}

// isOtherAppsBuyer reports whether an id is a test buyer's open_id for an application other than
// app and its mini programs.
func (s *Simulator) isOtherAppsBuyer(app App, id string) bool {
	for _, other := range s.apps {
		if !other.OpenIDs || other.ID == app.ID || slices.Contains(app.OpApps, other.ID) {
			continue
		}
		if slices.ContainsFunc(Buyers, func(b Buyer) bool { return other.buyerIDOf(b) == id }) {
			return true
		}
	}
	return false
}

// buyer returns the test account that the application knows by an id. Any other well-formed id
// stands for a buyer too.
func (a App) buyer(id string) Buyer {
	all := buyersOf(alipayCN)
	if i := slices.IndexFunc(all, func(b Buyer) bool {
		return b.BuyerID == id || a.buyerIDOf(b) == id
	}); i >= 0 {
		return all[i]
	}
	return Buyer{
		ID: id, Name: id, Wallet: alipayCN, Balance: all[0].Balance, BuyerID: id, Email: maskedLogin(id),
	}
}
