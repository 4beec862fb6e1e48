package delivery

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sampanpay/sampan/internal/sign"
	"github.com/sampanpay/sampan/internal/store"
)

// maxAnswer is how much of an answer is read and stored. A longer answer is not an
// acknowledgement.
const maxAnswer = 1 << 10

// attempt sends a claimed delivery once, stores the outcome and returns how long
// the receiver took. If ctx ends before the answer, or the database fails before
// the sending, nothing is stored: the lease ends and the attempt is repeated.
func (s *Sender) attempt(ctx context.Context, d store.Delivery) time.Duration {
	log := s.Log.With("delivery", d.ID, "syssn", d.PaymentID, "receiver", d.Receiver)
	a := store.DeliveryAttempt{DeliveryID: d.ID, StartedAt: s.Now(), Manual: d.Manual}
	status, answer, err := s.post(ctx, d)
	end := s.Now()
	a.Took = end.Sub(a.StartedAt)
	var notSent *notSentError
	if ctx.Err() != nil || errors.As(err, &notSent) {
		log.ErrorContext(ctx, "delivery attempt was broken off; it will be repeated", "error", err)
		return a.Took
	}
	a.Status, a.Answer = status, printable(answer)
	if err != nil {
		a.Error = printable([]byte(err.Error()))
	}
	s.plan(&d, end, err == nil)
	s.record(ctx, log, d, a)
	return a.Took
}

// plan sets a delivery's state after an attempt that ended at end, and the time of
// the next attempt.
func (s *Sender) plan(d *store.Delivery, end time.Time, acknowledged bool) {
	d.Attempts++
	switch {
	case acknowledged:
		d.State, d.DoneAt = store.DeliveryDone, end
	case d.Attempts > len(s.Gaps):
		d.State, d.DoneAt = store.DeliveryDead, end
	default:
		d.State, d.DueAt = store.DeliveryDue, end.Add(s.Gaps[d.Attempts-1])
	}
}

// record stores an attempt and what follows from it. It repeats that while the
// lease may last, since an attempt that is not stored is made twice.
func (s *Sender) record(ctx context.Context, log *slog.Logger, d store.Delivery, a store.DeliveryAttempt) {
	ctx, cancel := context.WithTimeout(ctx, s.Lease-s.Timeout)
	defer cancel()
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 1600*time.Millisecond) {
		err := s.Store.FinishAttempt(ctx, d, a)
		if err == nil {
			break
		}
		if errors.Is(err, store.ErrLeaseLost) {
			log.WarnContext(ctx, "delivery was taken over by another process; its receiver may get it twice",
				"status", a.Status)
			return
		}
		select {
		case <-ctx.Done():
			log.ErrorContext(ctx, "outcome of a delivery was not stored; it will be sent again",
				"status", a.Status, "error", err)
			return
		case <-time.After(wait):
		}
	}
	log = log.With("attempt", d.Attempts, "status", a.Status, "took", a.Took)
	switch d.State {
	case store.DeliveryDone:
		log.InfoContext(ctx, "delivery acknowledged")
	case store.DeliveryDead:
		log.WarnContext(ctx, "delivery given up; send it again by hand", "reason", a.Error)
	default:
		log.InfoContext(ctx, "delivery not acknowledged", "reason", a.Error, "again_at", d.DueAt)
	}
}

// notSentError is an error of our own: nothing was sent, so the attempt does not
// count.
type notSentError struct{ error }

// post sends a delivery and returns the status and the beginning of the answer,
// with an error if the answer is not an acknowledgement. The error contains
// neither key nor address: merchants put tokens into their addresses.
func (s *Sender) post(ctx context.Context, d store.Delivery) (status int, answer []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	cred, err := s.Store.Credential(ctx, d.AppCode)
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil, errors.New("the app code whose key signs it no longer exists")
	} else if err != nil {
		return 0, nil, &notSentError{err}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.URL, bytes.NewReader(d.Body))
	if err != nil {
		return 0, nil, errors.New("the address cannot be used")
	}
	// Header.Set would write X-Qf-Sign. Some receivers look for the documented
	// spelling.
	req.Header["X-QF-SIGN"] = []string{sign.Notification(d.Body, cred.ClientKey.Reveal())}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "Sampan")
	resp, err := s.Client.Do(req)
	if err != nil {
		return 0, nil, s.reason(ctx, err)
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	long := len(answer) > maxAnswer
	answer = answer[:min(len(answer), maxAnswer)]
	switch {
	case resp.StatusCode != http.StatusOK:
		err = fmt.Errorf("answered %d, not 200", resp.StatusCode)
	case err != nil:
		err = s.reason(ctx, err)
	case long:
		err = fmt.Errorf("answered more than %d bytes, not SUCCESS", maxAnswer)
	case string(bytes.TrimSpace(answer)) != "SUCCESS":
		err = errors.New("answered something other than SUCCESS")
	}
	return resp.StatusCode, answer, err
}

// reason returns why the answer is missing or incomplete, without the address
// that net/http puts in front.
func (s *Sender) reason(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("no whole answer within %s", s.Timeout)
	}
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// printable turns a receiver's bytes into text that every database accepts: at
// most maxAnswer bytes, without an incomplete character at the end, and with
// U+FFFD for each byte that is not UTF-8 and for NUL, which PostgreSQL refuses.
func printable(b []byte) string {
	b = b[:min(len(b), maxAnswer)]
	for n := 1; n < utf8.UTFMax && n <= len(b); n++ {
		if tail := b[len(b)-n:]; utf8.RuneStart(tail[0]) {
			if !utf8.FullRune(tail) {
				b = b[:len(b)-n]
			}
			break
		}
	}
	var text strings.Builder
	for _, r := range string(b) {
		if r == 0 {
			r = utf8.RuneError
		}
		text.WriteRune(r)
	}
	return text.String()
}
