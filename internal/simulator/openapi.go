package simulator

import (
	"bytes"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"log/slog"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sampanpay/sampan/internal/wire/alipay"
	"github.com/sampanpay/sampan/internal/wire/openapi"
)

// App is an application of Alipay's open platform, under contract for payments
// inside the Alipay app.
type App struct {
	ID             string          // 16 digits
	Seller         string          // 16 digits beginning 2088: who is paid
	Name           string          // shown in the cashier
	Private        *rsa.PrivateKey // Alipay's own
	MerchantPublic *rsa.PublicKey  // the application's
	OpenIDs        bool            // buyers are known to it by an open_id, as newer applications have it
	OpApps         []string        // mini programs that are bound to the merchant
	Certificates   *Certificates   // certificate mode; nil is key mode
}

// String leaves the keys out.
func (a App) String() string { return "app " + a.ID }

// LogValue leaves the keys out.
func (a App) LogValue() slog.Value { return slog.StringValue(a.String()) }

var appID = regexp.MustCompile(`^[0-9]{16}$`)

func (a App) check() error {
	switch {
	case !appID.MatchString(a.ID):
		return fmt.Errorf("simulator: app %q is not 16 digits", a.ID)
	case !partnerID.MatchString(a.Seller):
		return fmt.Errorf("simulator: app %s: seller %q is not 16 digits beginning 2088", a.ID, a.Seller)
	case a.Private == nil || a.MerchantPublic == nil:
		return fmt.Errorf("simulator: app %s has no keys", a.ID)
	}
	return nil
}

func (a App) keys() openapi.Keys {
	return openapi.Keys{Type: alipay.RSA2, Private: a.Private, Public: a.MerchantPublic}
}

// fault is the open platform's no. (Alipay, "Common error codes".)
type openapiError struct{ code, subCode, why string }

func (f *openapiError) Error() string { return f.code + " " + f.subCode + ": " + f.why }

func missing(what string) error { return &openapiError{"40001", "isv.missing-" + what, "is missing"} }

func invalid(what, format string, args ...any) error {
	return &openapiError{"40002", "isv.invalid-" + what, fmt.Sprintf(format, args...)}
}

// business is a refusal of what is asked for, by a code of the call's own.
func business(subCode, format string, args ...any) error {
	return &openapiError{"40004", "ACQ." + subCode, fmt.Sprintf(format, args...)}
}

var errorTexts = map[string]string{
	"20000": "Service Currently Unavailable", "20001": "Insufficient Token Permissions", "40001": "Missing Required Arguments",
	"40002": "Invalid Arguments", "40004": "Business Failed", "40006": "Insufficient Permissions",
}

// content is the members of an answer.
type content map[string]any

// call is one call of the open platform: its own parameters, its business
// content, and what goes wrong with its answer.
type call struct {
	app App
	m   openapi.Message
	biz bizContent
	answerFaults
}

// methods are the calls that are simulated.
var methods = map[string]struct {
	plain    bool // it takes its parameters as the common ones
	unsigned bool // its answer is, as the real one
	serve    func(*Simulator, *call) (content, error)
}{
	"alipay.system.oauth.token":           {plain: true, serve: (*Simulator).oauthToken},
	"alipay.trade.create":                 {serve: (*Simulator).tradeCreate},
	"alipay.trade.query":                  {serve: (*Simulator).tradeQuery},
	"alipay.trade.close":                  {serve: (*Simulator).tradeClose},
	"alipay.trade.refund":                 {serve: (*Simulator).tradeRefund},
	"alipay.trade.fastpay.refund.query":   {serve: (*Simulator).tradeRefundQuery},
	"alipay.open.app.alipaycert.download": {unsigned: true, serve: (*Simulator).downloadCertificate},
}

