package simulator

import (
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/sampanpay/sampan/internal/wire/alipay"
	"github.com/sampanpay/sampan/internal/wire/mapi"
	"github.com/sampanpay/sampan/internal/wire/openapi"
)

// The services that are simulated.
const (
	createWAP    = "create_forex_trade_wap"
	createPC     = "create_forex_trade"
	singleQuery  = "single_trade_query"
	notifyVerify = "notify_verify"
)

// service describes a gateway service. A service without serve exists at the vendor and is not
// simulated: no contract has it.
type service struct {
	page     bool     // a browser opens it: errors are HTML
	optIn    bool     // only contracts that name the service have it
	unsigned bool     // the signature may be missing
	charsets []string // accepted values of _input_charset
	serve    func(*Simulator, http.ResponseWriter, *http.Request, Partner, mapi.Message) error
}

// assumedCharset is the charset of a request that names none, by the vendor's rule.
const assumedCharset = "GBK"

var anyCharset = []string{"UTF-8", "GBK", "GB2312"}

var services = map[string]service{
	createWAP:    {page: true, charsets: []string{"UTF-8"}, serve: (*Simulator).create},
	createPC:     {page: true, charsets: []string{"UTF-8", "GBK"}, serve: (*Simulator).create},
	singleQuery:  {charsets: anyCharset, serve: (*Simulator).query},
	notifyVerify: {charsets: anyCharset, unsigned: true, serve: (*Simulator).verifyNotice},

	forexRefund: {charsets: []string{"UTF-8"}, serve: (*Simulator).refund},
	refundQuery: {charsets: anyCharset, serve: (*Simulator).queryRefund},
	closeTrade:  {charsets: anyCharset, optIn: true, serve: (*Simulator).close},

	"alipay.acquire.query":   {charsets: anyCharset},
	"alipay.acquire.cancel":  {charsets: anyCharset},
	"forex_rate_file":        {charsets: anyCharset},
	"forex_compare_file":     {charsets: anyCharset},
	"forex_liquidation_file": {charsets: anyCharset},
}

// signTypes are the vendor's signature types. A partner has a key for one of them.
var signTypes = []string{"MD5", "RSA", "RSA2", "DSA"}

// mapiError is an error answer of the global gateway or its cashier: the vendor's code, and the
// reason for the developer.
type mapiError struct {
	code, why string
	status    int // HTTP; 0 means 200, which the vendor sends even for errors
}

func (r *mapiError) Error() string { return r.code + ": " + r.why }

func mapiErrorf(code, format string, args ...any) error {
	return &mapiError{code: code, why: fmt.Sprintf(format, args...)}
}

// requestLimit bounds the size of a request. It exceeds the longest parameters (trade_information,
// 6000 characters), percent-encoded.
const requestLimit = 128 << 10

// gateway serves gateway.do.
func (s *Simulator) gateway(w http.ResponseWriter, r *http.Request) {
	m, err := readRequest(w, r)
	if err != nil {
		s.writeError(w, r, wantsPage(r), nil, err)
		return
	}
	if m["method"] != "" || m["service"] == "" && m["app_id"] != "" {
		s.openAPI(w, r, openapi.Message(m))
		return
	}
	svc, known := services[m["service"]]
	p, err := s.admit(m, svc, known)
	if err == nil {
		m, err = decodeText(m)
	}
	if err == nil {
		err = svc.serve(s, w, r, p, m)
	}
	if err != nil {
		s.writeError(w, r, svc.page || (!known && wantsPage(r)), m, err)
	}
}

// admit checks what every service needs, in this order: service, partner, sign type, key, charset,
// signature, contract. (The vendor does not publish its order.)
func (s *Simulator) admit(m mapi.Message, svc service, known bool) (Partner, error) {
	if !known {
		return Partner{}, mapiErrorf("ILLEGAL_SERVICE", "unknown service %q", m["service"])
	}
	p, ok := s.partners[m["partner"]]
	if !ok {
		return p, mapiErrorf("ILLEGAL_PARTNER", "unknown partner %q", m["partner"])
	}
	if !svc.unsigned || m["sign"] != "" {
		if err := checkSignature(m, svc, p); err != nil {
			return p, err
		}
	}
	if svc.serve == nil || !p.activated(m["service"], svc) {
		return p, mapiErrorf("ILLEGAL_PARTNER_EXTERFACE",
			"%s is not in the partner's contract or not simulated", m["service"])
	}
	return p, nil
}

func checkSignature(m mapi.Message, svc service, p Partner) error {
	if !slices.Contains(signTypes, m["sign_type"]) {
		return mapiErrorf("ILLEGAL_SIGN_TYPE", "sign_type %q is not one of %v", m["sign_type"], signTypes)
	}
	if m["sign_type"] != string(p.SignType) {
		return mapiErrorf("ILLEGAL_SECURITY_PROFILE", "the partner has no key for %s", m["sign_type"])
	}
	charset := cmp.Or(m["_input_charset"], assumedCharset)
	if !slices.ContainsFunc(svc.charsets, func(c string) bool { return strings.EqualFold(c, charset) }) {
		return mapiErrorf("ILLEGAL_CHARSET", "_input_charset %q is not one of %v",
			m["_input_charset"], svc.charsets)
	}
	if err := m.Verify(p.keys()); err != nil {
		return mapiErrorf("ILLEGAL_SIGN", "%v", err)
	}
	return nil
}

