package lantern

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/sampanpay/sampan/internal/wallet"
)

// Callback reads what the wallet says of an order. The signature covers our path as
// the wallet addressed it, and proves the message: both sides have the key, but
// nothing that we sign has one of our own paths.
func (c *connector) Callback(posted wallet.Callback) (wallet.Notice, error) {
	m, err := unseal(c.key, posted.Path, posted.Header, posted.Body)
	if err == nil && (m.Number == "" || m.State == "" || m.Result != "") {
		err = errors.New("this is no callback")
	}
	s := wallet.State{}
	if err == nil {
		s, err = stateOf(m)
	}
	if err != nil {
		return wallet.Notice{}, fmt.Errorf("lantern: callback: %w", err)
	}
	return wallet.Notice{
		Number: m.Number, ID: m.ID, State: s,
		Reply: c.reply(posted, message{Number: m.Number, Result: "S"}),
	}, nil
}

// CallbackFailed answers in the wallet's form: it reads nothing else.
func (c *connector) CallbackFailed(posted wallet.Callback, _ error) wallet.Reply {
	reply := c.reply(posted, message{Result: "F"})
	reply.Status = http.StatusOK
	return reply
}

// reply signs an answer over the path of the callback.
func (c *connector) reply(posted wallet.Callback, m message) wallet.Reply {
	header, body := seal(c.key, posted.Path, c.now(), m)
	return wallet.Reply{Header: header, ContentType: header.Get("Content-Type"), Body: body}
}