// openAPI is gateway.do for the open platform: who names a method speaks to it.
func (s *Simulator) openAPI(w http.ResponseWriter, r *http.Request, m openapi.Message) {
	c := &call{m: m}
	answer, err := s.callOpenAPI(c)
	if s.delayOrFail(w, r, c.answerFaults) {
		return
	}
	if c.has(CallLost) {
		s.pause(r, c.slow)
		panic(http.ErrAbortHandler)
	}
	if no := c.faultError(); no != nil {
		answer, err = nil, no
	}
	name := openapi.ContentName(m["method"])
	if no := new(openapiError); errors.As(err, &no) {
		s.cfg.Log.Info("simulator: refused", "method", m["method"], "sub_code", no.subCode, "why", no.why)
		if answer == nil {
			answer = content{}
		}
		answer["code"], answer["msg"], answer["sub_code"], answer["sub_msg"] = no.code, errorTexts[no.code], no.subCode, no.why
		// As seen of the real one: without a known method, and about tokens.
		if _, known := methods[m["method"]]; !known || methods[m["method"]].plain {
			name = "error_response"
		}
	} else if err != nil {
		s.cfg.Log.Error("simulator: gateway", "method", m["method"], "error", err)
		answer = content{"code": "20000", "msg": errorTexts["20000"], "sub_code": "isp.unknow-error", "sub_msg": "the simulator failed; its log tells more"}
	} else if !methods[m["method"]].plain {
		answer["code"], answer["msg"] = openapi.CodeSuccess, "Success"
	}
	if c.has(UnknownField) {
		answer[unknownField] = unknownValue
	}
	if c.has(QueryGBK) {
		answer["store_name"] = gbkText
	}
	s.answerOpenAPI(w, c, name, answer)
}

