package lantern

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// message is every body of the wire: requests, answers and callbacks.
type message struct {
	Number string `json:"number"`

	// A request for an order.
	Amount      int64  `json:"amount,omitempty"`
	Currency    string `json:"currency,omitempty"`
	Subject     string `json:"subject,omitempty"`
	ExpiresAt   string `json:"expires_at,omitempty"`
	CallbackURL string `json:"callback_url,omitempty"`
	ReturnURL   string `json:"return_url,omitempty"`

	// An answer: S is done, F is refused, anything else is not known.
	Result string `json:"result,omitempty"`
	Code   string `json:"code,omitempty"`

	// What the wallet says of an order, in answers and callbacks.
	ID      string `json:"id,omitempty"` // the wallet's own
	URL     string `json:"url,omitempty"`
	EndsAt  string `json:"ends_at,omitempty"`
	State   string `json:"state,omitempty"`
	TradeNo string `json:"trade_no,omitempty"`
}

// The headers of every request, answer and callback.
const (
	timeHeader      = "Lantern-Time"
	signatureHeader = "Lantern-Signature"
)

// seal marshals m and signs it as a message to, or an answer from, path.
func seal(key, path string, at time.Time, m message) (http.Header, []byte) {
	body, err := json.Marshal(m)
	if err != nil {
		panic(err) // it has strings and a number
	}
	when := at.UTC().Format(time.RFC3339)
	return http.Header{
		"Content-Type":  {"application/json"},
		timeHeader:      {when},
		signatureHeader: {sign(key, path, when, body)},
	}, body
}

// unseal reads a message whose signature is that of seal.
func unseal(key, path string, h http.Header, body []byte) (m message, err error) {
	want, have := sign(key, path, h.Get(timeHeader), body), h.Get(signatureHeader)
	if !hmac.Equal([]byte(want), []byte(have)) {
		return message{}, errors.New("the signature is wrong")
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return message{}, fmt.Errorf("the body is not JSON: %w", err)
	}
	return m, nil
}

func sign(key, path, at string, body []byte) string {
	h := hmac.New(sha256.New, []byte(key))
	fmt.Fprintf(h, "POST %s\n%s.%s", path, at, body)
	return hex.EncodeToString(h.Sum(nil))
}