// decodeText decodes a request's values after the signature, which covers the bytes, has been
// checked.
func decodeText(m mapi.Message) (mapi.Message, error) {
	c, err := alipay.ParseCharset(cmp.Or(m["_input_charset"], assumedCharset))
	if err != nil {
		return nil, mapiErrorf("ILLEGAL_CHARSET", "%v", err)
	}
	for name, value := range m {
		if text := c.Decode(value); c.Encode(text) != value {
			return nil, mapiErrorf("INVALID_CHARACTER_SET", "%q is not valid %s", name, c)
		}
	}
	return alipay.Text(m, c), nil
}

// readRequest reads the parameters, undecoded, from the query and the body of a POST. A name may
// stand in both if the value is the same: the vendor wants _input_charset in the query of a POST.
func readRequest(w http.ResponseWriter, r *http.Request) (mapi.Message, error) {
	if len(r.URL.RawQuery) > requestLimit {
		return nil, tooLong()
	}
	m, err := mapi.Parse(r.URL.RawQuery)
	if err != nil {
		return nil, mapiErrorf("ILLEGAL_ARGUMENT", "%v", err)
	}
	if r.Method != http.MethodPost {
		return m, nil
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, requestLimit))
	if tooBig := new(http.MaxBytesError); errors.As(err, &tooBig) {
		return nil, tooLong()
	} else if err != nil {
		return nil, mapiErrorf("ILLEGAL_ARGUMENT", "the body cannot be read")
	}
	posted, err := mapi.Parse(string(body))
	if err != nil {
		return nil, mapiErrorf("ILLEGAL_ARGUMENT", "%v", err)
	}
	for name, value := range posted {
		if old, both := m[name]; both && old != value {
			return nil, mapiErrorf("ILLEGAL_ARGUMENT", "%q differs between the address and the body", name)
		}
		m[name] = value
	}
	return m, nil
}

func tooLong() error {
	return &mapiError{"ILLEGAL_ARGUMENT", "the request is too long", http.StatusRequestEntityTooLarge}
}

func wantsPage(r *http.Request) bool { return strings.Contains(r.Header.Get("Accept"), "text/html") }

// writeError answers with the vendor's code: a page for a browser, else XML. Pages are in UTF-8;
// the vendor's charset is not documented. An error that is not a mapiError is the simulator's own
// failure.
func (s *Simulator) writeError(w http.ResponseWriter, r *http.Request, page bool, m mapi.Message, err error) {
	ref := new(mapiError)
	if !errors.As(err, &ref) {
		s.cfg.Log.Error("simulator: gateway", "service", m["service"], "error", err)
		ref = &mapiError{"SYSTEM_ERROR", "the simulator failed; see its log", http.StatusInternalServerError}
	}
	s.cfg.Log.Info("simulator: refused", "service", m["service"], "out_trade_no", m["out_trade_no"],
		"code", ref.code, "why", ref.why)
	status := max(ref.status, http.StatusOK)
	if page {
		s.pages.write(w, r, status, "error", ref.view())
		return
	}
	writeXML(w, status,
		xmlHead("GBK")+"<alipay><is_success>F</is_success><error>"+ref.code+"</error></alipay>")
}

func writeXML(w http.ResponseWriter, status int, doc string) {
	w.Header().Set("Content-Type", "text/xml")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	io.WriteString(w, doc)
}

// xmlSuccess is the answer that only says that a request was carried out.
var xmlSuccess = xmlHead("GBK") + "<alipay><is_success>T</is_success></alipay>"

func xmlHead(charset string) string { return `<?xml version="1.0" encoding="` + charset + `"?>` + "\n" }

// xmlAnswer formats a successful answer on one line: the request's parameters as sent, and the
// fields of one element in the order of names. The signature covers the fields as they are written
// in the charset.
func xmlAnswer(
	request mapi.Message, element string, fields mapi.Message, names []string, k mapi.Keys, c alipay.Charset,
) (string, error) {
	signed := fields.In(c)
	if err := signed.Sign(k); err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString(xmlHead(charsetName(c)) + "<alipay><is_success>T</is_success><request>")
	for _, name := range slices.Sorted(maps.Keys(request)) {
		if name == "sign" || name == "sign_type" {
			continue
		}
		b.WriteString(`<param name="` + escape(name) + `">` + escape(request[name]) + "</param>")
	}
	b.WriteString("</request><response><" + element + ">")
	for _, name := range names {
		b.WriteString("<" + name + ">" + escape(fields[name]) + "</" + name + ">")
	}
	b.WriteString("</" + element + "></response><sign>" + escape(signed["sign"]) + "</sign>")
	b.WriteString("<sign_type>" + signed["sign_type"] + "</sign_type></alipay>")
	return c.Encode(b.String()), nil
}

// charsetName returns the charset's name as the vendor's answers spell it.
func charsetName(c alipay.Charset) string {
	if c == alipay.UTF8 {
		return "utf-8"
	}
	return string(c)
}

func escape(text string) string {
	var b strings.Builder
	xml.EscapeText(&b, []byte(text))
	return b.String()
}
