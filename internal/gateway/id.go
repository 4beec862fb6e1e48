package gateway

import (
	"fmt"
	"io"
	"math/big"
	"time"
)

// newPaymentID draws a payment's id: the date in the deployment's zone, the
// merchant's six digits, twelve random digits. (Trade API, payment, syssn.)
func (g *Gateway) newPaymentID(merchantID string, now time.Time) (string, error) {
	limit := new(big.Int).Exp(big.NewInt(10), big.NewInt(12), nil)
	n, err := randomBelow(g.Rand, limit)
	if err != nil {
		return "", fmt.Errorf("gateway: draw an id: %w", err)
	}
	return fmt.Sprintf("%s%s%012d", now.In(g.Zone).Format("20060102"), merchantID, n), nil
}

// newRowID is an id for rows that nobody outside has to name. It sorts by time,
// and what this process writes within a millisecond by the order of writing.
func (g *Gateway) newRowID(now time.Time) (string, error) {
	var b [8]byte
	if _, err := io.ReadFull(g.Rand, b[:]); err != nil {
		return "", fmt.Errorf("gateway: draw an id: %w", err)
	}
	return fmt.Sprintf("%012x%08x%x", now.UnixMilli(), g.rows.Add(1), b), nil
}

// randomBelow draws a number in [0, limit) without bias: it takes as many bits
// as limit has and draws again if the number is too large. (crypto/rand.Int
// ignores its reader under some settings; ids must be replayable in tests.)
func randomBelow(r io.Reader, limit *big.Int) (*big.Int, error) {
	bits := limit.BitLen()
	buf := make([]byte, (bits+7)/8)
	for {
		if _, err := io.ReadFull(r, buf); err != nil {
			return nil, err
		}
		buf[0] &= byte(0xff >> (len(buf)*8 - bits))
		if n := new(big.Int).SetBytes(buf); n.Cmp(limit) < 0 {
			return n, nil
		}
	}
}