func (s *Simulator) answerOpenAPI(w http.ResponseWriter, c *call, name string, answer content) {
	keys, certSN := c.app.keys(), ""
	if c.app.Certificates != nil {
		certSN = c.app.Certificates.Alipay
	}
	if methods[c.m["method"]].unsigned {
		keys.Private = nil
	}
	charset := alipay.UTF8
	if c.has(QueryGBK) {
		charset = alipay.GBK
	}
	text, err := c.encode(answer, charset)
	var doc []byte
	if err == nil {
		doc, err = openapi.WriteAnswer(name, text, certSN, keys)
	}
	if err == nil && c.has(CallForged) {
		var forgery []byte
		forgery, err = c.encode(forged(answer), charset)
		doc = bytes.Replace(doc, text, forgery, 1)
	}
	if err != nil {
		http.Error(w, "Internal Server Error", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html;charset="+charsetName(charset)) // as the real one has it
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Cache-Control", "no-store")
	h.Set("Trace_id", s.drawID())
	if c.has(QueryCut) || c.has(RefundCut) {
		writeHalf(w, string(doc))
	}
	w.Write(doc) //nolint:gosec // it is JSON, and what a browser takes for a page may run nothing
}

// encode writes an answer's members, in the order of their names unless they
// are shuffled. What is signed is the very text, so nothing is escaped that need
// not be.
func (c *call) encode(answer content, charset alipay.Charset) ([]byte, error) {
	names := slices.Sorted(maps.Keys(answer))
	if c.has(Shuffled) {
		c.random.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	b.WriteByte('{')
	for i, name := range names {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%q:", name)
		if err := e.Encode(answer[name]); err != nil {
			return nil, err
		}
		b.Truncate(b.Len() - 1) // the encoder's line break
	}
	b.WriteByte('}')
	return []byte(charset.Encode(b.String())), nil
}

// faultError is what a fault answers in place of what came of a call; nil if none
// does.
func (c *call) faultError() error {
	switch {
	case c.has(CallDown):
		return &openapiError{"20000", "isp.unknow-error", "as the fault " + string(CallDown) + " wants it: the call was carried out"}
	case c.has(CallError):
		return business("SYSTEM_ERROR", "as the fault %s wants it: the call was carried out", CallError)
	}
	return nil
}

// forged is an answer that says that all went as it was wanted.
func forged(answer content) content {
	f := maps.Clone(answer)
	delete(f, "sub_code")
	delete(f, "sub_msg")
	f["code"], f["msg"] = openapi.CodeSuccess, "Success"
	f["trade_status"], f["refund_status"], f["fund_change"] = string(Success), "REFUND_SUCCESS", "Y"
	if no, ok := f["trade_no"].(string); ok {
		f["trade_no"] = no[:len(no)-1] + "X"
	}
	return f
}

func (s *Simulator) drawID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.newID()
}

// callOpenAPI checks what every call needs, in this order: application, method,
// sign type, charset, version, time, certificates, signature, tokens, content.
// (The vendor's own order is not published.)
func (s *Simulator) callOpenAPI(c *call) (content, error) {
	app, ok := s.apps[c.m["app_id"]]
	switch {
	case c.m["app_id"] == "":
		return nil, missing("app-id")
	case !ok:
		return nil, invalid("app-id", "no application %q", c.m["app_id"])
	}
	c.app = app
	method, known := methods[c.m["method"]]
	switch {
	case c.m["method"] == "":
		return nil, missing("method")
	case !known:
		return nil, invalid("method", "no method %q, or it is not simulated", c.m["method"])
	}
	if err := c.checkCommon(); err != nil {
		return nil, err
	}
	if c.m["sign"] == "" {
		return nil, missing("signature")
	}
	if err := c.m.Verify(app.keys()); err != nil {
		// The text tells what was to be signed, with & written as &amp;.
		return nil, invalid("signature", "%v; the string to sign is %s", err, html.EscapeString(c.m.Canonical()))
	}
	for name, value := range c.m {
		if !utf8.ValidString(name + value) {
			return nil, invalid("parameter", "%q is not in UTF-8", name)
		}
	}
	if err := s.checkTokens(c); err != nil {
		return nil, err
	}
	if !method.plain {
		var err error
		if c.biz, err = parseBiz(c.m["biz_content"]); err != nil {
			return nil, err
		}
	}
	return method.serve(s, c)
}

// common checks the parameters that all calls have.
func (c *call) checkCommon() error {
	switch t := c.m["sign_type"]; t {
	case "":
		return missing("signature-type")
	case string(alipay.RSA2):
	default:
		return invalid("signature-type", "sign_type %q: the application has a key for RSA2", t)
	}
	switch charset := strings.ToLower(c.m["charset"]); {
	case charset != "utf-8" && charset != "utf8":
		return invalid("charset", "charset %q: only utf-8 is simulated", charset)
	case c.m["encrypt_type"] != "":
		return invalid("encrypt", "encrypt_type %q: encryption is not simulated", c.m["encrypt_type"])
	case c.m["version"] == "":
		return missing("version")
	case c.m["version"] != "1.0":
		return invalid("parameter", "version %q is not 1.0", c.m["version"])
	case c.m["format"] != "" && !strings.EqualFold(c.m["format"], "json"):
		return invalid("format", "format %q is not JSON", c.m["format"])
	case c.m["timestamp"] == "":
		return missing("timestamp")
	}
	if _, err := time.ParseInLocation(time.DateTime, c.m["timestamp"], beijing); err != nil {
		return invalid("timestamp", "timestamp %q is no time", c.m["timestamp"])
	}
	return c.checkCertificates()
}

// bizContent is a call's own parameters. Members that are no text are kept for
// being there; numbers count as text.
type bizContent map[string]string

func parseBiz(text string) (bizContent, error) {
	if text == "" {
		return nil, business("INVALID_PARAMETER", "biz_content is missing")
	}
	var raw map[string]json.RawMessage
	d := json.NewDecoder(strings.NewReader(text))
	if err := d.Decode(&raw); err != nil || raw == nil || d.More() {
		return nil, business("INVALID_PARAMETER", "biz_content is not a JSON object")
	}
	biz := bizContent{}
	for name, value := range raw {
		var s string
		if json.Unmarshal(value, &s) != nil {
			s = string(value)
		}
		biz[name] = s
	}
	return biz, nil
}

// limited checks that the named parameters are not longer than they may be.
func (b bizContent) checkLengths(limits map[string]int) error {
	for _, name := range slices.Sorted(maps.Keys(limits)) {
		if len([]rune(b[name])) > limits[name] {
			return business("INVALID_PARAMETER", "%s is longer than %d characters", name, limits[name])
		}
	}
	return nil
}
