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

// maxAnswer is how much of an answer is read and kept. A longer one is no
// acknowledgement.
const maxAnswer = 1 << 10

// attempt makes one try at a delivery that is ours and writes down what came of
// it. It returns how long the receiver took. If ctx ends on the way, or the
// database does not let us try, nothing is written: the lease runs out and the
// try is made again.
func (s *Sender) attempt(ctx context.Context, d store.Delivery) time.Duration {
	log := s.Log.With("delivery", d.ID, "syssn", d.PaymentID, "receiver", d.Receiver)
	a := store.DeliveryAttempt{DeliveryID: d.ID, StartedAt: s.Now(), Manual: d.Manual}
	status, answer, err := s.post(ctx, d)
	end := s.Now()
	a.Took = end.Sub(a.StartedAt)
	var ours *ownTrouble
	if ctx.Err() != nil || errors.As(err, &ours) {
		log.ErrorContext(ctx, "delivery was not tried to the end", "error", err)
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

// plan moves a delivery on after an attempt that ended at end.
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

// record writes an attempt and what follows from it. It tries as long as the
// lease may last, since what is not written is sent twice.
func (s *Sender) record(ctx context.Context, log *slog.Logger, d store.Delivery, a store.DeliveryAttempt) {
	ctx, cancel := context.WithTimeout(ctx, s.Lease-s.Timeout)
	defer cancel()
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 1600*time.Millisecond) {
		err := s.Store.FinishAttempt(ctx, d, a)
		if err == nil {
			break
		}
		if errors.Is(err, store.ErrLeaseLost) {
			log.WarnContext(ctx, "delivery was taken over by another process meanwhile; its receiver may hear it twice", "status", a.Status)
			return
		}
		select {
		case <-ctx.Done():
			log.ErrorContext(ctx, "outcome of a delivery was not recorded; it will be sent again", "status", a.Status, "error", err)
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

// ownTrouble is why an attempt could not be made that is no fault of the
// receiver's.
type ownTrouble struct{ error }

// post sends a delivery and returns the status and the beginning of the answer,
// with an error if that is not an acknowledgement. The error holds neither key
// nor address: merchants put tokens into their addresses.
func (s *Sender) post(ctx context.Context, d store.Delivery) (status int, answer []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	cred, err := s.Store.Credential(ctx, d.AppCode)
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil, errors.New("the app code that is to sign it is no more")
	} else if err != nil {
		return 0, nil, &ownTrouble{err}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.URL, bytes.NewReader(d.Body))
	if err != nil {
		return 0, nil, errors.New("the address cannot be used")
	}
	// Not Set: it would write X-Qf-Sign, and some receivers look for the
	// documented spelling.
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

// reason is why there was no whole answer, without the address that net/http
// puts in front.
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

// printable is what a stranger sent as text that every database takes: at most
// maxAnswer bytes of it, no half character at the end, U+FFFD for each byte
// that is not UTF-8 and for NUL, which PostgreSQL refuses.
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
