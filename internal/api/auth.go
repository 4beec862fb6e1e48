package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/sign"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/web"
)

// call is a merchant's request that may be served: readable, signed, within its limits.
type call struct {
	credential pay.Credential
	params     sign.Params
	at         time.Time // when it arrived
}

// admit turns a request into a call. The order of the checks is fixed: is it readable,
// is it signed, is it within the limits (trade API, signature).
func (a *API) admit(w http.ResponseWriter, r *http.Request) (call, error) {
	params, err := readForm(w, r)
	if err != nil {
		return call{}, err
	}
	credential, err := a.authenticate(r.Context(), r.Header, params)
	if pay.CodeOf(err) == pay.BadSignature {
		if retry, ok := a.failures.count(a.source(r)); !ok {
			return call{}, limited("too many requests with a wrong signature from this address", retry)
		}
	}
	if err != nil {
		return call{}, err
	}
	err = a.rates.admit(r.Context(), credential)
	if errors.Is(err, store.ErrOutcomeUnknown) {
		// of the reservation; nothing of the request itself is stored
		err = &pay.Error{Code: pay.Unavailable, Message: "the request was not begun: send it again", Err: err}
	}
	if err != nil {
		return call{}, err
	}
	return call{credential, params, a.Now()}, nil
}

// authenticate returns the credential that signed params. The error is
// pay.BadSignature, the same for an unknown or revoked app code as for a wrong
// signature. Any other error is trouble of our own.
func (a *API) authenticate(
	ctx context.Context, header http.Header, params sign.Params,
) (pay.Credential, error) {
	appCode, signature := header.Get("X-QF-APPCODE"), header.Get("X-QF-SIGN")
	switch {
	case appCode == "":
		return pay.Credential{}, unsigned("X-QF-APPCODE", "this header is required")
	case signature == "":
		return pay.Credential{}, unsigned("X-QF-SIGN", "this header is required")
	}
	algorithm, err := sign.ParseAlgorithm(header.Get("X-QF-SIGNTYPE"))
	if err != nil {
		return pay.Credential{}, unsigned("X-QF-SIGNTYPE", "must be MD5 or SHA256")
	}

	credential, known, err := a.Gateway.Signer(ctx, appCode, func(clientKey string) bool {
		return sign.VerifyRequest(params, clientKey, algorithm, signature)
	})
	switch {
	case err != nil:
		return pay.Credential{}, err
	case !known:
		return pay.Credential{}, unsigned("X-QF-SIGN", fmt.Sprintf(
			"does not fit the app code and these parameters: it must be the %s, in hex, "+
				"of %q followed by the client key",
			algorithm, web.Clip(params.Canonical(), 1000)))
	case algorithm == sign.MD5 && credential.SHA256Only: // only the owner of the key reads this
		return pay.Credential{}, unsigned("X-QF-SIGNTYPE",
			"must be SHA256: this app code takes no other hash")
	}
	return credential, nil
}

func unsigned(header, message string) error {
	return &pay.Error{Code: pay.BadSignature, Field: header, Message: message}
}
