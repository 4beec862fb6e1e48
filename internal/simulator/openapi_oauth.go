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

// grant is what an auth_code or a refresh_token stands for. They are forgotten
// by a restart.
type grant struct {
	app, buyer string
	until      time.Time
}

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
	app, err := s.authorizing(r)
	if err != nil {
		s.pages.write(w, r, http.StatusBadRequest, "error", err.(*refusal).view())
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

// authorizing checks an authorisation's address.
func (s *Simulator) authorizing(r *http.Request) (App, error) {
	q := r.URL.Query()
	app, ok := s.apps[q.Get("app_id")]
	back, err := url.Parse(q.Get("redirect_uri"))
	switch {
	case !ok:
		return app, &refusal{code: "INVALID_APP_ID", why: "app_id is unknown"}
	case q.Get("scope") != "auth_base" && q.Get("scope") != "auth_user":
		return app, &refusal{code: "INVALID_SCOPE", why: "scope is neither auth_base nor auth_user"}
	case err != nil || back.Host == "" || back.Scheme != "http" && back.Scheme != "https":
		return app, &refusal{code: "INVALID_REDIRECT_URI", why: "redirect_uri is no web address"}
	case len(q.Get("state")) > 100:
		return app, &refusal{code: "INVALID_STATE", why: "state is longer than 100 characters"}
	}
	return app, nil
}

// grant sends the browser back with an auth_code for the buyer that was chosen.
func (s *Simulator) grantCode(w http.ResponseWriter, r *http.Request) {
	app, err := s.authorizing(r)
	if err != nil {
		s.pages.write(w, r, http.StatusBadRequest, "error", err.(*refusal).view())
		return
	}
	q := r.URL.Query()
	buyer, ok := pickBuyer(alipayCN, q.Get("buyer"))
	if !ok {
		s.pages.write(w, r, http.StatusBadRequest, "error", errorView{"ILLEGAL_USER", "no such buyer"})
		return
	}
	code := s.newGrant(grant{app.ID, app.idOf(buyer), s.cfg.Now().Add(codeLife)})
	http.SetCookie(w, &http.Cookie{Name: userCookie, Value: buyer.ID, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
	back, _ := url.Parse(q.Get("redirect_uri"))
	answer := back.Query()
	answer.Set("app_id", app.ID)
	answer.Set("source", "alipay_wallet")
	answer.Set("scope", q.Get("scope"))
	answer.Set("auth_code", code)
	if q.Has("state") {
		answer.Set("state", q.Get("state"))
	}
	back.RawQuery = answer.Encode()
	http.Redirect(w, r, back.String(), http.StatusFound)
}

// idOf is what an application knows a buyer by. An open_id is the application's
// own for that buyer.
func (a App) idOf(b Buyer) string {
	if !a.OpenIDs {
		return b.BuyerID
	}
	sum := sha256.Sum256([]byte(a.ID + b.BuyerID))
	return "0" + strings.ToUpper(hex.EncodeToString(sum[:15]))
}

// newGrant keeps a grant under a new name, and forgets those that are over.
func (s *Simulator) newGrant(g grant) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.cfg.Now()
	for name, old := range s.grants {
		if now.After(old.until) {
			delete(s.grants, name)
		}
	}
	name := s.newID()
	s.grants[name] = g
	return name
}

// oauthToken answers alipay.system.oauth.token. A code serves once.
func (s *Simulator) oauthToken(c *call) (content, error) {
	name, bad := c.m["code"], "isv.code-invalid"
	switch c.m["grant_type"] {
	case "authorization_code":
	case "refresh_token":
		name, bad = c.m["refresh_token"], "isv.refresh-token-invalid"
	default:
		return nil, &fault{"40002", "isv.grant-type-invalid", "grant_type is neither authorization_code nor refresh_token"}
	}
	s.mu.Lock()
	g, ok := s.grants[name]
	delete(s.grants, name)
	s.mu.Unlock()
	now := s.cfg.Now()
	switch {
	case !ok || now.After(g.until):
		return nil, &fault{"40002", bad, "it was used, it is over, or it never was"}
	case g.app != c.app.ID:
		return nil, &fault{"40002", "isv.unmatched-app-id", "it is another application's"}
	}
	who := "user_id"
	if !buyerID.MatchString(g.buyer) {
		who = "open_id"
	}
	return content{
		who: g.buyer, "access_token": "authbseB" + s.newGrant(grant{g.app, g.buyer, now.Add(tokenLife)}), "expires_in": int(tokenLife / time.Second),
		"refresh_token": s.newGrant(grant{g.app, g.buyer, now.Add(refreshLife)}), "re_expires_in": int(refreshLife / time.Second),
		"auth_start": stamp(now),
	}, nil
}

// knownBuyer is a test account by the id that an application knows it by; any
// other well-formed one is somebody's too.
func (s *Simulator) knownBuyer(app App, id string) Buyer {
	all := buyersOf(alipayCN)
	if i := slices.IndexFunc(all, func(b Buyer) bool { return b.BuyerID == id || app.idOf(b) == id }); i >= 0 {
		return all[i]
	}
	return Buyer{ID: id, Name: id, Wallet: alipayCN, Balance: all[0].Balance, BuyerID: id, Email: maskedLogin(id)}
}
