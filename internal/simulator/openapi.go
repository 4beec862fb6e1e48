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

// App is an application of Alipay's open platform, under contract for payments inside the Alipay
// app.
type App struct {
	ID             string          // 16 digits
	Seller         string          // 16 digits beginning 2088: who receives the money
	Name           string          // shown in the cashier
	Private        *rsa.PrivateKey // Alipay's own
	MerchantPublic *rsa.PublicKey  // the application's
	OpenIDs        bool            // buyers are identified by an open_id, as for newer applications
	OpApps         []string        // mini programs that are bound to the merchant
	Certificates   *Certificates   // nil for key mode
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

// openapiError is an error answer of the open platform. (Alipay, "Common error codes".)
type openapiError struct{ code, subCode, why string }

func (f *openapiError) Error() string { return f.code + " " + f.subCode + ": " + f.why }

func missing(what string) error { return &openapiError{"40001", "isv.missing-" + what, "is missing"} }

func invalid(what, format string, args ...any) error {
	return &openapiError{"40002", "isv.invalid-" + what, fmt.Sprintf(format, args...)}
}

// business is an error by a code of the call's own.
func business(subCode, format string, args ...any) error {
	return &openapiError{"40004", "ACQ." + subCode, fmt.Sprintf(format, args...)}
}

var errorTexts = map[string]string{
	"20000": "Service Currently Unavailable", "20001": "Insufficient Token Permissions",
	"40001": "Missing Required Arguments",
	"40002": "Invalid Arguments", "40004": "Business Failed", "40006": "Insufficient Permissions",
}

// content holds the members of an answer.
type content map[string]any

// call is one call of the open platform: the application, the parameters, the business content, and
// the faults of its answer.
type call struct {
	app App
	m   openapi.Message
	biz bizContent
	answerFaults
}

// methods are the simulated calls.
var methods = map[string]struct {
	plain    bool // its parameters stand beside the common ones
	unsigned bool // its answer is unsigned, as the real one
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

// openAPI serves gateway.do for the open platform, to which all requests with a method belong.
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
	if faultErr := c.faultError(); faultErr != nil {
		answer, err = nil, faultErr
	}
	name, answer := s.complete(c, answer, err)
	s.writeAnswer(w, c, name, answer)
}

// complete adds to a call's result the code and message, and the fields that faults add. It also
// returns the name of the answer's object.
func (s *Simulator) complete(c *call, answer content, err error) (string, content) {
	name, method := c.m["method"], openapi.ContentName(c.m["method"])
	apiErr := new(openapiError)
	switch {
	case errors.As(err, &apiErr):
		s.cfg.Log.Info("simulator: refused", "method", name, "sub_code", apiErr.subCode, "why", apiErr.why)
		if answer == nil {
			answer = content{}
		}
		answer["code"], answer["msg"] = apiErr.code, errorTexts[apiErr.code]
		answer["sub_code"], answer["sub_msg"] = apiErr.subCode, apiErr.why
		// The real platform answers so when the method is unknown, and to errors about tokens.
		if _, known := methods[name]; !known || methods[name].plain {
			method = "error_response"
		}
	case err != nil:
		s.cfg.Log.Error("simulator: gateway", "method", name, "error", err)
		answer = content{
			"code": "20000", "msg": errorTexts["20000"],
			"sub_code": "isp.unknow-error", "sub_msg": "the simulator failed; see its log",
		}
	case !methods[name].plain:
		answer["code"], answer["msg"] = openapi.CodeSuccess, "Success"
	}
	if c.has(UnknownField) {
		answer[unknownField] = unknownValue
	}
	if c.has(QueryGBK) {
		answer["store_name"] = gbkText
	}
	return method, answer
}

func (s *Simulator) writeAnswer(w http.ResponseWriter, c *call, name string, answer content) {
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
	h.Set("Content-Type", "text/html;charset="+charsetName(charset)) // as the real one sends it
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Cache-Control", "no-store")
	h.Set("Trace_id", s.drawID())
	if c.has(QueryCut) || c.has(RefundCut) {
		writeHalf(w, string(doc))
	}
	w.Write(doc) // JSON; the policy above lets a browser that takes it for a page run nothing
}

// encode writes an answer's members in the order of their names, or shuffled. The signature covers
// exactly this text, so it escapes no more than needed.
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
		b.Truncate(b.Len() - 1) // removes the encoder's line break
	}
	b.WriteByte('}')
	return []byte(charset.Encode(b.String())), nil
}

// faultError returns the error with which a fault replaces a call's result, or nil.
func (c *call) faultError() error {
	switch {
	case c.has(CallDown):
		return &openapiError{
			"20000", "isp.unknow-error", "fault " + string(CallDown) + ": the call was carried out",
		}
	case c.has(CallError):
		return business("SYSTEM_ERROR", "fault %s: the call was carried out", CallError)
	}
	return nil
}

// forged returns an answer that claims success.
func forged(answer content) content {
	f := maps.Clone(answer)
	delete(f, "sub_code")
	delete(f, "sub_msg")
	f["code"], f["msg"] = openapi.CodeSuccess, "Success"
	f["trade_status"], f["refund_status"], f["fund_change"] = string(Success), "REFUND_SUCCESS", "Y"
	if tradeNo, ok := f["trade_no"].(string); ok {
		f["trade_no"] = tradeNo[:len(tradeNo)-1] + "X"
	}
	return f
}

func (s *Simulator) drawID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.newID()
}

// callOpenAPI checks what every call needs, in this order: application, method, sign type, charset,
// version, time, certificates, signature, tokens, content. (The vendor does not publish its order.)
func (s *Simulator) callOpenAPI(c *call) (content, error) {
	app, ok := s.apps[c.m["app_id"]]
	switch {
	case c.m["app_id"] == "":
		return nil, missing("app-id")
	case !ok:
		return nil, invalid("app-id", "unknown application %q", c.m["app_id"])
	}
	c.app = app
	method, known := methods[c.m["method"]]
	switch {
	case c.m["method"] == "":
		return nil, missing("method")
	case !known:
		return nil, invalid("method", "method %q is unknown or not simulated", c.m["method"])
	}
	if err := c.checkCommon(); err != nil {
		return nil, err
	}
	if c.m["sign"] == "" {
		return nil, missing("signature")
	}
	if err := c.m.Verify(app.keys()); err != nil {
		// The real text contains the string to sign, with & written as &amp;.
		return nil, invalid("signature", "%v; the string to sign is %s",
			err, html.EscapeString(c.m.Canonical()))
	}
	for name, value := range c.m {
		if !utf8.ValidString(name + value) {
			return nil, invalid("parameter", "%q is not valid UTF-8", name)
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

// checkCommon checks the parameters that all calls have.
func (c *call) checkCommon() error {
	switch t := c.m["sign_type"]; t {
	case "":
		return missing("signature-type")
	case string(alipay.RSA2):
	default:
		return invalid("signature-type", "sign_type %q: the application has a key for RSA2 only", t)
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
		return invalid("timestamp", "timestamp %q is not a time", c.m["timestamp"])
	}
	return c.checkCertificates()
}

// bizContent holds a call's own parameters. A member that is not a string is kept as its JSON text.
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

// checkLengths checks that parameters are not longer than allowed.
func (b bizContent) checkLengths(limits map[string]int) error {
	for _, name := range slices.Sorted(maps.Keys(limits)) {
		if len([]rune(b[name])) > limits[name] {
			return business("INVALID_PARAMETER", "%s is longer than %d characters", name, limits[name])
		}
	}
	return nil
}
