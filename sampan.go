// Package sampan is the client of a Sampan payment gateway, and of any other server that speaks the
// same trade API. It signs requests, reads answers and verifies notifications.
//
// A payment takes three steps. Call [Client.Pay] and send the buyer's browser to the link that it
// returns. Wait for the notification that [Client.NotificationHandler] receives: the notification,
// not the browser's return, says that the order is paid. If none comes, ask with [Client.Query].
//
// Amounts are whole minor units with an ISO 4217 code: 1230 of HKD is 12.30 dollars, 1230 of JPY is
// 1230 yen.
//
// The code reads in this order: sampan.go (the client and its calls), answer.go, error.go, then
// payment.go, query.go, refund.go, notification.go and authorize.go, one for each part of the API.
package sampan

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/sampanpay/sampan/internal/sign"
)

// PayType is the wallet that pays, and how.
type PayType string

// The pay types.
const (
	Alipay              PayType = "801107" // the mainland wallet
	AlipayHK            PayType = "801512" // the Hong Kong wallet; HKD only
	AlipayServiceWindow PayType = "800107" // a page inside the Alipay app; CNY only
)

// SignType is the hash that requests are signed with.
type SignType string

// The hashes that the trade API knows.
const (
	SHA256 SignType = "SHA256"
	MD5    SignType = "MD5"
)

// Client calls the gateway for a merchant. BaseURL, AppCode and ClientKey are required. Every other
// field has a useful zero value. A Client is safe for concurrent use. Do not change it once it is
// in use.
type Client struct {
	BaseURL   string   // e.g. "https://pay.example.com"
	AppCode   string   // identifies the credential
	ClientKey string   // signs requests; it is never sent or printed
	SignType  SignType // SHA256 if empty
	StoreID   string   // mchid: required if the app code has stores, otherwise empty

	// HTTPClient makes the calls. If nil, a client is used that gives each attempt 15 seconds and
	// follows no redirects.
	HTTPClient *http.Client

	// Attempts limits how often a call is tried: 3 times if 0, and 1 turns retries off. Every call
	// of this client is safe to repeat, since the gateway recognises an order by its number; only a
	// note may be stored twice. A call is retried after transport errors, the statuses 429, 502,
	// 503 and 504, and the codes CodeInProgress, CodeWalletSlow and CodeWalletBusy. It is not
	// retried if the gateway asks for a pause of more than ten seconds, or if the context would end
	// before the retry.
	Attempts int

	// Backoff returns the pause before the n-th retry, counted from 1. If nil, the pause is 200 ms,
	// doubled for each retry up to 5 s, minus a random part of up to one half.
	Backoff func(n int) time.Duration

	// Zone is the time zone of the gateway's clock times. If nil, it is UTC+8, the zone of Hong
	// Kong.
	Zone *time.Location

	Now func() time.Time // time.Now if nil
	Log *slog.Logger     // logs refused notifications and failed handlers; nil for no log
}

const (
	maxAnswer = 1 << 20          // ten times a full page of a query
	maxPause  = 10 * time.Second // a longer Retry-After is left to the caller
)

// hongKong is a fixed zone, so that the client needs no time zone database. Hong Kong has kept
// UTC+8 without summer time since 1979.
var hongKong = time.FixedZone("UTC+8", 8*60*60)

