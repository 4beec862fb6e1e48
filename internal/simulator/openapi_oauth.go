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
	codeLife    = 3 * time.Minute // of an auth_code: the shortest that is documented
	tokenLife   = time.Hour
	refreshLife = 30 * 24 * time.Hour
	userCookie  = "simulator-user" // who is logged in to the app
)

// grant is what an auth_code or a token stands for. They are forgotten by a
// restart, and a day after their end.
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

// authorizeView is the page that chooses who is logged in.
type authorizeView struct {
	Name   string
	Scope  string
	Buyers []authorizeBuyer
}

type authorizeBuyer struct {
	Buyer
	Link string
}

// authorize is the page publicAppAuthorize.htm. The real one, with auth_base,
// sends the browser on at once, since the app knows its user; here the user is
// chosen.
func (s *Simulator) authorize(w http.ResponseWriter, r *http.Request) {
	app, _, no := s.authorizing(r)
	if no != nil {
		s.pages.write(w, r, http.StatusBadRequest, "error", no.view())
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

// authorizing checks an authorisation's address, and reads for whom it is and
// where it leads back.
func (s *Simulator) authorizing(r *http.Request) (app App, back *url.URL, no *mapiError) {
	q := r.URL.Query()
	app, ok := s.apps[q.Get("app_id")]
	back, err := url.Parse(q.Get("redirect_uri"))
	switch {
	case !ok:
		return app, nil, &mapiError{code: "INVALID_APP_ID", why: "app_id is unknown"}
	case q.Get("scope") != "auth_base" && q.Get("scope") != "auth_user":
		return app, nil, &mapiError{code: "INVALID_SCOPE", why: "scope is neither auth_base nor auth_user"}
	case err != nil || back.Host == "" || back.Scheme != "http" && back.Scheme != "https":
		return app, nil, &mapiError{code: "INVALID_REDIRECT_URI", why: "redirect_uri is no web address"}
	case len(q.Get("state")) > 100:
		return app, nil, &mapiError{code: "INVALID_STATE", why: "state is longer than 100 characters"}
	}
	return app, back, nil
}

// grantCode sends the browser back with an auth_code for the buyer that was chosen.
func (s *Simulator) grantCode(w http.ResponseWriter, r *http.Request) {
	app, back, no := s.authorizing(r)
	if no != nil {
		s.pages.write(w, r, http.StatusBadRequest, "error", no.view())
		return
	}
	q := r.URL.Query()
	buyer, ok := pickBuyer(alipayCN, q.Get("buyer"))
	if !ok {
		s.pages.write(w, r, http.StatusBadRequest, "error", errorView{"ILLEGAL_USER", "no such buyer"})
		return
	}
	code := s.newGrant("", grant{authCode, app.ID, app.buyerIDOf(buyer), s.cfg.Now().Add(codeLife)})
	//nolint:gosec // the simulator speaks plain HTTP, on loopback
	http.SetCookie(w, &http.Cookie{Name: userCookie, Value: buyer.ID, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
	answer := back.Query()
	answer.Set("app_id", app.ID)
	answer.Set("source", "alipay_wallet")
	answer.Set("scope", q.Get("scope"))
	answer.Set("auth_code", code)
	if q.Has("state") {
		answer.Set("state", q.Get("state"))
	}
	back.RawQuery = answer.Encode()
	http.Redirect(w, r, back.String(), http.StatusFound) //nolint:gosec // where the shop wants its buyer back is the point of the page
}

// buyerIDOf is what an application knows a buyer by. An open_id is the application's
// own for that buyer.
func (a App) buyerIDOf(b Buyer) string {
	if !a.OpenIDs {
		return b.BuyerID
	}
	sum := sha256.Sum256([]byte(a.ID + b.BuyerID))
	return "0" + strings.ToUpper(hex.EncodeToString(sum[:15]))
}

// newGrant keeps a grant under a new name that begins with prefix, and forgets
// those that are long over.
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

// checkTokens checks those that a call names. An app_auth_token is never right:
// payment companies that act for other applications are not simulated.
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
		return &openapiError{"20001", "aop.invalid-auth-token", "it is no access_token of the application's"}
	case s.cfg.Now().After(g.until):
		return &openapiError{"20001", "aop.auth-token-time-out", "it is over"}
	}
	return nil
}

// oauthToken answers alipay.system.oauth.token. A code serves once, and so does
// a refresh_token.
func (s *Simulator) oauthToken(c *call) (content, error) {
	name, kind, bad, over := c.m["code"], authCode, "isv.code-invalid", "isv.code-invalid"
	switch c.m["grant_type"] {
	case "authorization_code":
	case "refresh_token":
		name, kind, bad, over = c.m["refresh_token"], refreshToken, "isv.refresh-token-invalid", "isv.refresh-token-time-out"
	default:
		return nil, &openapiError{"40002", "isv.grant-type-invalid", "grant_type is neither authorization_code nor refresh_token"}
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
		return nil, &openapiError{"40002", bad, "it was used, or it never was"}
	case now.After(g.until):
		return nil, &openapiError{"40002", over, "it is over"}
	case g.app != c.app.ID:
		return nil, &openapiError{"40002", "isv.unmatched-app-id", "it is another application's"}
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

// isOtherAppsBuyer reports whether an id is a test buyer's open_id for an application
// that app does not open the cashier with.
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

// buyer is a test account by the id that an application knows it by; any
// other well-formed one is somebody's too.
func (a App) buyer(id string) Buyer {
	all := buyersOf(alipayCN)
	if i := slices.IndexFunc(all, func(b Buyer) bool { return b.BuyerID == id || a.buyerIDOf(b) == id }); i >= 0 {
		return all[i]
	}
	return Buyer{ID: id, Name: id, Wallet: alipayCN, Balance: all[0].Balance, BuyerID: id, Email: maskedLogin(id)}
}
