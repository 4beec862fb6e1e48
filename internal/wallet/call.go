package wallet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxAnswer bounds what is read of an answer; true ones have a few kilobytes.
const maxAnswer = 1 << 20

// Client returns the account's HTTP client for calls to the wallet. It follows no
// redirect, which could lead a signed request anywhere.
func (a Account) Client() (*http.Client, error) {
	if a.HTTP == nil {
		return nil, errors.New("no HTTP client")
	}
	client := *a.HTTP
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &client, nil
}

// PostForm posts a form and returns the body of an answer with status 200. Any
// other outcome is ErrNotSent, if no connection was made, or ErrUnknown. The form
// is posted so that no address, and with it no error and no log, holds a signature.
func PostForm(ctx context.Context, client *http.Client, address, form string) ([]byte, error) {
	body, _, err := Post(ctx, client, address, http.Header{
		"Content-Type": {"application/x-www-form-urlencoded; charset=UTF-8"},
	}, []byte(form))
	return body, err
}

// Post is PostForm for a body of any form and a request with the given headers.
// It returns the answer's headers too: a wallet may sign there.
func Post(
	ctx context.Context, client *http.Client, address string, header http.Header, body []byte,
) (answer []byte, signed http.Header, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrNotSent, err)
	}
	r.Header = header.Clone()
	res, err := client.Do(r)
	var op *net.OpError
	switch {
	case errors.As(err, &op) && op.Op == "dial":
		return nil, nil, fmt.Errorf("%w: %w", ErrNotSent, err)
	case err != nil:
		return nil, nil, fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	defer res.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("%w: read answer: %w", ErrUnknown, err)
	case res.StatusCode != http.StatusOK:
		return nil, nil, fmt.Errorf("%w: HTTP status %d", ErrUnknown, res.StatusCode)
	case len(answer) > maxAnswer:
		return nil, nil, fmt.Errorf("%w: answer of more than %d bytes", ErrUnknown, maxAnswer)
	}
	return answer, res.Header, nil
}

// CleanText makes a merchant's text fit to stand in a signed value of at most
// limit bytes. What wallets call special characters, and all that cannot be seen,
// become single spaces.
//
// This is a security requirement. Values are signed joined by & and =, unescaped:
// a subject of "x&trade_status=TRADE_FINISHED&…" in one signed message could be cut
// into the fields of another.
func CleanText(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if strings.ContainsRune(`&=/"<>`, r) || !unicode.IsGraphic(r) {
			return ' '
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > limit {
		for !utf8.RuneStart(s[limit]) {
			limit--
		}
		s = strings.TrimSpace(s[:limit])
	}
	return s
}

// Plain returns an error if one of the named fields, on which money depends, is not
// of visible ASCII. What bytes of another charset become must never decide which
// trade is meant, or how much of which currency was paid.
func Plain(fields map[string]string, names ...string) error {
	for _, name := range names {
		if strings.ContainsFunc(fields[name], func(r rune) bool { return r < ' ' || r > '~' }) {
			return fmt.Errorf("field %s is not plain ASCII", name)
		}
	}
	return nil
}

// MaskID hides the middle of a buyer's id. It returns "" for an id that is too short
// to be one.
func MaskID(id string) string {
	if len(id) < 12 {
		return ""
	}
	return id[:4] + "***" + id[len(id)-4:]
}