var defaultHTTPClient = &http.Client{
	Timeout:       15 * time.Second,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// Format implements fmt.Formatter. It omits the key, whatever the verb.
func (c Client) Format(f fmt.State, _ rune) {
	io.WriteString(f, "sampan.Client("+c.AppCode+" at "+c.BaseURL+")")
}

// call signs p, sends it and returns the answer. If the answer is not a success, call also returns
// an *Error.
func (c *Client) call(ctx context.Context, path string, p sign.Params) (*answer, error) {
	if c.BaseURL == "" || c.AppCode == "" || c.ClientKey == "" {
		return nil, unsent("the client needs BaseURL, AppCode and ClientKey")
	}
	for n := 1; ; n++ {
		a, err := c.attempt(ctx, path, p)
		if err == nil || n >= c.attempts() || !repeatable(err) {
			return a, err
		}
		if !c.pause(ctx, n, err) {
			return a, err
		}
	}
}

func (c *Client) attempt(ctx context.Context, path string, p sign.Params) (*answer, error) {
	form := url.Values{}
	for name, value := range p {
		form.Set(name, value)
	}
	target := strings.TrimRight(c.BaseURL, "/") + path
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, unsent("%w", err)
	}
	algorithm, err := sign.ParseAlgorithm(string(c.signType()))
	if err != nil {
		return nil, unsent("%w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("X-QF-APPCODE", c.AppCode)
	req.Header.Set("X-QF-SIGN", sign.Request(p, c.ClientKey, algorithm))
	req.Header.Set("X-QF-SIGNTYPE", string(algorithm))

	res, err := c.httpClient().Do(req)
	if err != nil {
		return nil, &transportError{err}
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return nil, &transportError{err}
	}
	if len(body) > maxAnswer {
		return nil, fmt.Errorf("sampan: the answer to %s is larger than %d bytes", path, maxAnswer)
	}

	a := &answer{zone: c.zone()}
	bad := json.Unmarshal(body, &a.fields)
	code := Code(a.text("respcd"))
	if bad == nil && res.StatusCode == http.StatusOK && code == CodeSuccess {
		return a, nil
	}
	e := &Error{
		Code: code, Message: a.text("resperr"), Detail: a.text("respmsg"),
		HTTPStatus: res.StatusCode, RetryAfter: c.retryAfter(res.Header),
	}
	if code == "" {
		e.Message = "the answer is not from the trade API"
	}
	return a, e
}

// repeatable reports whether a later attempt may succeed after this error.
func repeatable(err error) bool {
	if t := (*transportError)(nil); errors.As(err, &t) {
		return true
	}
	var e *Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.HTTPStatus {
	case http.StatusTooManyRequests, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return e.Code == CodeInProgress || e.Code == CodeWalletSlow || e.Code == CodeWalletBusy
}

// pause waits before the n-th retry. It returns false at once if the wait would exceed maxPause or
// the context's deadline.
func (c *Client) pause(ctx context.Context, n int, err error) bool {
	d := c.backoff(n)
	if e := (*Error)(nil); errors.As(err, &e) {
		if e.RetryAfter > maxPause {
			return false
		}
		d = max(d, e.RetryAfter)
	}
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < d {
		return false
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// retryAfter reads the Retry-After header: seconds, or a date.
func (c *Client) retryAfter(h http.Header) time.Duration {
	v := h.Get("Retry-After")
	if s, err := strconv.ParseUint(v, 10, 31); err == nil {
		return time.Duration(s) * time.Second
	}
	if at, err := http.ParseTime(v); err == nil {
		return max(0, at.Sub(c.now()))
	}
	return 0
}

func (c *Client) attempts() int {
	if c.Attempts == 0 {
		return 3
	}
	return c.Attempts
}

func (c *Client) backoff(n int) time.Duration {
	if c.Backoff != nil {
		return c.Backoff(n)
	}
	d := min(200*time.Millisecond<<min(n-1, 10), 5*time.Second)
	return d/2 + rand.N(d/2)
}

func (c *Client) signType() SignType {
	if c.SignType == "" {
		return SHA256
	}
	return c.SignType
}

func (c *Client) httpClient() *http.Client {
	if c.HTTPClient == nil {
		return defaultHTTPClient
	}
	return c.HTTPClient
}

func (c *Client) zone() *time.Location {
	if c.Zone == nil {
		return hongKong
	}
	return c.Zone
}

func (c *Client) now() time.Time {
	if c.Now == nil {
		return time.Now()
	}
	return c.Now()
}

func (c *Client) log() *slog.Logger {
	if c.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return c.Log
}
